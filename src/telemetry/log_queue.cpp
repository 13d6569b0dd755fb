#include "telemetry/log_queue.h"

#include <algorithm>
#include <cstring>

namespace gw::telemetry {

bool is_exported_line(std::string_view line) {
  constexpr std::string_view kTime = R"({"time":")", kLevel = R"(","level":")";
  if (!line.starts_with(kTime)) return false;
  line.remove_prefix(std::min(line.size(), line.find('"', kTime.size())));  // a time has none
  if (!line.starts_with(kLevel)) return false;
  line.remove_prefix(kLevel.size());
  if (line.starts_with(R"(INFO","msg":"request complete",)")) return true;
  // Outside of strings a quote has no backslash before it.
  return line.starts_with("WARN\"") || line.starts_with("ERROR\"") ||
         line.find(R"(,"audit_action":")") != std::string_view::npos;
}

void LogQueue::take(std::string_view lines) {
  bool lost = false;
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
    if (!is_exported_line(line)) continue;
    if (char* out = ring_.reserve(line.size()); out != nullptr) {
      std::memcpy(out, line.data(), line.size());
      ring_.commit();
    } else {
      lost = true;
      dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
  }
  if (lost || ring_.holds_more_than(wake_bytes_)) wake_();
}

}  // namespace gw::telemetry
