// docs/configuration.md: complete, without keys that do not exist, and with the defaults that the program has.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "config/effective.h"
#include "config/schema.h"
#include "config/test_support.h"
#include "config/validate.h"

namespace gw::config {
namespace {

std::string page() {
  const std::filesystem::path root = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
  std::ifstream file(root / "docs" / "configuration.md");
  std::ostringstream out;
  out << file.rdbuf();
  EXPECT_FALSE(out.str().empty()) << "no " << root / "docs" / "configuration.md";
  return out.str();
}

/// Each `word` of a line that stands in backticks.
std::vector<std::string> code_words(const std::string& line) {
  std::vector<std::string> out;
  for (std::size_t open = line.find('`'); open != std::string::npos;) {
    const std::size_t close = line.find('`', open + 1);
    if (close == std::string::npos) break;
    out.push_back(line.substr(open + 1, close - open - 1));
    open = line.find('`', close + 1);
  }
  return out;
}

struct Row {
  std::vector<std::string> names;     ///< code words of the first cell
  std::vector<std::string> defaults;  ///< code words of the second cell
};

/// The table rows of the page whose first cell names keys of the file.
std::vector<Row> key_rows() {
  std::istringstream in(page());
  std::vector<Row> out;
  bool environment = false;
  for (std::string line; std::getline(in, line);) {
    environment |= line == "## Environment";
    if (environment || !line.starts_with("| `")) continue;
    const std::size_t second = line.find(" | ");
    const std::size_t third = line.find(" | ", second + 3);
    out.push_back({code_words(line.substr(0, second)), code_words(line.substr(second, third - second))});
  }
  return out;
}

TEST(ConfigurationPage, NamesExactlyTheKeysOfTheSchema) {
  std::set<std::string> documented;
  for (const Row& row : key_rows())
    for (const auto& name : row.names) EXPECT_TRUE(documented.insert(name).second) << name << " stands there twice";
  std::set<std::string> known;
  for (const KeyPath& key : all_keys())
    if (key.type != KeyType::section) known.insert(key.path);
  for (const auto& key : known) EXPECT_TRUE(documented.contains(key)) << key << " is missing in docs/configuration.md";
  for (const auto& key : documented)
    EXPECT_TRUE(known.contains(key)) << key << " is no key, but stands in docs/configuration.md";
}

/// server.port, 8080 -> {server: {port: 8080}}
std::string yaml_of(const std::string& path, const std::string& value) {
  const std::size_t dot = path.find('.');
  if (dot == std::string::npos) return "{" + path + ": " + value + "}";
  return "{" + path.substr(0, dot) + ": " + yaml_of(path.substr(dot + 1), value) + "}";
}

/// A rendering of every single value, to compare configurations with.
std::string dump(const Section& section, void* target) {
  std::string out;
  for (const Field& f : section.fields) {
    void* member = f.member(target);
    out += std::string(f.key) + "=";
    switch (f.type) {
      case KeyType::integer:
        out += std::to_string(*static_cast<std::int64_t*>(member));
        break;
      case KeyType::number:
        out += std::to_string(*static_cast<double*>(member));
        break;
      case KeyType::boolean:
        out += *static_cast<bool*>(member) ? "true" : "false";
        break;
      case KeyType::text:
        out += *static_cast<std::string*>(member);
        break;
      case KeyType::text_list:
        for (const auto& item : *static_cast<std::vector<std::string>*>(member)) out += item + ",";
        break;
      case KeyType::header_map:
        for (const auto& h : *static_cast<std::vector<HeaderConfig>*>(member)) out += h.name + ":" + h.value + ",";
        break;
      case KeyType::section:
        out += "{" + dump(*f.child, member) + "}";
        break;
      case KeyType::section_list:
        break;
    }
    out += "\n";
  }
  return out;
}

TEST(ConfigurationPage, StatesTheDefaults) {
  Config standard;
  const std::string expected = dump(root_section(), &standard);
  for (const Row& row : key_rows()) {
    for (const auto& name : row.names) {
      if (name.find("[]") != std::string::npos || name.find('<') != std::string::npos || name.ends_with(".headers") ||
          name == "pii.scopes" || name == "pii.patterns" || name == "auth.keys" || name == "pricing.overrides")
        continue;
      std::string value = "\"\"";
      if (name.ends_with("denylist") || name.ends_with("semconv")) {
        value = "[";
        for (const auto& item : row.defaults) value += item + ", ";
        value += "]";
      } else if (!row.defaults.empty()) {
        value = row.defaults[0].starts_with('[') ? "'" + row.defaults[0] + "'" : row.defaults[0];
      }
      Config stated = testing::parsed(yaml_of(name, value));
      EXPECT_EQ(dump(root_section(), &stated), expected) << name << ": the page says " << value;
    }
  }
}

TEST(ConfigurationPage, HasExamplesThatAreValid) {
  const std::string text = page();
  constexpr std::string_view kOpen = "```yaml\n";
  int examples = 0;
  for (std::size_t at = text.find(kOpen); at != std::string::npos; at = text.find(kOpen, at + 1), ++examples) {
    const std::size_t start = at + kOpen.size();
    const Config config = testing::parsed(text.substr(start, text.find("```", start) - start));
    EXPECT_EQ(testing::error_of(validate(config)), "(no error)");
  }
  EXPECT_GT(examples, 0);
}

TEST(ConfigurationPage, NamesEveryVariableThatIsRead) {
  std::set<std::string> read;
  Config config;
  (void)apply_environment(config, [&](std::string_view name) -> std::optional<std::string> {
    read.insert(std::string(name));
    return std::nullopt;
  });
  std::set<std::string> documented;
  std::istringstream in(page());
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("| `O")) documented.insert(code_words(line).at(0));
  EXPECT_EQ(documented, read);
}

}  // namespace
}  // namespace gw::config
