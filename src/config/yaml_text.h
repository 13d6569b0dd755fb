#pragma once
// What must hold of YAML text before a parser sees it, and questions about its lines that parser events leave open.
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gw::config {

/// Text with line feeds only and without a byte order mark, and where its lines begin.
class YamlText {
 public:
  /// Refuses invalid UTF-8 and control characters: `yaml: line <N>: <what>`.
  static Result<YamlText> from(std::string_view raw);

  const std::string& str() const { return text_; }
  int line_count() const { return static_cast<int>(starts_.size()); }
  /// Line `index`, from 0, without its line feed; empty past the end.
  std::string_view line(int index) const;
  /// True when a further document may begin on this line: it starts with `---`, or nothing but comments lies between it
  /// and a line `...`.
  bool document_may_start(int index) const;
  /// True when the line's indentation holds a tab.
  bool tab_indented(int index) const;

 private:
  std::string text_;
  std::vector<std::size_t> starts_;
};

}  // namespace gw::config
