#pragma once
// One YAML document as a tree, with the rules that the parser library does not keep: duplicate keys are problems, merge
// keys are resolved, the text must be UTF-8 without control characters, quotes must be closed, a second document is
// refused, aliases cannot grow the tree. The only place that knows the library. Bounds: kMaxYamlBytes of text,
// kMaxYamlDepth of nesting, kMaxYamlNodes of nodes and merged entries.
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gw::config {

inline constexpr std::size_t kMaxYamlBytes = std::size_t{4} << 20;
inline constexpr std::size_t kMaxYamlDepth = 64;
inline constexpr std::size_t kMaxYamlNodes = 500'000;

enum class YamlTag {
  none,         ///< not quoted, no tag: the text decides the type
  text,         ///< quoted, a block scalar, or !!str
  integer,      ///< !!int
  floating,     ///< !!float
  boolean,      ///< !!bool
  unsupported,  ///< anything else; a problem was noted
};

struct YamlNode;

struct YamlEntry {
  std::string key;
  int line = 0;  ///< of the key, from 1; of the merged mapping's key for a merged entry
  const YamlNode* value = nullptr;
};

struct YamlNode {
  enum class Kind { null, scalar, sequence, mapping };

  Kind kind = Kind::null;
  int line = 0;  ///< from 1
  YamlTag tag = YamlTag::none;
  std::string text;                    ///< scalar
  std::vector<const YamlNode*> items;  ///< sequence
  std::vector<YamlEntry> entries;      ///< mapping: keys are unique, own ones first, then merged ones
};

/// A fault that leaves the rest of the document readable, so that all of them are reported together.
struct YamlProblem {
  int line = 0;
  std::string message;
};

/// Owns its nodes; may be moved (addresses stay), not copied.
struct YamlDocument {
  YamlDocument() = default;
  YamlDocument(YamlDocument&&) = default;
  YamlDocument& operator=(YamlDocument&&) = default;
  YamlDocument(const YamlDocument&) = delete;
  YamlDocument& operator=(const YamlDocument&) = delete;
  ~YamlDocument() = default;

  std::deque<YamlNode> nodes;
  const YamlNode* root = nullptr;  ///< null when the text holds no document, or only a null one
  std::vector<YamlProblem> problems;
};

/// Errors read `yaml: line <N>: <what>` or, for a second document, `multiple yaml documents are not supported`. They
/// quote no values.
Result<YamlDocument> read_yaml(std::string_view text);

}  // namespace gw::config
