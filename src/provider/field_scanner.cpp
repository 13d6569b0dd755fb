#include "provider/field_scanner.h"

#include <algorithm>

#include "base/strings.h"
#include "provider/field_key.h"
#include "provider/json_number.h"

namespace gw::provider {
namespace {

constexpr std::uint16_t kTooLong = 0xffff;
constexpr std::size_t kMaxWordBytes = 48;  // of a key, scalar, or count in quotes

bool ends_scalar(char c) { return c == ',' || c == '}' || c == ']' || scan::is_json_space(c); }
void append_utf8(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 0x3f))};
  } else if (c < 0x10000) {
    out += {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3f)),
            static_cast<char>(0x80 | (c & 0x3f))};
  } else {
    out += {static_cast<char>(0xf0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3f)),
            static_cast<char>(0x80 | (c >> 6 & 0x3f)), static_cast<char>(0x80 | (c & 0x3f))};
  }
}

}  // namespace

void FieldScanner::restart(Document document) {
  state_ = State::start;
  document_ = document;
  source_ = 0;
  level_ = 0;
  in_array_ = false;
  stream_ = include_usage_ = Flag::absent;
  batch_ = background_ = response_seen_ = key_escaped_ = usage_escaped_ = false;
  event_ = status_ = Event::other;
  item_ = ToolItem::none;
  output_index_ = -1;
  output_items_ = {};
  numbers_.fill(-1);
  escape_ = 0;
  high_surrogate_ = 0;
  nesting_ = {};
  usage_closed_.fill(false);
  // The rest is of requests alone.
  const std::size_t texts = document == Document::answer ? static_cast<std::size_t>(Text::metadata_session) : kTexts;
  for (std::size_t i = 0; i < texts; ++i) texts_[i].clear();
  usages_[kOllama].clear();
}

void FieldScanner::push(std::string_view bytes) {
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  while (p != end) p = *p == '"' && before_key() ? read_members(p, end) : step(p, end);
}

// From the opening quote of a key, as far as members are written closely and whole.
const char* FieldScanner::read_members(const char* p, const char* end) {
  do {
    p = read_member(p + 1, end);
  } while (p != end && *p == '"' && before_key());
  return p;
}

// Takes at least one byte.
const char* FieldScanner::step(const char* p, const char* end) {
  switch (state_) {
    case State::failed:
      return end;
    case State::start:
    case State::done:
      return read_around(p, end);
    case State::in_key:
    case State::in_text:
      return read_string(p, end);
    case State::in_string:
      return skip_string(p, end);
    case State::in_scalar:
      return read_scalar(p, end);
    case State::in_nested:
      return read_nested(p, end);
    default:
      break;
  }
  p = scan::skip_json_space(p, end);
  if (p == end) return p;
  const char c = *p;
  switch (state_) {
    case State::next_key:
    case State::key_or_end:
      if (c == '"') return read_members(p, end);
      if (c != '}' || state_ == State::next_key) return fail(end);
      return leave(), p + 1;
    case State::colon:
      if (c != ':') return fail(end);
      state_ = State::value;
      return p + 1;
    case State::element_or_end:
      if (c == ']') return leave(), p + 1;
      [[fallthrough]];
    case State::value:
      return start_value(p, end);
    default:
      if (c == (in_array_ ? ']' : '}')) return leave(), p + 1;
      if (c != ',') return fail(end);
      if (in_array_) {
        next_element();
        state_ = State::value;
      } else {
        state_ = State::next_key;
      }
      return p + 1;
  }
}

// Before and after the document.
const char* FieldScanner::read_around(const char* p, const char* end) {
  while (p < end && is_space(*p)) ++p;
  if (p == end) return p;
  if (state_ == State::done || *p != '{') return fail(end);
  contexts_[0] = document_ == Document::answer ? Context::answer : Context::request;
  keys_[0] = keys_of(contexts_[0], document_);
  state_ = State::key_or_end;
  return p + 1;
}

[[gnu::always_inline]] inline void FieldScanner::on_key(std::string_view name) {
  state_ = State::colon;
  const Key* const key = keys_[level_]->find(name);
  if (key == nullptr) {
    action_ = Action::skip;
    return;
  }
  action_ = key->action;
  argument_ = key->argument;
  if (action_ == Action::count)
    usages_[source_].unset(RawUsage::bit(static_cast<UsageField>(argument_)));
  else
    take_back(*key);
}

// From behind the opening quote; usually to behind the comma.
[[gnu::always_inline]] inline const char* FieldScanner::read_member(const char* p, const char* end) {
  const char* const quote = scan::find_string_special(p, end);
  if (quote == end || *quote != '"') {
    state_ = State::in_key;
    text_size_ = 0;
    return read_string(p, end);
  }
  on_key({p, static_cast<std::size_t>(quote - p)});
  p = quote + 1;
  if (end - p < 3 || *p != ':') return p;
  state_ = State::value;
  ++p;
  if (*p == ' ') ++p;
  return static_cast<unsigned char>(*p) > ' ' ? start_value(p, end) : p;
}

[[gnu::always_inline]] inline const char* FieldScanner::start_value(const char* p, const char* end) {
  const char c = *p;
  if (is_digit(c)) return read_digits(p, end);
  if (c == '"') {
    ++p;
    if (action_ == Action::skip || action_ == Action::descend || action_ == Action::flag) {
      state_ = State::in_string;
      return skip_string(p, end);
    }
    text_size_ = 0;
    const char* const quote = scan::find_string_special(p, end);
    if (quote != end && *quote == '"') {  // nothing to copy
      on_text({p, static_cast<std::size_t>(quote - p)});
      return after_value(quote + 1, end);
    }
    state_ = State::in_text;
    return p;
  }
  if (action_ == Action::descend && c == (argument_ == static_cast<std::uint8_t>(Context::output) ? '[' : '{'))
    return enter(), p + 1;
  if (c == '{' || c == '[') {
    if (p + 1 < end && p[1] == (c == '{' ? '}' : ']')) return after_value(p + 2, end);
    state_ = State::in_nested;
    nested_open_ = c;
    nesting_ = {.depth = 1};
    return read_nested(p + 1, end);
  }
  if (end - p > 4 && ends_scalar(p[4]) && same_bytes(p, "null", 4)) return after_value(p + 4, end);
  if (c != '-' && c != 't' && c != 'f' && c != 'n') return fail(end);
  state_ = State::in_scalar;
  text_size_ = 0;
  return read_scalar(p, end);
}

// What nearly every number is; any other goes the long way.
[[gnu::always_inline]] inline const char* FieldScanner::read_digits(const char* p, const char* end) {
  constexpr std::ptrdiff_t kMost = 15;
  const char* q = p;
  const char* const last = end - p > kMost ? p + kMost : end;
  std::int64_t value = 0;
  do {
    value = value * 10 + (*q++ - '0');
  } while (q < last && is_digit(*q));
  const bool ends = q != end && (*q == ',' || *q == '}' || ends_scalar(*q));
  if (!ends || (*p == '0' && q - p > 1)) {
    state_ = State::in_scalar;
    text_size_ = 0;
    return read_scalar(p, end);
  }
  if (action_ == Action::count) {
    usages_[source_].set(static_cast<UsageField>(argument_), value);
  } else if (action_ > Action::count) {
    on_scalar({p, static_cast<std::size_t>(q - p)});
  }
  return after_value(q, end);
}

[[gnu::always_inline]] inline const char* FieldScanner::after_value(const char* p, const char* end) {
  state_ = State::comma_or_end;
  if (p == end || in_array_) return p;
  if (*p == '}') return leave_objects(p, end);
  return *p == ',' ? to_next_key(p + 1, end) : p;
}

// Behind a comma; many clients write a blank after it.
[[gnu::always_inline]] inline const char* FieldScanner::to_next_key(const char* p, const char* end) {
  state_ = State::next_key;
  return p != end && *p == ' ' ? p + 1 : p;
}

// From the end of an object on; those that it is in usually end with it.
const char* FieldScanner::leave_objects(const char* p, const char* end) {
  do {
    leave();
    ++p;
  } while (p != end && *p == '}' && !in_array_ && state_ != State::done);
  if (p == end || *p != ',' || in_array_ || state_ == State::done) return p;
  return to_next_key(p + 1, end);
}

const char* FieldScanner::read_scalar(const char* p, const char* end) {
  const char* const from = p;
  while (p < end && !ends_scalar(*p)) ++p;
  const std::string_view part(from, static_cast<std::size_t>(p - from));
  if (p < end && text_size_ == 0 && part.size() <= kMaxWordBytes) {
    on_scalar(part);
    return p;
  }
  append_text(part);
  if (p < end) on_scalar(text_size_ == kTooLong ? std::string_view() : std::string_view(text_.data(), text_size_));
  return p;
}

// The empty view stands for a number too long to keep: no provider writes one, and it gives no count.
void FieldScanner::on_scalar(std::string_view text) {
  const bool literal = text == "true" || text == "false" || text == "null";
  if (!text.empty() && !literal && !is_json_number(text)) {
    state_ = State::failed;
    return;
  }
  state_ = State::comma_or_end;
  if (action_ == Action::flag && literal && text != "null") {
    const Flag flag = text == "true" ? Flag::yes : Flag::no;
    if (argument_ == static_cast<std::uint8_t>(Literal::stream)) stream_ = flag;
    if (argument_ == static_cast<std::uint8_t>(Literal::include_usage)) include_usage_ = flag;
    if (argument_ == static_cast<std::uint8_t>(Literal::background)) background_ = flag == Flag::yes;
    if (argument_ == static_cast<std::uint8_t>(Literal::own_key))
      usages_[source_].set(UsageField::own_key, flag == Flag::yes ? 1 : 0);
  }
  if (literal || text.empty()) return;
  if (action_ == Action::count || action_ == Action::root_count || action_ == Action::image_count) {
    const Count c = count_of(text);
    on_count(c.value, c.bad);
  } else if (action_ == Action::number) {
    numbers_[argument_] = std::max(numbers_[argument_], count_of(text).value);
  } else if (action_ == Action::nano || action_ == Action::milli) {
    const Count c = scaled_of(text, action_ == Action::nano ? 9 : 3);
    on_count(c.value, c.bad);
  }
}

// Some servers put their counts in quotes. Digits are read, and for money and time whatever is a JSON number; any other
// text is no count, and says that something is wrong with this usage.
void FieldScanner::on_count_text(std::string_view text) {
  const bool scaled = action_ == Action::nano || action_ == Action::milli;
  const bool readable = !text.empty() && text.size() <= kMaxWordBytes &&
                        (scaled ? is_json_number(text) : count_digits(text, 0) == text.size());
  if (readable) {
    if (!scaled) text.remove_prefix(std::min(text.find_first_not_of('0'), text.size() - 1));
    return on_scalar(text);
  }
  if (action_ == Action::root_count)
    usages_[kOllama].mark_bad(static_cast<UsageField>(argument_));
  else
    usages_[source_].mark_bad(static_cast<UsageField>(argument_));
}

// The elements of `output` are its items.
void FieldScanner::next_element() {
  state_ = State::element_or_end;
  action_ = Action::descend;
  argument_ = static_cast<std::uint8_t>(Context::output_item);
}

const char* FieldScanner::read_nested(const char* p, const char* end) {
  p = kernel_->skip_nested(p, end, nesting_);
  if (nesting_.depth != 0) return p;
  if ((nested_open_ == '{') != (p[-1] == '}')) return fail(end);
  return after_value(p, end);
}

const char* FieldScanner::skip_string(const char* p, const char* end) {
  if (nesting_.escaped) ++p;
  nesting_.escaped = false;
  while (true) {
    p = scan::find_string_special(p, end);
    if (p == end) return end;
    if (*p == '"') return after_value(p + 1, end);
    if (p + 1 == end) {
      nesting_.escaped = true;
      return end;
    }
    p += 2;
  }
}

// A key or a text.
const char* FieldScanner::read_string(const char* p, const char* end) {
  if (escape_ != 0) return read_escape(p, end);
  const char* const special = scan::find_string_special(p, end);
  const std::string_view part(p, static_cast<std::size_t>(special - p));
  if (special == end) {
    append_text(part);
    return end;
  }
  if (*special == '\\') {
    append_text(part);
    escape_ = 1;
    return special + 1;
  }
  if (text_size_ == 0 && high_surrogate_ == 0) {  // the common case: nothing to copy
    state_ == State::in_key ? on_key(part) : on_text(part);
  } else {
    append_text(part);
    end_string();
  }
  return special + 1;
}

const char* FieldScanner::read_escape(const char* p, const char* end) {
  const char c = *p;
  if (escape_ > 1) {
    const int digit = hex_value(c);
    if (digit < 0) return fail(end);
    code_unit_ = code_unit_ << 4 | static_cast<std::uint32_t>(digit);
    if (--escape_ == 1) {
      escape_ = 0;
      append_code_unit(code_unit_);
    }
    return p + 1;
  }
  key_escaped_ = key_escaped_ || state_ == State::in_key;
  if (c == 'u') {
    escape_ = 5;
    code_unit_ = 0;
    return p + 1;
  }
  constexpr std::string_view kNames = "\"\\/bfnrt";
  constexpr std::string_view kBytes = "\"\\/\b\f\n\r\t";
  const std::size_t at = kNames.find(c);
  if (at == std::string_view::npos) return fail(end);
  escape_ = 0;
  append_text(kBytes.substr(at, 1));
  return p + 1;
}

void FieldScanner::append_code_unit(std::uint32_t unit) {
  if (high_surrogate_ != 0 && unit >= 0xdc00 && unit <= 0xdfff) {
    const std::uint32_t c = 0x10000 + ((high_surrogate_ - 0xd800) << 10) + (unit - 0xdc00);
    high_surrogate_ = 0;
    std::string utf8;
    append_utf8(utf8, c);
    append_text(utf8);
    return;
  }
  flush_surrogate();
  if (unit >= 0xd800 && unit <= 0xdbff) {
    high_surrogate_ = unit;
    return;
  }
  std::string utf8;
  append_utf8(utf8, unit >= 0xdc00 && unit <= 0xdfff ? 0xfffd : unit);
  append_text(utf8);
}

/// A half without its other half is written as U+FFFD.
void FieldScanner::flush_surrogate() {
  if (high_surrogate_ == 0) return;
  high_surrogate_ = 0;
  append_text("\xef\xbf\xbd");
}

void FieldScanner::append_text(std::string_view text) {
  if (text.empty()) return;
  flush_surrogate();
  if (state_ == State::in_text) {
    if (action_ == Action::text)
      while (text_size_ == 0 && !text.empty() && is_space(text.front())) text.remove_prefix(1);
    // A few bytes over the bound show whether the cut falls inside a character.
    text = text.substr(0, text_.size() - text_size_);
  } else if (text_size_ == kTooLong || text_size_ + text.size() > kMaxWordBytes) {
    text_size_ = kTooLong;
    return;
  }
  std::copy(text.begin(), text.end(), text_.begin() + text_size_);
  text_size_ = static_cast<std::uint16_t>(text_size_ + text.size());
}

void FieldScanner::end_string() {
  flush_surrogate();
  const std::string_view text(text_.data(), text_size_ == kTooLong ? 0 : text_size_);
  if (state_ != State::in_key) return on_text(text);
  on_key(text);
  usage_escaped_ = usage_escaped_ || (key_escaped_ && key_is_usage());
  key_escaped_ = false;
}

void FieldScanner::join_line() {
  const bool before_value = state_ == State::colon || state_ == State::value;
  if (before_value && !in_array_ && key_is_usage())
    state_ = State::failed;
  else
    push("\n");
}

std::string_view FieldScanner::model() const {
  for (std::size_t i = 0; i <= static_cast<std::size_t>(Text::model_of_response); ++i)
    if (!texts_[i].empty()) return texts_[i];
  return {};
}

const RawUsage* FieldScanner::usage(bool counts_of_root) const {
  if (batch_) return nullptr;
  for (std::size_t i = 0; i < (counts_of_root ? kSources : kOllama); ++i)
    if (usage_closed_[i]) return &usages_[i];
  return nullptr;
}

}  // namespace gw::provider
