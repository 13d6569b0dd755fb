#include "guard/redaction.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "guard/form_text.h"
#include "guard/json_document.h"
#include "guard/json_text.h"
#include "guard/open_end.h"
#include "guard/sort_runs.h"

namespace gw::guard {

void Redaction::search(std::span<const Piece> pieces) {
  if (pieces.empty()) return;
  if (pieces.size() == 1) return search(pieces[0]);
  pieces_.insert(pieces_.end(), pieces.begin(), pieces.end());
  std::for_each(pieces_.end() - static_cast<std::ptrdiff_t>(pieces.size()), pieces_.end() - 1,
                [](Piece& p) { p.goes_on = true; });
}

void Redaction::search_closed(std::span<const Piece> pieces, std::uint64_t key, bool over, EventWindow& window) {
  if (pieces.empty()) return;
  const std::string_view text = join(pieces);
  place_of_ = nullptr;
  // The rest of a word was searched with what came before, unless that was let go because it became too long.
  const std::size_t rest = window.inside.contains(key) ? word_end(text, 0) : 0;
  const std::size_t begin = rest < kMostOpen / 2 ? rest : 0;
  const std::size_t end = over ? text.size() : begin + closed_size(text.substr(begin), begin);
  std::vector<Piece> closed;
  std::size_t word = 0;  // where the one ends that was met last
  for (std::size_t k = 0; k < pieces.size(); ++k) {
    Piece p = pieces[k];
    const std::size_t from = starts_[k], to = k + 1 < starts_.size() ? starts_[k + 1] : text.size();
    if (p.how != Piece::How::line_break) {
      const bool inside = ends_in_word(text, to);
      if (inside && to >= word) word = word_end(text, to);
      // One that is too long to be held is let go unsearched where it goes on.
      window.words.push_back({p.begin, p.end, key, inside && word <= end});
    }
    if (to > end && p.how != Piece::How::line_break)
      window.open_from = std::min<std::size_t>(window.open_from, p.begin);
    if (to <= begin || from >= end) continue;
    if (p.how != Piece::How::line_break) {
      const std::uint32_t first = from < begin ? body_offset(pieces[k], begin - from) : p.begin;
      p.end = to > end ? body_offset(pieces[k], end - from) : p.end;
      p.begin = first;
    }
    closed.push_back(p);
  }
  if (!closed.empty()) search(closed);
}

/// Of a text that goes on, without its first `skipped` bytes: how much can be searched by itself.
std::size_t Redaction::closed_size(std::string_view text, std::size_t skipped) {
  const OpenEnd open = open_end(text, detectors_);
  if (!open.may_be_inside) return open.at;
  std::vector<std::uint32_t> starts(1, 0);
  for (const std::uint32_t start : starts_)
    if (start > skipped) starts.push_back(start - static_cast<std::uint32_t>(skipped));
  if (!search_.start(text, starts)) return open.at;
  std::size_t all = npos;
  search_.step(all);
  return before_all_inside(text, open.at, search_.matches());
}

std::string_view Redaction::join(std::span<const Piece> pieces) {
  if (pieces.size() == 1 && !is_encoded(pieces[0])) {
    if (starts_.size() != 1) starts_.assign(1, 0);
    return bytes(pieces[0]);
  }
  joined_.clear();
  starts_.clear();
  for (const Piece& p : pieces) {
    starts_.push_back(static_cast<std::uint32_t>(joined_.size()));
    switch (p.how) {
      case Piece::How::text:
      case Piece::How::json:
      case Piece::How::number:
        joined_ += bytes(p);
        break;
      case Piece::How::json_escaped:
      case Piece::How::loose:
        decode_json_string(bytes(p), joined_);
        break;
      case Piece::How::form:
        decode_form_value(bytes(p), joined_);
        break;
      case Piece::How::line_break:
        joined_ += '\n';
        break;
    }
  }
  return joined_;
}

/// False: there is nothing in it that could be found.
bool Redaction::begin_text(std::span<const Piece> pieces) {
  text_ = join(pieces);
  place_of_ = nullptr;
  return search_.start(text_, starts_, pieces[0].how == Piece::How::number ? kOfNumbers : ~0U);
}

bool Redaction::step(std::size_t& budget) {
  constexpr std::size_t kEach = 16;  // what any text costs
  while (next_text_ < pieces_.size()) {
    if (budget == 0) return false;
    const std::span<const Piece> pieces = text_at(next_text_);
    if (!searching_) {
      searching_ = begin_text(pieces);
      budget -= std::min(budget, kEach + (searching_ ? 0 : text_.size()));
    }
    if (searching_) {
      if (!search_.step(budget)) return false;
      replace_found(pieces);
      searching_ = false;
    }
    next_text_ += pieces.size();
  }
  return true;
}

void Redaction::replace_found(std::span<const Piece> pieces) {
  const Piece& first = pieces[0];
  if (pieces.size() == 1 && first.how != Piece::How::number) return replace_found_in(first);
  for (const Match& match : search_.matches()) {
    ++counts_[static_cast<std::size_t>(match.kind)];
    replace(pieces, match);
    if (first.how == Piece::How::number) break;
  }
}

/// Of a text that is one piece.
void Redaction::replace_found_in(const Piece& piece) {
  const bool loose = piece.how == Piece::How::loose;
  for (const Match& match : search_.matches()) {
    const std::uint32_t begin = body_offset(piece, match.begin);
    const std::uint32_t end = match.end < text_.size() ? body_offset(piece, match.end) : piece.end;
    // What a loose text holds without escapes is found in the plain text that it is.
    if (loose && body_.substr(begin, end - begin).find('\\') == npos) continue;
    ++counts_[static_cast<std::size_t>(match.kind)];
    if (begin == end) continue;
    replace_by({.begin = begin, .end = end, .kind = match.kind, .how = piece.how},
               text_.substr(match.begin, match.end - match.begin));
  }
}

/// An edit that puts a placeholder in the place of `value`.
void Redaction::replace_by(Edit edit, std::string_view value) {
  edit.replaced = true;
  if (!values_) values_.emplace(placeholder_.hash_in(workspace_id_));
  edit.value = values_->add(value);
  edits_.push_back(edit);
}

/// As it stands inside such a piece; a number becomes a string.
void Redaction::append_replacement(std::string& out, const Edit& edit) const {
  using As = Placeholder::As;
  if (!edit.replaced) return;
  const bool number = edit.how == Piece::How::number;
  if (number) out += '"';
  placeholder_.append(out, edit.kind, values_->hash_of(edit.value),
                      edit.how == Piece::How::text   ? As::text
                      : edit.how == Piece::How::form ? As::form
                                                     : As::json);
  if (number) out += '"';
}

void Redaction::replace(std::span<const Piece> pieces, const Match& match) {
  if (pieces[0].how == Piece::How::number) {
    return replace_by({.begin = pieces[0].begin, .end = pieces[0].end, .kind = match.kind, .how = Piece::How::number},
                      text_);
  }
  auto piece =
      static_cast<std::size_t>(std::upper_bound(starts_.begin(), starts_.end(), match.begin) - starts_.begin()) - 1;
  for (bool first = true; piece < pieces.size() && starts_[piece] < match.end; ++piece) {
    const Piece& p = pieces[piece];
    if (p.how == Piece::How::line_break) continue;
    const std::size_t start = starts_[piece];
    const std::size_t next = piece + 1 < starts_.size() ? starts_[piece + 1] : text_.size();
    const std::uint32_t begin = match.begin <= start ? p.begin : body_offset(p, match.begin - start);
    const std::uint32_t end = match.end >= next ? p.end : body_offset(p, match.end - start);
    const Edit edit{.begin = begin, .end = end, .kind = match.kind, .how = p.how};
    if (begin < end && first) replace_by(edit, text_.substr(match.begin, match.end - match.begin));
    if (begin < end && !first) edits_.push_back(edit);
    first = false;
  }
}

std::uint32_t Redaction::encoded_offset(const Piece& piece, std::size_t offset) {
  if (place_of_ != &piece || offset < place_.decoded) {
    place_ = {};
    place_of_ = &piece;
  }
  if (piece.how == Piece::How::form)
    seek_form_value(bytes(piece), offset, place_);
  else
    seek_json_string(bytes(piece), offset, place_);
  return piece.begin + static_cast<std::uint32_t>(place_.raw);
}

bool Redaction::is_denied(const FieldNames& fields, std::string_view raw_name, bool escaped) {
  const auto denied = [&](std::string_view name) {
    if (!escaped) return fields.is_denied(name);
    decoded_.clear();
    decode_json_string(name, decoded_);
    return fields.is_denied(decoded_);
  };
  if (!denied(raw_name)) return false;
  std::size_t begin = 0;
  std::size_t end = 0;
  if (!placeholder_.find(raw_name, 0, begin, end)) return true;
  std::string rest(raw_name);
  while (placeholder_.find(rest, begin, begin, end)) rest.erase(begin, end - begin);
  return denied(rest);
}

/// The value that stands at [begin, end) and means `value`.
void Redaction::replace_value(std::size_t begin, std::size_t end, Piece::How how, std::string_view value) {
  replace_by({.begin = static_cast<std::uint32_t>(begin), .end = static_cast<std::uint32_t>(end), .how = how}, value);
  ++counts_[static_cast<std::size_t>(Kind::field_name)];
}

void Redaction::replace_field(std::size_t begin, std::size_t end) {
  const std::string_view value = body_.substr(begin, end - begin);
  const std::string_view canonical = canonical_.of(value);
  if (value.starts_with('"') && placeholder_.is_whole(canonical)) return;
  replace_value(begin, end, Piece::How::number, canonical);
}

void Redaction::replace_form_field(std::size_t begin, std::size_t end) {
  decoded_.clear();
  decode_form_value(body_.substr(begin, end - begin), decoded_);
  if (decoded_.empty() || placeholder_.is_whole(decoded_)) return;
  replace_value(begin, end, Piece::How::form, decoded_);
}

void Redaction::replace_text_field(std::size_t begin, std::size_t end) {
  const std::string_view value = body_.substr(begin, end - begin);
  if (!placeholder_.is_whole(value)) replace_value(begin, end, Piece::How::text, value);
}

void Redaction::roll_back(const Mark& mark) {
  edits_.resize(mark.edits);
  pieces_.resize(mark.pieces);
  counts_ = mark.counts;
  skipped_ = mark.skipped;
}

void Redaction::sort_edits() {
  const auto before = [](const Edit& a, const Edit& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
  };
  sort_runs(edits_, before);
}

bool Redaction::keeps_names_and_all_before(std::size_t from) {
  sort_edits();
  if (edits_.front().begin < from) return false;
  std::size_t quote = 0;  // that was looked at last
  for (const Edit& e : edits_) {
    if (e.kind == Kind::field_name || e.end <= quote) continue;
    quote = body_.find('"', e.end);
    if (quote == npos) return true;
    std::size_t next = quote + 1;
    while (next < body_.size() && is_space(body_[next])) ++next;
    // An escaped quote may be followed by the one that counts, or count itself once what is before it is replaced.
    if (body_[quote - 1] == '\\' || (next < body_.size() && body_[next] == ':')) return false;
  }
  return true;
}

void Redaction::apply(std::string& out, Moves* moves) {
  sort_edits();
  if (values_) values_->finish();
  out.clear();
  constexpr std::size_t kUsual = 40;  // bytes of a replacement
  out.reserve(body_.size() + edits_.size() * kUsual);
  std::size_t done = 0;
  for (const Edit& e : edits_) {
    // A field's value may hold lines of an event stream that were searched for themselves: the field covers them.
    if (e.end <= done) continue;
    if (e.begin > done) out += body_.substr(done, e.begin - done);
    append_replacement(out, e);
    done = e.end;
    if (moves != nullptr) moves->add(e.begin, e.end, out.size());
  }
  out += body_.substr(done);
}

}  // namespace gw::guard
