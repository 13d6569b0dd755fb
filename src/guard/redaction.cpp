#include "guard/redaction.h"

#include <algorithm>
#include <utility>

#include "guard/canonical_json.h"
#include "guard/json_text.h"

namespace gw::guard {

std::string_view Redaction::join(std::span<const Piece> pieces) {
  starts_.assign(1, 0);
  if (pieces.size() == 1 && pieces[0].how != Piece::How::json_escaped) return bytes(pieces[0]);
  joined_.clear();
  starts_.clear();
  for (const Piece& p : pieces) {
    starts_.push_back(static_cast<std::uint32_t>(joined_.size()));
    switch (p.how) {
      case Piece::How::text:
      case Piece::How::json:
        joined_ += bytes(p);
        break;
      case Piece::How::json_escaped:
        decode_json_string(bytes(p), joined_);
        break;
      case Piece::How::line_break:
        joined_ += '\n';
        break;
    }
  }
  return joined_;
}

void Redaction::search(std::span<const Piece> pieces) {
  if (pieces.empty()) return;
  const std::string_view text = join(pieces);
  origin_of_ = nullptr;
  for (const Match& match : search_.run(text, starts_)) {
    ++counts_[static_cast<std::size_t>(match.kind)];
    replace(pieces, text, match);
  }
}

void Redaction::replace(std::span<const Piece> pieces, std::string_view text, const Match& match) {
  std::string replacement;
  placeholder_.append(replacement, match.kind, workspace_id_, text.substr(match.begin, match.end - match.begin));
  auto piece =
      static_cast<std::size_t>(std::upper_bound(starts_.begin(), starts_.end(), match.begin) - starts_.begin()) - 1;
  for (bool first = true; piece < pieces.size() && starts_[piece] < match.end; ++piece) {
    const Piece& p = pieces[piece];
    if (p.how == Piece::How::line_break) continue;
    const std::size_t start = starts_[piece];
    const std::size_t next = piece + 1 < starts_.size() ? starts_[piece + 1] : text.size();
    Edit edit;
    edit.begin = match.begin <= start ? p.begin : body_offset(p, match.begin - start);
    edit.end = match.end >= next ? p.end : body_offset(p, match.end - start);
    if (std::exchange(first, false)) {
      if (p.how == Piece::How::text) {
        edit.text = replacement;
      } else {
        append_json_content(edit.text, replacement);
      }
    }
    if (edit.begin < edit.end) edits_.push_back(std::move(edit));
  }
}

std::uint32_t Redaction::body_offset(const Piece& piece, std::size_t offset) {
  if (piece.how != Piece::How::json_escaped) return piece.begin + static_cast<std::uint32_t>(offset);
  if (origin_of_ != &piece) {
    decoded_.clear();
    origin_.clear();
    decode_json_string(bytes(piece), decoded_, &origin_);
    origin_of_ = &piece;
  }
  return offset < origin_.size() ? piece.begin + origin_[offset] : piece.end;
}

bool Redaction::is_denied(const FieldNames& fields, std::string_view raw_name) {
  const auto denied = [&](std::string_view name) {
    if (name.find('\\') == std::string_view::npos) return fields.is_denied(name);
    decoded_.clear();
    origin_of_ = nullptr;
    decode_json_string(name, decoded_);
    return fields.is_denied(decoded_);
  };
  if (!denied(raw_name)) return false;
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string rest(raw_name);
  while (placeholder_.find(rest, begin, begin, end)) rest.erase(begin, end - begin);
  return rest.size() == raw_name.size() || denied(rest);
}

void Redaction::replace_field(std::size_t begin, std::size_t end) {
  const std::string_view value = body_.substr(begin, end - begin);
  const std::string canonical = canonical_value(value);
  if (value.starts_with('"') && placeholder_.is_whole(canonical)) return;
  std::string replacement;
  placeholder_.append(replacement, Kind::field_name, workspace_id_, canonical);
  Edit edit{static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end), "\""};
  append_json_content(edit.text, replacement);
  edit.text += '"';
  edits_.push_back(std::move(edit));
  ++counts_[static_cast<std::size_t>(Kind::field_name)];
}

void Redaction::roll_back(const Mark& mark) {
  edits_.resize(mark.edits);
  counts_ = mark.counts;
}

void Redaction::apply(std::string& out) {
  std::sort(edits_.begin(), edits_.end(),
            [](const Edit& a, const Edit& b) { return a.begin != b.begin ? a.begin < b.begin : a.end > b.end; });
  out.clear();
  std::size_t done = 0;
  for (const Edit& e : edits_) {
    // A field's value may hold lines of an event stream that were searched for themselves: the field covers them.
    if (e.end <= done) continue;
    if (e.begin > done) out += body_.substr(done, e.begin - done);
    out += e.text;
    done = e.end;
  }
  out += body_.substr(done);
}

}  // namespace gw::guard
