#include "cli/progress.h"
#include "base/time_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ostream>

namespace gw::cli {
namespace {

constexpr std::int64_t kInterval = kSecondNs / 10;
constexpr std::size_t kBar = 24;

std::string time_left(double fraction, std::int64_t elapsed_ns) {
  if (fraction <= 0 || elapsed_ns < kSecondNs) return {};
  const auto left = static_cast<std::int64_t>(static_cast<double>(elapsed_ns) / 1e9 * (1 - fraction) / fraction);
  return fmt::format("  {}:{:02} left", left / 60, left % 60);
}

}  // namespace

Progress::Progress(std::ostream& err, const Terminal& terminal, Clock clock)
    : err_(err), terminal_(terminal), clock_(clock), started_ns_(clock.mono_ns()) {}

Progress::~Progress() { clear(); }

void Progress::clear() {
  if (shown_) err_ << "\r\x1b[K" << std::flush;
  shown_ = false;
}

std::string Progress::line(std::string_view what, std::int64_t done, std::int64_t of, std::string_view note,
                           std::int64_t elapsed_ns, int columns) {
  std::string out(what);
  if (of > 0) {
    const double fraction = std::clamp(static_cast<double>(done) / static_cast<double>(of), 0.0, 1.0);
    const auto full = static_cast<std::size_t>(fraction * kBar);
    out += " [" + std::string(full, '#') + std::string(kBar - full, '.') + fmt::format("] {:3.0f} %", fraction * 100);
    out.append(note.empty() ? "" : "  ").append(note).append(time_left(fraction, elapsed_ns));
  } else {
    out.append(note.empty() ? "" : "  ").append(note);
  }
  return columns > 1 ? cut_to_width(out, static_cast<std::size_t>(columns - 1)) : out;
}

void Progress::show(std::string_view what, std::int64_t done, std::int64_t of, std::string_view note) {
  if (!terminal_.interactive) return;
  const std::int64_t now = clock_.mono_ns();
  if (now < next_ns_) return;
  next_ns_ = now + kInterval;
  err_ << '\r' << line(what, done, of, note, now - started_ns_, terminal_.columns) << "\x1b[K" << std::flush;
  shown_ = true;
}

std::string grouped(std::int64_t n) {
  const std::string digits = std::to_string(n);
  const std::size_t sign = n < 0 ? 1 : 0;
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > sign && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string byte_size(std::int64_t bytes) {
  static constexpr std::array<const char*, 4> kUnits{"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return std::to_string(bytes) + " B";
  auto size = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; size >= 1024 && unit + 1 < kUnits.size(); ++unit) size /= 1024;
  return fmt::format("{:.1f} {}", size, kUnits[unit]);
}

}  // namespace gw::cli
