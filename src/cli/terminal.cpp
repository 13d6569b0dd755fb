#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace gw::cli {
namespace {

struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 0;
  bool valid = false;  ///< otherwise one byte that begins no character
};

Character first_character(std::string_view s) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char c = byte(0);
  if (c < 0x80) return {c, 1, true};
  const std::size_t n = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
  if (c < 0xC2 || c > 0xF4 || s.size() < n) return {0, 1, false};
  std::uint32_t code = c & (0x7FU >> n);
  for (std::size_t i = 1; i < n; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {0, 1, false};
    code = code << 6 | (byte(i) & 0x3FU);
  }
  constexpr std::array<std::uint32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[n] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return {0, 1, false};
  return {code, n, true};
}

using Ranges = std::pair<std::uint32_t, std::uint32_t>;

template <std::size_t N>
bool in(const std::array<Ranges, N>& ranges, std::uint32_t code) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const Ranges& r) { return code >= r.first && code <= r.second; });
}

/// C0 and C1, line separators, and what turns the writing direction around.
bool acts_on_terminal(std::uint32_t code) {
  static constexpr std::array<Ranges, 6> kActing{
      {{0x00, 0x1F}, {0x7F, 0x9F}, {0x200E, 0x200F}, {0x2028, 0x202E}, {0x2066, 0x2069}, {0xFEFF, 0xFEFF}}};
  return in(kActing, code);
}

std::size_t width_of(std::uint32_t code) {
  static constexpr std::array<Ranges, 4> kNone{{{0x300, 0x36F}, {0x200B, 0x200D}, {0x20D0, 0x20F0}, {0xFE00, 0xFE0F}}};
  static constexpr std::array<Ranges, 9> kWide{{{0x1100, 0x115F},
                                                {0x2E80, 0xA4CF},
                                                {0xAC00, 0xD7A3},
                                                {0xF900, 0xFAFF},
                                                {0xFE30, 0xFE6F},
                                                {0xFF00, 0xFF60},
                                                {0xFFE0, 0xFFE6},
                                                {0x1F300, 0x1FAFF},
                                                {0x20000, 0x3FFFD}}};
  if (code < 0x300) return 1;
  return in(kNone, code) ? 0 : in(kWide, code) ? 2 : 1;
}

std::string without_controls(std::string_view s, bool lines) {
  std::string out;
  out.reserve(s.size());
  while (!s.empty()) {
    const Character c = first_character(s);
    const bool kept = lines && (c.code == '\n' || c.code == '\t');
    if (c.valid && (kept || !acts_on_terminal(c.code)))
      out.append(s.substr(0, c.bytes));
    else
      out += '?';
    s.remove_prefix(c.bytes);
  }
  return out;
}

}  // namespace

std::string Terminal::styled(std::string_view code, std::string_view s) const {
  if (!colour) return std::string(s);
  return std::string("\x1b[").append(code).append("m").append(s).append("\x1b[0m");
}

Terminal terminal_of(int fd, const config::EnvLookup& env) {
  Terminal t;
  if (::isatty(fd) != 1) return t;
  const std::string term = env("TERM").value_or("");
  t.interactive = !term.empty() && term != "dumb";
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0) t.columns = size.ws_col;
  t.colour = t.interactive && env("NO_COLOR").value_or("").empty();
  return t;
}

std::string printable(std::string_view s) { return without_controls(s, false); }
std::string printable_lines(std::string_view s) { return without_controls(s, true); }

std::size_t display_width(std::string_view s) {
  std::size_t width = 0;
  while (!s.empty()) {
    const Character c = first_character(s);
    width += c.valid ? width_of(c.code) : 1;
    s.remove_prefix(c.bytes);
  }
  return width;
}

std::string cut_to_width(std::string_view s, std::size_t columns) {
  if (display_width(s) <= columns) return std::string(s);
  if (columns == 0) return {};
  std::size_t end = 0, width = 0;
  while (end < s.size()) {
    const Character c = first_character(s.substr(end));
    const std::size_t wide = c.valid ? width_of(c.code) : 1;
    if (width + wide > columns - 1) break;
    width += wide;
    end += c.bytes;
  }
  return std::string(s.substr(0, end)) + "\xE2\x80\xA6";
}

}  // namespace gw::cli
