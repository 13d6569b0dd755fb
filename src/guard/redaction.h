#pragma once
// One redaction under way: what is to be replaced in a body, collected from strings, fields and lines wherever they
// stand, then spliced in one go. Bytes that are not replaced are never touched.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "guard/field_names.h"
#include "guard/text_search.h"

namespace gw::guard {

/// A stretch of the body that is part of a running text.
struct Piece {
  enum class How : std::uint8_t {
    text,          ///< plain bytes
    json,          ///< inside a JSON string, nothing escaped
    json_escaped,  ///< inside a JSON string, with escapes
    line_break,    ///< between two lines of one event; no bytes of its own
  };
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  How how = How::text;
};

class Redaction {
 public:
  Redaction(std::string_view body, std::string_view workspace_id, const Detectors& detectors,
            const Placeholder& placeholder)
      : body_(body), workspace_id_(workspace_id), placeholder_(placeholder), search_(detectors, placeholder) {}

  /// Searches the pieces as one text and also each alone. What is found in several pieces is replaced in the first and
  /// removed from the others.
  void search(std::span<const Piece> pieces);
  void search(const Piece& piece) { search({&piece, 1}); }
  /// Replaces the JSON value that stands at [begin, end) by a placeholder string, unless it is one already.
  void replace_field(std::size_t begin, std::size_t end);

  /// To take back what was collected since a mark.
  struct Mark {
    std::size_t edits = 0;
    Counts counts{};
  };
  Mark mark() const { return {edits_.size(), counts_}; }
  void roll_back(const Mark& mark);

  std::string_view body() const { return body_; }
  const Placeholder& placeholder() const { return placeholder_; }
  /// A member name as written in JSON. Replacements inside it do not count: their FIELD or TOKEN is ours.
  bool is_denied(const FieldNames& fields, std::string_view raw_name);
  const Counts& counts() const { return counts_; }
  bool changed() const { return !edits_.empty(); }
  /// Replaces `out` by the body with everything spliced in. Call once, at the end.
  void apply(std::string& out);

 private:
  struct Edit {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::string text;
  };

  std::string_view join(std::span<const Piece> pieces);
  std::string_view bytes(const Piece& p) const { return body_.substr(p.begin, p.end - p.begin); }
  void replace(std::span<const Piece> pieces, std::string_view text, const Match& match);
  std::uint32_t body_offset(const Piece& piece, std::size_t offset);

  std::string_view body_;
  std::string_view workspace_id_;
  const Placeholder& placeholder_;
  TextSearch search_;
  std::vector<Edit> edits_;
  Counts counts_{};
  std::string joined_;                 // decoded text of the pieces being searched
  std::vector<std::uint32_t> starts_;  // of each piece in it
  std::string decoded_;
  std::vector<std::uint32_t>
      origin_;  // of the escaped piece that was decoded last: where in the body each decoded byte stands
  const Piece* origin_of_ = nullptr;
};

}  // namespace gw::guard
