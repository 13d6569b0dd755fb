#pragma once
// Redacts one JSON document inside a body, and remembers the strings that go on in the next document of a stream.
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "guard/field_names.h"
#include "guard/json_text.h"
#include "guard/redaction.h"

namespace gw::guard {

/// Running texts that are delivered in pieces (`delta.content`, `partial_json`, …), each under a key made of the path
/// to it and the indexes and item ids along that path. Bounded by the body: one piece per string in it.
class StreamedTexts {
 public:
  /// The next pieces come from another document or event.
  void begin_event() { ++event_; }
  void add(std::uint64_t key, const Piece& piece);
  /// Searches every text, each once, in the order of their first pieces.
  void search_all(Redaction& redaction) const;
  /// The same for texts that may go on: see EventWindow.
  void search_closed(Redaction& redaction, EventWindow& window) const;
  /// The first `bytes` of the body are gone, and the pieces in them.
  void drop(std::size_t bytes);
  /// What was found in the body is replaced in it.
  void move(const Moves& moves);

 private:
  struct Text {
    std::uint64_t key = 0;
    std::uint32_t last_event = 0;
    std::vector<Piece> pieces;
  };

  void drop_empty();

  std::unordered_map<std::uint64_t, std::size_t> index_;
  std::vector<Text> texts_;
  std::uint32_t event_ = 0;
};

/// What a member's name says about its value.
struct MemberName {
  std::uint64_t hash = 0;
  bool streamed = false;    ///< its string goes on in the next document
  bool identity = false;    ///< its value tells texts under one path apart
  bool index = false;       ///< it is called so
  bool denied = false;      ///< it is replaced whole
  bool usage = false;       ///< it is accounting
  bool of_schemas = false;  ///< its members are schemas
};

/// Names that came lately: a few of them come again and again.
class KnownNames {
 public:
  using Key = std::array<std::uint64_t, 2>;  ///< the name as written and, in the last byte, its length
  static constexpr std::size_t kLongest = 15;

  /// Null: it is not there.
  const MemberName* find(const Key& key) const {
    const std::size_t at = place_of(key);
    if (known_[at].key == key) return &known_[at].name;
    return known_[at ^ 1].key == key ? &known_[at ^ 1].name : nullptr;
  }
  void add(const Key& key, const MemberName& name) {
    const std::size_t at = place_of(key);
    known_[at ^ 1] = known_[at];
    known_[at] = {key, name};
  }

 private:
  struct Known {
    Key key{};  // zeros: none
    MemberName name;
  };
  static constexpr std::size_t kPlaces = 64;
  static std::size_t place_of(const Key& key) {
    return ((key[0] ^ key[1]) * 0x9E3779B97F4A7C15ULL) >> (64 - std::countr_zero(kPlaces));
  }

  std::array<Known, kPlaces> known_;
};

/// The part of a stream that is looked at, from the first event that was not let go yet. A text is searched up to where
/// something could go on in what has not come yet: its open end.
struct EventWindow {
  bool ended = false;  ///< nothing more will come
  /// Texts of which events were let go in the middle of a word, which was searched with what came before.
  std::unordered_set<std::uint64_t> inside;
  StreamedTexts texts;   ///< of the events that were read
  std::size_t read = 0;  ///< so many bytes: they are not read again

  // What a search found out.
  std::size_t open_from = static_cast<std::size_t>(-1);  ///< where in the body the first open end's piece begins
  struct Word {
    std::size_t begin, end;  ///< of a piece in the body
    std::uint64_t key;
    bool ends_inside;  ///< a word that was searched to its end
  };
  std::vector<Word> words;
};

/// Handles one document after the other. Edits go to the redaction at once; pieces of streamed texts when `finish` is
/// called.
class JsonDocument final : public JsonHandler {
 public:
  /// `streamed` null: the document stands alone, every string is searched by itself.
  JsonDocument(Redaction& redaction, const FieldNames& fields, StreamedTexts* streamed, KnownNames& names)
      : redaction_(redaction), fields_(fields), streamed_(streamed), names_(names) {}

  /// `text` is what will be walked; its first byte is the body's byte `offset`.
  void start(std::string_view text, std::size_t offset);
  /// A string went over the end of a line, which JSON does not allow; told only of event streams, where other lines may
  /// lie between.
  bool broken() const { return broken_; }
  /// The document was sound: its pieces count.
  void finish();

  bool member(const JsonString& name) override;
  void whole_value(std::size_t begin, std::size_t end) override;
  void string(const JsonString& s) override;
  void scalar(std::size_t begin, std::size_t end) override;
  void enter(bool object) override;
  void leave() override;

 private:
  struct Node {  // a container on the way to a streamed string
    std::uint32_t parent = 0;
    bool object = false;
    bool indexed = false;        // has an `index` of its own: its place in an array does not matter
    std::uint64_t part = 0;      // the member name or array position it stands under
    std::uint64_t identity = 0;  // of its index and id members
    std::uint32_t children = 0;
  };
  struct Pending {
    std::uint32_t node = 0;
    std::uint64_t name = 0;
    Piece piece;
  };

  MemberName meaning_of(const JsonString& name);
  MemberName read_name(std::string_view raw, bool escaped);
  void note_identity(std::size_t begin, std::size_t end);
  Piece piece_of(const JsonString& s) const;

  Redaction& redaction_;
  const FieldNames& fields_;
  StreamedTexts* streamed_;
  KnownNames& names_;

  std::string_view text_;
  std::size_t offset_ = 0;
  MemberName name_;            // of the member whose value comes
  bool usage_next_ = false;    // the value that comes is accounting
  bool schemas_next_ = false;  // the value that comes has the names of a JSON Schema's properties
  BitStack schemas_;           // of each object and array we are in, likewise
  bool broken_ = false;
  std::size_t depth_ = 0;
  std::size_t usage_depth_ = 0;  // depth of the accounting object we are in, 0: none
  std::vector<Node> nodes_;      // kept only for streams
  std::uint32_t current_ = 0;    // node, 0: none
  std::vector<Pending> pending_;
  std::vector<std::uint64_t> paths_;  // of each node
};

}  // namespace gw::guard
