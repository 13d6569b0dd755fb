#pragma once
// One redaction under way: texts to search are collected from strings and lines wherever they stand, then searched a
// slice at a time; what is to be replaced is spliced in one go. Bytes that are not replaced are never touched.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "guard/canonical_json.h"
#include "guard/field_names.h"
#include "guard/json_text.h"
#include "guard/text_search.h"

namespace gw::guard {

struct EventWindow;

/// A stretch of the body that is part of a running text.
struct Piece {
  enum class How : std::uint8_t {
    text,          ///< plain bytes
    json,          ///< inside a JSON string, nothing escaped
    json_escaped,  ///< inside a JSON string, with escapes
    loose,         ///< text that a lenient reader may take for JSON: what is written with an escape counts
    line_break,    ///< between two lines of one event; no bytes of its own
    number,        ///< a number of JSON, alone; replaced whole, by a string
    form,          ///< a value of a form, with percent escapes
  };
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  How how = How::text;
  bool as_is = false;    ///< of How::form: it has no escapes
  bool goes_on = false;  ///< the next piece belongs to the same text; set by a redaction
};

/// Where in what comes out of a redaction the bytes stand that stay.
class Moves {
 public:
  /// `[begin, end)` is replaced by what ends at `to`. In the order in which they stand.
  void add(std::uint32_t begin, std::uint32_t end, std::size_t to) {
    moves_.push_back({begin, end, static_cast<std::uint32_t>(to)});
  }
  /// Where the byte at `offset` stands; inside something that is replaced, and behind it, the end of that.
  std::uint32_t operator()(std::uint32_t offset) const { return place(first_from(offset), offset); }
  /// The same for both ends of a stretch. True: something is replaced that begins in it.
  bool stretch(std::uint32_t& begin, std::uint32_t& end) const {
    const auto first = first_from(begin);
    auto last = first;
    while (last != moves_.end() && last->begin < end) ++last;
    begin = place(first, begin);
    end = place(last, end);
    return first != last;
  }

 private:
  struct Move {
    std::uint32_t begin, end, to;
  };
  using Place = std::vector<Move>::const_iterator;
  Place first_from(std::uint32_t offset) const {
    return std::lower_bound(moves_.begin(), moves_.end(), offset,
                            [](const Move& m, std::uint32_t at) { return m.begin < at; });
  }
  /// Of an offset before which only moves before `next` begin.
  std::uint32_t place(Place next, std::uint32_t offset) const {
    if (next == moves_.begin()) return offset;
    const Move& last = *(next - 1);
    return last.to + (offset > last.end ? offset - last.end : 0);
  }

  std::vector<Move> moves_;
};

class Redaction {
 public:
  Redaction(std::string_view body, std::string_view workspace_id, const Detectors& detectors,
            const Placeholder& placeholder)
      : body_(body),
        workspace_id_(workspace_id),
        detectors_(detectors),
        placeholder_(placeholder),
        search_(detectors, placeholder),
        shortest_(looks_for_patterns() ? 0 : kShortestPiece) {}

  /// Begins anew, with another body.
  void restart(std::string_view body) {
    body_ = body;
    roll_back({});
    next_text_ = 0;
    searching_ = false;
    values_.reset();
    place_of_ = nullptr;
  }
  /// The body was redacted before.
  void expect_placeholders() { search_.expect_placeholders(); }
  /// Has the pieces searched as one text and also each alone. What is found in several pieces is replaced in the first
  /// and removed from the others.
  void search(std::span<const Piece> pieces);
  void search(const Piece& piece) {
    if (piece.end - piece.begin >= shortest_) pieces_.push_back(piece);
  }
  /// The same for a text that may go on unless it is `over`: without its open end, and without the rest of a word that
  /// was searched before.
  void search_closed(std::span<const Piece> pieces, std::uint64_t key, bool over, EventWindow& window);
  /// Searches what was asked for so far, until about `budget` bytes were looked at, which it takes off. True: all of
  /// it.
  bool step(std::size_t& budget);
  /// Replaces the JSON value that stands at [begin, end) by a placeholder string, unless it is one already.
  void replace_field(std::size_t begin, std::size_t end);
  /// A value of a form: replaced by a placeholder without quotes.
  void replace_form_field(std::size_t begin, std::size_t end);
  /// Text that is a value by itself, likewise.
  void replace_text_field(std::size_t begin, std::size_t end);
  /// Content that cannot be searched, like an image, was passed over.
  void skip() { ++skipped_; }

  /// To take back what was collected since a mark. Not after step().
  struct Mark {
    std::size_t edits = 0, pieces = 0;
    Counts counts{};
    std::uint32_t skipped = 0;
  };
  Mark mark() const { return {edits_.size(), pieces_.size(), counts_, skipped_}; }
  void roll_back(const Mark& mark);

  std::string_view body() const { return body_; }
  const Placeholder& placeholder() const { return placeholder_; }
  bool looks_for_patterns() const { return (detectors_.on() & bit_of(Detector::pattern)) != 0; }
  bool looks_at_numbers() const { return detectors_.looks_at_numbers(); }
  /// A member name as written in JSON. Replacements inside it do not count: their FIELD or TOKEN is ours.
  bool is_denied(const FieldNames& fields, std::string_view raw_name, bool escaped);
  const Counts& counts() const { return counts_; }
  std::uint32_t skipped() const { return skipped_; }
  bool changed() const { return !edits_.empty(); }
  /// Something was found in what is no JSON, or is broken: without it the rest may read otherwise.
  bool changed_text() const {
    return std::any_of(edits_.begin(), edits_.end(),
                       [](const Edit& e) { return e.how == Piece::How::text || e.how == Piece::How::loose; });
  }
  /// Of a body that is changed: nothing before `from` is replaced, nor what could stand in a member's name, before a
  /// quote with a colon behind it.
  bool keeps_names_and_all_before(std::size_t from);
  /// Appends where in the body something is replaced, in no order; a value in several pieces is several.
  void append_findings(std::vector<Match>& out) const {
    for (const Edit& e : edits_) out.push_back({e.begin, e.end, e.kind});
  }
  /// Replaces `out` by the body with everything spliced in. Call once, at the end. `moves`: where everything went.
  void apply(std::string& out, Moves* moves = nullptr);

 private:
  /// Bytes of the body that go: for a replacement, or for nothing where that stands in an earlier piece.
  struct Edit {
    std::uint32_t begin = 0, end = 0;
    std::uint32_t value = 0;  ///< in values_
    Kind kind = Kind::field_name;
    Piece::How how = Piece::How::text;
    bool replaced = false;
  };
  /// Nothing is found in fewer bytes, escaped or not, unless they belong to others.
  static constexpr std::uint32_t kShortestPiece = 4;

  static bool is_encoded(const Piece& p) {
    return p.how == Piece::How::json_escaped || p.how == Piece::How::loose || (p.how == Piece::How::form && !p.as_is);
  }
  std::span<const Piece> text_at(std::size_t first) const {
    std::size_t last = first;
    while (pieces_[last].goes_on) ++last;
    return std::span(pieces_).subspan(first, last + 1 - first);
  }
  bool begin_text(std::span<const Piece> pieces);
  std::size_t closed_size(std::string_view text, std::size_t skipped);
  std::string_view join(std::span<const Piece> pieces);
  std::string_view bytes(const Piece& p) const { return body_.substr(p.begin, p.end - p.begin); }
  void replace_found(std::span<const Piece> pieces);
  void replace_found_in(const Piece& piece);
  void replace(std::span<const Piece> pieces, const Match& match);
  void replace_by(Edit edit, std::string_view value);
  void sort_edits();
  void replace_value(std::size_t begin, std::size_t end, Piece::How how, std::string_view value);
  void append_replacement(std::string& out, const Edit& edit) const;
  std::uint32_t encoded_offset(const Piece& piece, std::size_t offset);
  std::uint32_t body_offset(const Piece& piece, std::size_t offset) {
    return is_encoded(piece) ? encoded_offset(piece, offset) : piece.begin + static_cast<std::uint32_t>(offset);
  }

  std::string_view body_;
  std::string_view workspace_id_;
  const Detectors& detectors_;
  const Placeholder& placeholder_;
  TextSearch search_;
  const std::uint32_t shortest_;  ///< bytes of a piece that is searched alone
  std::vector<Piece> pieces_;     ///< text after text
  std::size_t next_text_ = 0;     ///< its first piece
  bool searching_ = false;        ///< that one
  std::vector<Edit> edits_;
  std::optional<ValueList> values_;  // once there is something to replace
  Counts counts_{};
  std::uint32_t skipped_ = 0;
  std::string_view text_;              // that is being searched
  std::string joined_;                 // decoded text of its pieces
  std::vector<std::uint32_t> starts_;  // of each piece in it
  std::string decoded_;
  CanonicalValue canonical_;
  RawPlace place_;  // in place_of_, the escaped piece that was looked at last
  const Piece* place_of_ = nullptr;
};

}  // namespace gw::guard
