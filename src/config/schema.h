#pragma once
// Every key that the file may hold, as tables: what the binder writes through, what a reload compares, what messages
// and the documentation test list.
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gw::config {

enum class KeyType { integer, number, boolean, text, text_list, header_map, section, section_list };

struct Section;

/// One key of a section. `member` takes the section's struct and gives its member: int64, double, bool, string,
/// vector<string>, vector<HeaderConfig> or a struct by `type`; for a section_list the vector, to which `append` adds
/// one default element and gives its address.
struct Field {
  std::string_view key;
  KeyType type;
  std::string_view type_name;  ///< as messages print it
  void* (*member)(void* section);
  void (*copy)(void* to, const void* from);  ///< of members
  const Section* child = nullptr;            ///< section, section_list
  void* (*append)(void* list) = nullptr;
  void (*clear)(void* list) = nullptr;
  std::vector<void*> (*elements)(void* list) = nullptr;
};

/// What a section holds under keys that the user chooses: each adds an element.
struct NamedPart {
  const Section* child;
  /// An entry without this key is taken for a mistyped key of the section, and the hint is said then. Empty: every
  /// entry is one.
  std::string_view required;
  std::string_view hint;
  bool (*accepts)(std::string_view name);
  std::string_view expected;  ///< what accepts() takes, as messages say it
  void* (*append)(void* section, std::string_view name);
  /// What the section holds, in the file's order.
  std::vector<std::pair<std::string_view, void*>> (*entries)(void* section);
};

struct Section {
  std::string_view label;  ///< as messages print it: `config.ServerConfig`
  std::span<const Field> fields;
  const NamedPart* named = nullptr;
  void (*set_line)(void* section, int line) = nullptr;  ///< is told where the section's key stands
};

/// The schema of gw::config::Config.
const Section& root_section();

struct KeyPath {
  std::string path;  ///< server.port, auth.keys[].id, providers.<name>.kind
  KeyType type;
};

/// Every key with its full path, sections included, in schema order.
std::vector<KeyPath> all_keys();

}  // namespace gw::config
