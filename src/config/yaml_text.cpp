#include "config/yaml_text.h"

#include <algorithm>
#include <optional>

#include "base/strings.h"

namespace gw::config {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// CR LF and lone CR become LF.
std::string with_line_feeds(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\r') {
      out += raw[i];
    } else if (i + 1 >= raw.size() || raw[i + 1] != '\n') {
      out += '\n';
    }
  }
  return out;
}

std::optional<std::string> fault_of_line(std::string_view line) {
  for (std::size_t i = 0; i < line.size(); ++i) {
    const auto c = static_cast<unsigned char>(line[i]);
    const auto next = i + 1 < line.size() ? static_cast<unsigned char>(line[i + 1]) : 0;
    const bool control =
        (c < 0x20 && c != '\t') || c == 0x7f || (c == 0xC2 && next >= 0x80 && next < 0xA0 && next != 0x85);
    if (control) return "control characters are not allowed";
  }
  if (!is_storable_text(line)) return "invalid UTF-8: save the file as UTF-8 text";
  return std::nullopt;
}

}  // namespace

Result<YamlText> YamlText::from(std::string_view raw) {
  YamlText out;
  if (raw.starts_with(kByteOrderMark)) raw.remove_prefix(kByteOrderMark.size());
  out.text_ = with_line_feeds(raw);
  const std::string_view text = out.text_;
  for (std::size_t start = 0; start < text.size();) {
    out.starts_.push_back(start);
    const std::size_t end = std::min(text.find('\n', start), text.size());
    if (const auto fault = fault_of_line(text.substr(start, end - start)))
      return fail("yaml: line " + std::to_string(out.starts_.size()) + ": " + *fault);
    start = end + 1;
  }
  return out;
}

std::string_view YamlText::line(int index) const {
  if (index < 0 || static_cast<std::size_t>(index) >= starts_.size()) return {};
  const std::size_t start = starts_[static_cast<std::size_t>(index)];
  return std::string_view(text_).substr(start, std::min(text_.find('\n', start), text_.size()) - start);
}

bool YamlText::document_may_start(int index) const {
  if (line(index).starts_with("---")) return true;
  for (int i = index - 1; i >= 0; --i) {
    const std::string_view before = line(i);
    const std::string_view content = trim(before);
    if (before.starts_with("...")) return true;
    if (!content.empty() && content.front() != '#' && content.front() != '%') return false;
  }
  return false;
}

bool YamlText::tab_indented(int index) const {
  const std::string_view whole = line(index);
  const std::size_t content = whole.find_first_not_of(" \t");
  return whole.substr(0, content).find('\t') != std::string_view::npos && content != std::string_view::npos;
}

}  // namespace gw::config
