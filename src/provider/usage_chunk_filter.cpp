#include "provider/usage_chunk_filter.h"

#include "provider/scan.h"

namespace gw::provider {
namespace {

constexpr std::string_view kData = "data";

const char* find_line_end(const char* p, const char* end) {
  while (p < end && *p != '\n' && *p != '\r') ++p;
  return p;
}

}  // namespace

void UsageChunkFilter::push(std::string_view bytes, std::string& out) {
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  const char* from = p;  // what lies between it and p goes where the present event goes
  const auto flush = [&](std::string& to) {
    to.append(from, static_cast<std::size_t>(p - from));
    from = p;
  };
  while (p < end) {
    const char c = *p;
    if (after_cr_) {
      after_cr_ = false;
      if (c == '\n') {
        ++p;
        if (drops_lf_) from = p;
        continue;
      }
    }
    if (event_ == Event::open && ++event_size_ > kMaxEventBytes) pass(out);
    const bool ends_line = c == '\n' || c == '\r';
    after_cr_ = c == '\r';
#ifdef GW_PLANT_BUG
    if (p + 1 == end) after_cr_ = false;
#endif
    drops_lf_ = false;
    if (ends_line && line_ == Line::start) {  // a blank line: the event is whole
      ++p;
      if (event_ == Event::open && payload_.is_usage_chunk()) {
        held_.clear();
        from = p;
        drops_lf_ = true;
        ++removed_;
      } else {
        pass(out);
      }
      event_ = Event::between;
      continue;
    }
    if (ends_line) {
      end_line();
    } else if (line_ == Line::start && event_ == Event::between && c != ':') {
      flush(out);
      event_ = Event::open;
      event_size_ = 1;
      payload_ = {};
    }
    if (!ends_line) {
      if (event_ != Event::open) {
        line_ = Line::other;
        p = find_line_end(p, end);
        continue;
      }
      if (!take_in_line(c)) pass(out);
    }
    ++p;
  }
  flush(event_ == Event::open ? held_ : out);
}

void UsageChunkFilter::finish(std::string& out) {
  if (event_ == Event::open && payload_.is_usage_chunk()) {
    held_.clear();
    ++removed_;
  }
  pass(out);
}

/// The present event is not the one, or has ended.
void UsageChunkFilter::pass(std::string& out) {
  out.append(held_);
  held_.clear();
  event_ = Event::passes;
}

void UsageChunkFilter::end_line() {
  if (line_ == Line::data || line_ == Line::space) payload_.take('\n');  // what joins the data lines of an event
  line_ = Line::start;
  name_size_ = 0;
}

/// One byte of an event that is open. False: it is not the one.
bool UsageChunkFilter::take_in_line(char c) {
  switch (line_) {
    case Line::start:
    case Line::name:
      if (name_size_ < kData.size() && c == kData[name_size_]) {
        ++name_size_;
        line_ = Line::name;
      } else {
        line_ = name_size_ == kData.size() && c == ':' ? Line::space : Line::other;
      }
      return true;
    case Line::space:
      line_ = Line::data;
      return c == ' ' || payload_.take(c);
    case Line::data:
      return payload_.take(c);
    case Line::other:
      return true;
  }
  return true;
}

bool UsageChunkFilter::Payload::take(char c) {
  switch (state_) {
    case State::key:
      take_key(c);
      return true;
    case State::nested:
      take_nested(c);
      return true;
    case State::string:
      if (escaped_ || c == '\\')
        escaped_ = !escaped_;
      else if (c == '"')
        state_ = State::after;
      return true;
    case State::scalar:
      if (c == ',') return go(State::next_key);
      if (c == '}') return go(State::done);
      if (scan::is_json_space(c)) state_ = State::after;
      return true;
    default:
      return scan::is_json_space(c) || take_punctuation(c);
  }
}

bool UsageChunkFilter::Payload::take_punctuation(char c) {
  switch (state_) {
    case State::start:
      return c == '{' && go(State::key_or_end);
    case State::key_or_end:
    case State::next_key:
      if (c == '}' && state_ == State::key_or_end) return go(State::done);
      key_size_ = 0;
      return c == '"' && go(State::key);
    case State::colon:
      return c == ':' && go(State::value);
    case State::value:
      return take_value(c);
    case State::first_choice:
      choices_ = true;
      return c == ']' && go(State::after);
    case State::after:
      if (c == '}') return go(State::done);
      return c == ',' && go(State::next_key);
    default:
      return false;
  }
}

/// Every `choices` must be empty and every `usage` an object, so that one that is not decides at once.
bool UsageChunkFilter::Payload::take_value(char c) {
  if (is_key("choices")) return c == '[' && go(State::first_choice);
  if (is_key("usage")) {
    if (c != '{') return false;
    usage_ = true;
  }
  if (c == '"') return go(State::string);
  if (c != '{' && c != '[') return go(State::scalar);
  depth_ = 1;
  return go(State::nested);
}

void UsageChunkFilter::Payload::take_key(char c) {
  if (escaped_ || c == '\\') {
    escaped_ = !escaped_;
    key_size_ = sizeof key_;
  } else if (c == '"') {
    state_ = State::colon;
  } else if (key_size_ < sizeof key_) {
    key_[key_size_++] = c;
  }
}

void UsageChunkFilter::Payload::take_nested(char c) {
  if (in_string_) {
    if (escaped_ || c == '\\')
      escaped_ = !escaped_;
    else if (c == '"')
      in_string_ = false;
  } else if (c == '"') {
    in_string_ = true;
  } else if (c == '{' || c == '[') {
    ++depth_;
  } else if ((c == '}' || c == ']') && --depth_ == 0) {
    state_ = State::after;
  }
}

}  // namespace gw::provider
