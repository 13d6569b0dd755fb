#include "provider/usage_reader.h"

#include <algorithm>
#include <cstring>

#include "base/strings.h"

namespace gw::provider {
namespace {

constexpr std::string_view kDataPrefix = "data:";
constexpr char kEventField = 'e';  ///< begins `event:`, and no line of data
constexpr std::string_view kEventStream = "text/event-stream";
constexpr std::string_view kJsonLines = "application/x-ndjson";

bool names(std::string_view content_type, std::string_view type) {
  if (content_type.starts_with(type)) return true;  // what nearly every provider writes
  if (content_type.size() < type.size()) return false;
  const auto same = [](char a, char b) { return to_lower(a) == b; };
  return std::search(content_type.begin(), content_type.end(), type.begin(), type.end(), same) != content_type.end();
}

const char* find_newline(const char* p, const char* end) {
  const void* at = std::memchr(p, '\n', static_cast<std::size_t>(end - p));
  return at != nullptr ? static_cast<const char*>(at) : end;
}

/// Where the last line begins that is not ended in [p, end).
const char* last_line(const char* p, const char* end) {
  if (p < end && end[-1] == '\n') return end;
  const void* at = ::memrchr(p, '\n', static_cast<std::size_t>(end - p));
  return at != nullptr ? static_cast<const char*>(at) + 1 : p;
}

std::string_view between(const char* p, const char* end) { return {p, static_cast<std::size_t>(end - p)}; }

}  // namespace

void UsageReader::reset() {
  static constexpr Usage kNone{};  // copied, where a temporary would be filled word by word first
  if (!begun_) return;
  begun_ = false;
  tee_ = {};
  usage_ = kNone;
  totals_.reset();
  format_ = Format::document;
  given_up_ = straight_ = document_read_ = item_events_ = final_usage_ = joined_ = background_ = false;
  line_ = Line::start;
  held_size_ = 0;
  model_.clear();
  service_tier_.clear();
  inference_geo_.clear();
  response_id_.clear();
  decoder_.close();
  scanner_.restart(Document::answer);
}

void UsageReader::begin(std::string_view content_type, std::string_view content_encoding) {
  reset();
  begun_ = true;
  if (names(content_type, kEventStream)) {
    format_ = Format::events;
  } else if (names(content_type, kJsonLines)) {
    format_ = Format::lines;
  }
  start_.restart(format_ == Format::events);
  if (!decoder_.open(content_encoding)) give_up();
}

void UsageReader::give_up() {
  given_up_ = true;
  straight_ = false;
  usage_.estimated = true;
  decoder_.close();
}

void UsageReader::finish() {
  decoder_.close();
  if (format_ != Format::document) {
    end_line();
  } else if (!scanner_.failed()) {
    document_read_ = true;
    take_payload();
  }
}

[[gnu::always_inline]] inline void UsageReader::read(std::string_view text) {
  if (format_ == Format::document) {
    scanner_.push(text);
  } else if (reads_all()) {
    push_lines(text);
  } else {
    push_events(text);
  }
  if (tee_.take != nullptr) tee_.take(tee_.to, text);
}

void UsageReader::push(std::string_view bytes) {
  if (bytes.empty()) return;
  if (straight_) [[likely]]
    return read(bytes);
  if (given_up_) return;
  if (!decoder_.active()) {
    decoded(bytes);
    return;
  }
  const auto take = [](void* reader, std::string_view text) { static_cast<UsageReader*>(reader)->decoded(text); };
  if (!decoder_.push(bytes, {take, this})) give_up();
}

void UsageReader::decoded(std::string_view bytes) {
  straight_ = start_.over_with(bytes) && !decoder_.active();
  if (start_.over())
    read(bytes);
  else
    start_.push(bytes, [this](std::string_view text) { read(text); });
}

/// Where a line shows that it has to be read, or `end`. Called for every delta.
[[gnu::always_inline]] inline const char* UsageReader::find_payload(const char* p, const char* end) const {
  const scan::Kernel& kernel = scanner_.kernel();
  return item_events_ ? kernel.find_usage_or_item_done(p, end) : kernel.find_usage(p, end);
}

// Complete lines are only searched. The one that is cut off at the end is held while it is short, else read as it
// comes.
void UsageReader::push_events(std::string_view bytes) {
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  if (line_open()) {
    const char* newline = find_newline(p, end);
    hold_line(between(p, newline));
    if (newline == end) return;
#ifdef GW_PLANT_BUG
    if (newline - p < 4) return;
#endif
    // A line that begins with a blank may still be one of data.
    end_line(newline + 1 < end &&
             (newline[1] == '\n' || (newline[1] == '\r' && newline + 2 < end && newline[2] == '\n')));
    p = newline + 1;
    if (joined_) return push_lines(between(p, end));
  }
  const char* const open_line = last_line(p, end);
  while (p < open_line) {
    const char* const hit = find_payload(p, open_line);
    if (hit == open_line) break;
    const char* const newline = find_newline(hit, open_line);
    const char* const line = last_line(p, hit);
    join_lines(p, line);
    push_line(between(line, newline));
    end_line();
    p = newline + 1;
    if (joined_) return push_lines(between(p, end));
  }
  join_lines(p, open_line);
  if (open_line < end) hold_line(between(open_line, end));
}

// Before `line` is read, or held for later: reads the lines from `from` on that are of the same event, from the one
// that begins an object without ending it. Nearly always the line before is blank, or only an `event:` stands before
// `line`.
inline void UsageReader::join_lines(const char* from, const char* line) {
  const auto first_of_event = [from](const char* at) { return at - from < 2 || at[-2] == '\n'; };
  if (first_of_event(line)) return;
  const char* const before = last_line(from, line - 1);
  if (*before == kEventField && first_of_event(before)) return;
  join_lines_of_event(from, line);
}

void UsageReader::join_lines_of_event(const char* from, const char* line) {
  const char* first = line;
  while (first > from) {
    const char* const before = last_line(from, first - 1);
    if (std::all_of(before, first, is_space)) break;
    first = before;
  }
  for (const char* end = first; first < line; first = end + 1) {
    end = find_newline(first, line);
    if (!joined_ && !is_unfinished(between(first, end))) continue;
    push_line(between(first, end));
    end_line();
  }
}

/// Whether a line begins an object without ending it, as the scanner would find it.
bool UsageReader::is_unfinished(std::string_view line) const {
  const auto skip_space = [&line] {
    while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
  };
  skip_space();
  if (!line.starts_with(kDataPrefix)) return false;
  line.remove_prefix(kDataPrefix.size());
  skip_space();
  if (!line.starts_with('{')) return false;
  scan::Nesting nesting{.depth = 1};
  scanner_.kernel().skip_nested(line.data() + 1, line.data() + line.size(), nesting);
  return nesting.depth != 0;
}

// Every line is read.
void UsageReader::push_lines(std::string_view bytes) {
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  while (p < end) {
    const char* newline = find_newline(p, end);
    hold_line(between(p, newline));
    if (newline == end) return;
    end_line();
    p = newline + 1;
    if (!reads_all()) return push_events(between(p, end));
  }
}

void UsageReader::hold_line(std::string_view part) {
  if (line_ == Line::start && held_size_ + part.size() <= held_.size()) {
    std::memcpy(held_.data() + held_size_, part.data(), part.size());
    held_size_ = static_cast<std::uint16_t>(held_size_ + part.size());
    return;
  }
  push_line({held_.data(), held_size_});
  held_size_ = 0;
  push_line(part);
}

void UsageReader::push_line(std::string_view part) {
  if (line_ == Line::start) {
    while (!part.empty() && is_space(part.front())) part.remove_prefix(1);
    if (part.empty()) return;
    line_ = Line::prefix;
    prefix_size_ = 0;
    if (format_ == Format::lines) begin_payload();
  }
  if (line_ == Line::prefix) {
    const std::string_view rest = kDataPrefix.substr(prefix_size_);
    const std::size_t n = std::min(rest.size(), part.size());
    if (!same_bytes(part.data(), rest.data(), n)) {
      line_ = Line::ignored;
      return;
    }
    part.remove_prefix(n);
    prefix_size_ = static_cast<std::uint8_t>(prefix_size_ + n);
    if (n == rest.size()) begin_payload();
  }
  if (line_ == Line::payload) scanner_.push(part);
}

void UsageReader::begin_payload() {
  line_ = Line::payload;
  joined_ ? scanner_.join_line() : scanner_.restart(Document::answer);
}

/// `event_over`: the next line is known to be blank.
void UsageReader::end_line(bool event_over) {
  const char* const end = held_.data() + held_size_;
  const std::string_view held = between(held_.data(), end);
  if (!held.empty() && (reads_all() || find_payload(held.data(), end) != end || (!event_over && is_unfinished(held))))
    push_line(held);
  held_size_ = 0;
  if (line_ == Line::payload) {
    joined_ = format_ == Format::events && scanner_.open();
    if (scanner_.complete()) take_payload();
  } else if (line_ == Line::start) {
    joined_ = false;  // a blank line
  }
  line_ = Line::start;
}

void UsageReader::take_texts() {
  if (model_.empty()) {
    model_.assign(scanner_.model());
    item_events_ = scanner_.of_response();
  }
  const auto keep = [](std::string& kept, std::string_view text) {
    if (!text.empty()) kept.assign(text);
  };
  keep(service_tier_, scanner_.text(Text::service_tier));
  keep(inference_geo_, scanner_.text(Text::inference_geo));
  keep(response_id_, scanner_.text(Text::response_id));
  background_ = background_ || scanner_.background();
}

// Where lines are searched, a payload is also read for being cut or joined. It must not say more for that.
void UsageReader::take_payload() {
  const bool searched = format_ == Format::events && !model_.empty();
  const RawUsage* const raw =
      searched && scanner_.usage_escaped() ? nullptr : scanner_.usage(format_ != Format::events);
  if (scanner_.event() == Event::item_done && (!searched || item_events_))
    totals_.add_item(scanner_.item(), scanner_.output_index());
  if (!searched || raw != nullptr) {
    totals_.set_items(scanner_.output_items());
    if (format_ != Format::document) take_texts();
  }
  if (raw != nullptr) {
    totals_.add(*raw);
    final_usage_ = final_usage_ || !scanner_.usage_of_message();
  } else if (!totals_.has_items()) {
    return;
  }
  const bool given_up = given_up_;
  usage_ = totals_.result();
  usage_.estimated = usage_.estimated || given_up;
}

}  // namespace gw::provider
