#include "telemetry/log_queue.h"

#include <cstring>

namespace gw::telemetry {

bool is_exported_line(std::string_view line) {
  // Nothing before it can hold these bytes: a quote within a string has a backslash before it.
  constexpr std::string_view kLevel = R"(","level":")";
  const std::size_t level = line.find(kLevel);
  if (level == std::string_view::npos) return false;
  const std::string_view rest = line.substr(level + kLevel.size());
  if (rest.starts_with("WARN\"") || rest.starts_with("ERROR\"")) return true;
  return rest.starts_with(R"(INFO","msg":"request complete",)") ||
         rest.find(R"(,"audit_action":")") != std::string_view::npos;
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
