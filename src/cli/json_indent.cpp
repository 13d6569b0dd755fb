#include "cli/json_indent.h"

namespace gw::cli {
namespace {

/// The end of the string that begins at `i`.
std::size_t end_of_string(std::string_view s, std::size_t i) {
  for (++i; i < s.size() && s[i] != '"'; ++i)
    if (s[i] == '\\') ++i;
  return i + 1;
}

}  // namespace

std::string indented_json(std::string_view s) {
  std::string out;
  out.reserve(s.size() + s.size() / 2);
  std::size_t depth = 0;
  const auto line = [&] { out.append("\n").append(2 * depth, ' '); };
  for (std::size_t i = 0; i < s.size();) {
    const char c = s[i];
    if (c == '"') {
      const std::size_t end = end_of_string(s, i);
      out.append(s.substr(i, end - i));
      i = end;
      continue;
    }
    ++i;
    if (c == '{' || c == '[') {
      out += c;
      if (i < s.size() && (s[i] == '}' || s[i] == ']')) {
        out += s[i++];
        continue;
      }
      ++depth;
      line();
    } else if (c == '}' || c == ']') {
      --depth;
      line();
      out += c;
    } else {
      out += c;
      if (c == ',') line();
      if (c == ':') out += ' ';
    }
  }
  return out += '\n';
}

}  // namespace gw::cli
