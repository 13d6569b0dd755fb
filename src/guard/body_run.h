#pragma once
// One body's way through a redaction: decides what the body is and hands its parts on. Internal to the guard.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "guard/body_redactor.h"
#include "guard/form_text.h"
#include "guard/json_document.h"
#include "guard/multipart.h"
#include "guard/text_class.h"
#include "guard/trigger_scan.h"
#include "guard/utf8_text.h"

namespace gw::guard {
namespace detail {

constexpr const char* kTooDeep = "json is nested too deeply";

inline std::size_t skip_blanks(std::string_view s, std::size_t i) {
  while (i < s.size() && is_space(s[i])) ++i;
  return i;
}

inline Piece text_piece(std::size_t begin, std::size_t end) {
  return {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end), Piece::How::text};
}

/// Where a value that starts at `i` ends, in text that is not quite JSON.
inline std::size_t loose_value_end(std::string_view text, std::size_t i) {
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

}  // namespace detail

/// One body's way through: decides what it is and hands the parts to the redaction.
class BodyRun {
 public:
  /// `window`: the body is whole events of a stream that may go on; it outlives the run.
  BodyRun(const BodyRedactor& redactor, std::string_view body, std::string_view workspace_id, const BodyFormat& format,
          EventWindow* window = nullptr)
      : redaction_(body, workspace_id, redactor.detectors_, redactor.placeholder_),
        fields_(redactor.fields_),
        body_(body),
        format_(format),
        streamed_(window != nullptr ? &window->texts : &own_texts_),
        document_(redaction_, fields_, nullptr, names_),
        event_document_(redaction_, fields_, streamed_, names_),
        window_(window) {}

  /// Begins anew with what the window has now.
  void restart(std::string_view events) {
    redaction_.restart(events);
    body_ = events;
    stage_ = Stage::begin;
    error_ = nullptr;
    data_.clear();
    may_be_loose_ = loose_ = text_events_ = stays_text_ = false;
    broken_at_ = npos;
  }

  /// Goes on until about `budget` bytes were looked at. True: done, or error() says what went wrong.
  bool step(std::size_t budget) {
    while (error_ == nullptr) {
      switch (stage_) {
        case Stage::begin:
          begin();
          break;
        case Stage::document:
          document(budget);
          break;
        case Stage::documents:
          documents(budget);
          break;
        case Stage::text:
          error_ = plain(0, body_.size());
          stage_ = Stage::search;
          break;
        case Stage::search:
          if (!redaction_.step(budget)) return false;
          loose_ = redaction_.changed() && may_be_loose_ && !stays_as_it_is();
          return true;
      }
      if (budget == 0) return false;
    }
    return true;
  }

  const char* error() const { return error_; }
  Redaction& redaction() { return redaction_; }

  /// Something was taken out of text. What is left may read as another thing (mended JSON, say), so that it has to be
  /// looked at again.
  bool loose() const { return loose_; }

 private:
  enum class Stage : std::uint8_t { begin, document, documents, text, search };

  void begin() {
    stage_ = Stage::search;
    if (window_ != nullptr) {
      const std::size_t from = window_->read;
      error_ = is_utf8_text(body_.substr(from)) ? events(behind_mark(from)) : "event stream is not valid utf-8";
      return;
    }
    if (format_.kind == BodyFormat::Kind::form) return form();
    if (format_.kind == BodyFormat::Kind::multipart) return multipart();
    start_ = detail::skip_blanks(body_, behind_mark(0));
    if (start_ == body_.size()) return;
    const char first = body_[start_];
    if (first == '{' || first == '[') {
      document_.start(body_, 0);
      walk_.emplace(body_, start_, document_);
      stage_ = Stage::document;
    } else if (!lone_scalar(start_)) {
      stage_ = Stage::text;
    }
  }

  /// What was taken for text will be again, and its names and values will be the same: it does not begin like JSON, or
  /// is broken before anything in it is replaced and has no name that may be judged otherwise without what it holds.
  bool stays_as_it_is() {
    if (!redaction_.placeholder().is_inert() || text_events_) return false;
    if (stays_text_) return true;
    return broken_at_ != npos && !redaction_.looks_for_patterns() &&
           redaction_.keeps_names_and_all_before(broken_at_ + 1);
  }

  /// A byte order mark at `i` is nobody's text.
  std::size_t behind_mark(std::size_t i) const { return body_.substr(i).starts_with("\xEF\xBB\xBF") ? i + 3 : i; }

  /// A slice of the walk. `more`: the budget is used up.
  WalkEnd walk(std::size_t& budget) {
    const std::size_t from = walk_->pos();
    const WalkEnd end = walk_->run(from + budget);
    budget -= std::min(budget, walk_->pos() - from);
    return end;
  }

  void walked(WalkEnd end) {
    if (end == WalkEnd::too_deep) error_ = detail::kTooDeep;
    if (end == WalkEnd::invalid) {
      redaction_.roll_back({});
      if (stage_ == Stage::document) broken_at_ = walk_->pos();
    }
    stage_ = end == WalkEnd::invalid ? Stage::text : Stage::search;
  }

  /// One document; several behind each other are taken as a stream of them.
  void document(std::size_t& budget) {
    const WalkEnd end = walk(budget);
    if (end == WalkEnd::more) return;
    if (end != WalkEnd::complete || detail::skip_blanks(body_, walk_->pos()) == body_.size()) return walked(end);
    redaction_.roll_back({});
    event_document_.start(body_, 0);
    walk_.emplace(body_, start_, event_document_);
    stage_ = Stage::documents;
  }

  void documents(std::size_t& budget) {
    const WalkEnd end = walk(budget);
    if (end == WalkEnd::more) return;
    if (event_document_.broken()) return walked(WalkEnd::invalid);
    event_document_.finish();
    if (end == WalkEnd::complete) {
      const std::size_t next = detail::skip_blanks(body_, walk_->pos());
      if (next < body_.size()) {
        if (body_[next] != '{' && body_[next] != '[') return walked(WalkEnd::invalid);
        event_document_.start(body_, 0);
        walk_.emplace(body_, next, event_document_);
        return;
      }
    }
    if (end == WalkEnd::complete || end == WalkEnd::truncated) streamed_->search_all(redaction_);
    walked(end);
  }

  /// No JSON: events or text. What is wrong with it, or null.
  const char* plain(std::size_t begin, std::size_t end) {
    if (!is_utf8_text(body_.substr(begin, end - begin))) return "non-json body is not valid utf-8";
    const std::size_t start = detail::skip_blanks(body_.substr(0, end), behind_mark(begin));
    if (looks_like_events(start)) return events(start);
    stays_text_ = start < end && body_[start] != '{' && body_[start] != '[' && body_[start] != '"';
    text(begin, end, looks_like_json(body_.substr(start, end - start)));
    return nullptr;
  }

  void form() {
    if (!is_utf8_text(body_)) {
      error_ = "form is not valid utf-8";
      return;
    }
    std::string decoded;
    for (std::size_t i = 0; i < body_.size();) {
      const FormField field = form_field(i);
      std::string_view name = body_.substr(i, field.equals - i);
      if (field.escaped_name) {
        decoded.clear();
        decode_form_value(name, decoded);
        name = decoded;
      }
      const std::size_t value = std::min(field.equals + 1, field.end);
      if (fields_.is_denied(name))
        redaction_.replace_form_field(value, field.end);
      else if (value < field.end)
        redaction_.search({static_cast<std::uint32_t>(value), static_cast<std::uint32_t>(field.end), Piece::How::form,
                           !field.escaped_value});
      i = field.end + 1;
    }
  }

  struct FormField {
    std::size_t equals = npos, end = npos;
    bool escaped_name = false, escaped_value = false;
  };

  /// The one that begins at `i`.
  FormField form_field(std::size_t i) const {
    FormField f;
    for (; i < body_.size() && body_[i] != '&'; ++i) {
      const char c = body_[i];
      if (c == '=')
        f.equals = std::min(f.equals, i);
      else if (c == '%' || c == '+')
        (f.equals == npos ? f.escaped_name : f.escaped_value) = true;
    }
    f.end = i;
    f.equals = std::min(f.equals, i);
    return f;
  }

  void multipart() {
    MultipartReader reader(body_, format_.boundary);
    for (MultipartReader::Part part; error_ == nullptr && reader.next(part);) {
      search_headers(part);
      if (part.content_begin == part.content_end) continue;
      if (part.binary) {
        redaction_.skip();
      } else if (fields_.is_denied(part.name)) {
        replace_part(part);
      } else {
        error_ = part_content(part.content_begin, part.content_end);
      }
    }
    if (error_ == nullptr) error_ = reader.error();
  }

  /// Names of files are chosen by clients.
  void search_headers(const MultipartReader::Part& part) {
    if (part.file_name_begin < part.file_name_end)
      redaction_.search(detail::text_piece(part.file_name_begin, part.file_name_end));
    if (part.long_name_begin < part.long_name_end)
      redaction_.search({static_cast<std::uint32_t>(part.long_name_begin),
                         static_cast<std::uint32_t>(part.long_name_end), Piece::How::form});
  }

  void replace_part(const MultipartReader::Part& part) {
    redaction_.replace_text_field(part.content_begin, part.content_end);
  }

  /// JSON, JSON lines or text; what is no text cannot be judged.
  const char* part_content(std::size_t begin, std::size_t end) {
    const std::string_view content = body_.substr(begin, end - begin);
    const Redaction::Mark mark = redaction_.mark();
    std::size_t pos = detail::skip_blanks(content, 0);
    while (pos < content.size() && (content[pos] == '{' || content[pos] == '[')) {
      document_.start(content, begin);
      const WalkEnd walked = walk_json(content, pos, document_);
      if (walked == WalkEnd::too_deep) return detail::kTooDeep;
      if (walked != WalkEnd::complete) break;
      pos = detail::skip_blanks(content, pos);
      if (pos == content.size()) return nullptr;
    }
    redaction_.roll_back(mark);
    if (content.find('\0') != npos || !is_utf8_text(content))
      return "part of a form is neither text nor an image or sound";
    text(begin, end, false);
    return nullptr;
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
    if (value.find_first_of("\"{[,") != npos) return false;
    const Redaction::Mark mark = redaction_.mark();
    document_.start(closed, 0);
    std::size_t pos = 0;
    const bool sound = walk_json(closed, pos, document_) == WalkEnd::complete && pos == closed.size();
    redaction_.roll_back(mark);  // offsets of `closed` are not the body's
    if (sound && redaction_.looks_at_numbers() && !is_letter(value[0]))
      redaction_.search(
          {static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(start + value.size()), Piece::How::number});
    return sound;
  }

  /// Text; where it looks like broken JSON, values of denied members are replaced as well.
  void text(std::size_t begin, std::size_t end, bool json_like) {
    may_be_loose_ = true;
    std::size_t done = begin;
    const std::string_view all = body_.substr(0, end);
    for (std::size_t quote = json_like ? all.find('"', begin) : npos; quote != npos;) {
      const JsonString name = scan_json_string(all, quote);
      if (!name.closed) break;
      const std::size_t colon = detail::skip_blanks(all, name.end + 1);
      // The closing quote may as well open the next string: which is which cannot be known here.
      quote = name.end;
      if (colon >= end || all[colon] != ':') continue;
      if (!redaction_.is_denied(fields_, all.substr(name.begin, name.end - name.begin), name.escaped)) continue;
      const std::size_t value = detail::skip_blanks(all, colon + 1);
      const std::size_t value_end = detail::loose_value_end(all, value);
      if (value == value_end) continue;
      stretch(done, value);
      redaction_.replace_field(value, value_end);
      done = value_end;
      quote = all.find('"', value_end);
    }
    stretch(done, end);
  }

  /// Readers differ in what they take for JSON (`NaN`, comments, a comma too many), so escapes are read here too.
  void stretch(std::size_t begin, std::size_t end) {
    Piece piece = detail::text_piece(begin, end);
    redaction_.search(piece);
    piece.how = Piece::How::loose;
    if (body_.substr(begin, end - begin).find('\\') != npos) redaction_.search(piece);
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
      const bool blank = body_[pos] == '\n' || body_[pos] == '\r';
      const std::size_t end = blank ? pos : std::min(find_either<'\n', '\r'>(body_, pos), body_.size());
      const std::string_view line = body_.substr(pos, end - pos);
      if (line.starts_with("data:")) {
        const std::size_t value = pos + 5 + (line.size() > 5 && line[5] == ' ' ? 1 : 0);
        data_.push_back({value, end});
      } else if (line.empty()) {
        if (!data_.empty()) error = event();
        streamed_->begin_event();
      } else {
        redaction_.search(detail::text_piece(pos, end));
      }
      pos = end + (end + 1 < body_.size() && body_[end] == '\r' && body_[end + 1] == '\n' ? 2 : 1);
    }
    if (error == nullptr && !data_.empty()) error = event();
    if (window_ != nullptr)
      streamed_->search_closed(redaction_, *window_);
    else
      streamed_->search_all(redaction_);
    may_be_loose_ = may_be_loose_ || text_events_;
    return error;
  }

  const char* event() {
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
    const bool json_like = looks_like_json(payload.substr(detail::skip_blanks(payload, 0)));
    const WalkEnd walked = json_like ? event_json(payload, begin) : WalkEnd::invalid;
    if (walked == WalkEnd::invalid) event_text(json_like);
    data_.clear();
    return walked == WalkEnd::too_deep ? detail::kTooDeep : nullptr;
  }

  WalkEnd event_json(std::string_view payload, std::size_t offset) {
    const Redaction::Mark mark = redaction_.mark();
    event_document_.start(payload, offset);
    std::size_t pos = 0;
    WalkEnd end = walk_json(payload, pos, event_document_);
    if (event_document_.broken() || (end == WalkEnd::complete && detail::skip_blanks(payload, pos) < payload.size()))
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
      const auto begin = static_cast<std::uint32_t>(data_[i].begin);
      if (i > 0) streamed_->add(kPlainText, {begin, begin, Piece::How::line_break});
      if (data_[i].begin < data_[i].end) streamed_->add(kPlainText, detail::text_piece(begin, data_[i].end));
    }
  }

  Redaction redaction_;
  const FieldNames& fields_;
  std::string_view body_;
  BodyFormat format_;
  Stage stage_ = Stage::begin;
  const char* error_ = nullptr;
  std::size_t start_ = 0;  // of the first document
  std::optional<JsonWalk> walk_;
  StreamedTexts own_texts_;
  KnownNames names_;
  StreamedTexts* const streamed_;
  JsonDocument document_;
  JsonDocument event_document_;
  EventWindow* const window_;
  std::vector<Line> data_;     // of the event being read
  bool may_be_loose_ = false;  // by what the body is
  bool loose_ = false;
  bool text_events_ = false;
  bool stays_text_ = false;       // by how it begins
  std::size_t broken_at_ = npos;  // of the first document, when it is none
};

}  // namespace gw::guard
