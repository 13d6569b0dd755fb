#include "guard/body_redactor.h"

#include <limits>

#include "base/strings.h"
#include "guard/json_document.h"

namespace gw::guard {
namespace {

constexpr auto npos = std::string_view::npos;
constexpr std::size_t kMaxBody = std::numeric_limits<std::uint32_t>::max() / 2;
constexpr const char* kTooDeep = "json is nested too deeply";

/// UTF-8, except that the last character may have been cut off with the rest of the body.
bool is_utf8_text(std::string_view s) {
  while (!s.empty()) {
    const std::size_t nul = s.find('\0');
    std::string_view part = s.substr(0, nul);
    if (!is_storable_text(part)) {
      if (nul != npos) return false;
      // At most three bytes of a character that lacks its end.
      std::size_t cut = 1;
#ifdef GW_PLANT_BUG
      const std::size_t longest = 3;
#else
      const std::size_t longest = std::min<std::size_t>(3, part.size());
#endif
      while (cut < longest && (static_cast<unsigned char>(part[part.size() - cut]) & 0xC0) == 0x80) ++cut;
      const auto lead = static_cast<unsigned char>(part[part.size() - cut]);
      const std::size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
      return lead >= 0xC2 && lead <= 0xF4 && cut < wanted && is_storable_text(part.substr(0, part.size() - cut));
    }
    if (nul == npos) break;
    s.remove_prefix(nul + 1);
  }
  return true;
}

std::size_t skip_blanks(std::string_view s, std::size_t i) {
  while (i < s.size() && is_space(s[i])) ++i;
  return i;
}

Piece text_piece(std::size_t begin, std::size_t end) {
  return {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end), Piece::How::text};
}

/// Where a value that starts at `i` ends, in text that is not quite JSON.
std::size_t loose_value_end(std::string_view text, std::size_t i) {
  int depth = 0;
  while (i < text.size()) {
    const char c = text[i];
    if (c == '"') {
      const JsonString s = scan_json_string(text, i);
      i = s.closed ? s.end + 1 : text.size();
      if (depth == 0) return i;
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') {
      if (depth == 0) return i;
      if (--depth == 0) return i + 1;
    }
    if (depth == 0 && (c == ',' || c == '\r' || c == '\n')) return i;
    ++i;
  }
  return i;
}

/// One body's way through: decides what it is and hands the parts to the redaction.
class BodyRun {
 public:
  BodyRun(Redaction& redaction, const FieldNames& fields)
      : redaction_(redaction),
        fields_(fields),
        body_(redaction.body()),
        event_document_(redaction, fields, &streamed_) {}

  /// Null, or what went wrong.
  const char* run() {
    std::size_t start = body_.starts_with("\xEF\xBB\xBF") ? 3 : 0;
    start = skip_blanks(body_, start);
    if (start == body_.size()) return nullptr;
    const char first = body_[start];
    if (first == '{' || first == '[') {
      if (const WalkEnd end = documents(start); end != WalkEnd::invalid)
        return end == WalkEnd::too_deep ? kTooDeep : nullptr;
    } else if (lone_scalar(start)) {
      return nullptr;
    }
    if (!is_utf8_text(body_)) return "non-json body is not valid utf-8";
    if (looks_like_events(start)) return events(start);
    text(0, body_.size(), looks_like_json(body_.substr(start)));
    return nullptr;
  }

  /// Something was taken out of text. What is left may read as another thing (mended JSON, say), so that it has to be
  /// looked at again.
  bool loose() const { return loose_; }

 private:
  /// One document, or several behind each other (JSON lines).
  WalkEnd documents(std::size_t start) {
    const Redaction::Mark mark = redaction_.mark();
    std::size_t pos = start;
    JsonDocument alone(redaction_, fields_, nullptr);
    alone.start(body_, 0);
    WalkEnd end = walk_json(body_, pos, alone);
    if (end == WalkEnd::complete && skip_blanks(body_, pos) < body_.size()) {
      redaction_.roll_back(mark);
      end = document_stream(start);
    }
    if (end == WalkEnd::invalid) redaction_.roll_back(mark);
    return end;
  }

  WalkEnd document_stream(std::size_t pos) {
    WalkEnd end = WalkEnd::complete;
    for (; end == WalkEnd::complete && pos < body_.size(); pos = skip_blanks(body_, pos)) {
      if (body_[pos] != '{' && body_[pos] != '[') return WalkEnd::invalid;
      event_document_.start(body_, 0);
      end = walk_json(body_, pos, event_document_);
      if (event_document_.broken()) return WalkEnd::invalid;
      event_document_.finish();
    }
    if (end == WalkEnd::complete || end == WalkEnd::truncated) streamed_.search_all(redaction_);
    return end;
  }

  /// The whole body is one string, number or literal; only then are digits in it no text.
  bool lone_scalar(std::size_t start) {
    std::string_view value = trim(body_.substr(start));
    if (value[0] == '"') {
      const JsonString s = scan_json_string(value, 0);
      if (!s.closed || s.end + 1 != value.size()) return false;
      redaction_.search({static_cast<std::uint32_t>(start + s.begin), static_cast<std::uint32_t>(start + s.end),
                         s.escaped ? Piece::How::json_escaped : Piece::How::json});
      return true;
    }
    constexpr std::size_t kLongestNumber = 400;
    if (value.size() > kLongestNumber) return false;
    std::string closed(1, '[');  // closed, so that half a literal is not taken for one cut off
    closed.append(value).append(1, ']');
    JsonDocument document(redaction_, fields_, nullptr);
    document.start(closed, 0);
    std::size_t pos = 0;
    if (value.find_first_of("\"{[,") != npos) return false;
    return walk_json(closed, pos, document) == WalkEnd::complete && pos == closed.size();
  }

  /// Text; where it looks like broken JSON, values of denied members are replaced as well.
  void text(std::size_t begin, std::size_t end, bool json_like) {
    const std::size_t edits_before = redaction_.mark().edits;
    std::size_t done = begin;
    const std::string_view all = body_.substr(0, end);
    for (std::size_t quote = json_like ? all.find('"', begin) : npos; quote != npos;) {
      const JsonString name = scan_json_string(all, quote);
      if (!name.closed) break;
      const std::size_t colon = skip_blanks(all, name.end + 1);
      // The closing quote may as well open the next string: which is which cannot be known here.
      quote = name.end;
      if (colon >= end || all[colon] != ':') continue;
      if (!redaction_.is_denied(fields_, all.substr(name.begin, name.end - name.begin))) continue;
      const std::size_t value = skip_blanks(all, colon + 1);
      const std::size_t value_end = loose_value_end(all, value);
      if (value == value_end) continue;
      redaction_.search(text_piece(done, value));
      redaction_.replace_field(value, value_end);
      done = value_end;
      quote = all.find('"', value_end);
    }
    redaction_.search(text_piece(done, end));
    loose_ = loose_ || redaction_.mark().edits > edits_before;
  }

  bool looks_like_events(std::size_t start) const {
    const std::string_view head = body_.substr(start);
    bool field = head.starts_with(':');
    for (const std::string_view name : {"data:", "event:", "id:", "retry:"}) field |= head.starts_with(name);
    return field && (head.starts_with("data:") || body_.find("\ndata:") != npos || body_.find("\rdata:") != npos);
  }

  /// A text that started with something private must not turn into JSON by the bracket of its replacement.
  bool looks_like_json(std::string_view text) const {
    return (text.starts_with('{') || text.starts_with('[')) && !redaction_.placeholder().starts(text);
  }

  struct Line {
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  const char* events(std::size_t pos) {
    const char* error = nullptr;
    while (pos < body_.size() && error == nullptr) {
      std::size_t end = pos;
      while (end < body_.size() && body_[end] != '\n' && body_[end] != '\r') ++end;
      const std::string_view line = body_.substr(pos, end - pos);
      if (line.starts_with("data:")) {
        const std::size_t value = pos + 5 + (line.size() > 5 && line[5] == ' ' ? 1 : 0);
        data_.push_back({value, end});
      } else if (line.empty()) {
        error = event();
      } else {
        redaction_.search(text_piece(pos, end));
      }
      pos = end + (body_.substr(end).starts_with("\r\n") ? 2 : 1);
    }
    if (error == nullptr) error = event();
    streamed_.search_all(redaction_);
    loose_ = loose_ || (text_events_ && redaction_.changed());
    return error;
  }

  const char* event() {
    if (data_.empty()) return nullptr;
    const std::size_t begin = data_.front().begin;
    const std::size_t end = data_.back().end;
    std::string_view payload = body_.substr(begin, end - begin);
    std::string blanked;
    if (data_.size() > 1) {  // what stands between two lines of an event is white space to JSON
      blanked.assign(payload.size(), '\n');
      for (const Line& l : data_)
        blanked.replace(l.begin - begin, l.end - l.begin, body_.substr(l.begin, l.end - l.begin));
      payload = blanked;
    }
    const bool json_like = looks_like_json(payload.substr(skip_blanks(payload, 0)));
    const WalkEnd walked = json_like ? event_json(payload, begin) : WalkEnd::invalid;
    if (walked == WalkEnd::invalid) event_text(json_like);
    data_.clear();
    return walked == WalkEnd::too_deep ? kTooDeep : nullptr;
  }

  WalkEnd event_json(std::string_view payload, std::size_t offset) {
    const Redaction::Mark mark = redaction_.mark();
    event_document_.start(payload, offset);
    std::size_t pos = 0;
    WalkEnd end = walk_json(payload, pos, event_document_);
    if (event_document_.broken() || (end == WalkEnd::complete && skip_blanks(payload, pos) < payload.size()))
      end = WalkEnd::invalid;
    if (end == WalkEnd::invalid) {
      redaction_.roll_back(mark);
    } else {
      event_document_.finish();
    }
    return end;
  }

  /// Events of plain text: all of them make one running text.
  void event_text(bool json_like) {
    constexpr std::uint64_t kPlainText = 0;
    text_events_ = text_events_ || !json_like;
    for (std::size_t i = 0; i < data_.size(); ++i) {
      if (json_like) {
        text(data_[i].begin, data_[i].end, true);
        continue;
      }
      if (i > 0) streamed_.add(kPlainText, {0, 0, Piece::How::line_break});
      if (data_[i].begin < data_[i].end) streamed_.add(kPlainText, text_piece(data_[i].begin, data_[i].end));
    }
  }

  Redaction& redaction_;
  const FieldNames& fields_;
  std::string_view body_;
  StreamedTexts streamed_;
  JsonDocument event_document_;
  std::vector<Line> data_;  // of the event being read
  bool loose_ = false;
  bool text_events_ = false;
};

}  // namespace

BodyRedactor::BodyRedactor(const BodyOptions& options)
    : detectors_(options.detectors), fields_(options.key_denylist), placeholder_(options.format, options.hash_salt) {}

BodyRedactor::Outcome BodyRedactor::redact(std::string_view body, std::string_view workspace_id,
                                           std::string& out) const {
  Outcome outcome;
  if (body.empty()) return outcome;
  if (body.size() > kMaxBody) return {.failed = true, .error = "body is too large to redact"};
  constexpr int kMaxPasses = 8;
  std::string previous;
  for (int pass = 0; pass < kMaxPasses; ++pass) {
    Redaction redaction(body, workspace_id, detectors_, placeholder_);
    BodyRun run(redaction, fields_);
    if (const char* error = run.run()) return {.failed = true, .error = error};
    for (std::size_t i = 0; i < kKinds; ++i) outcome.counts[i] += redaction.counts()[i];
    if (!redaction.changed()) break;
    outcome.changed = true;
    redaction.apply(out);
    if (!run.loose()) break;
    previous = out;
    body = previous;
  }
  return outcome;
}

}  // namespace gw::guard
