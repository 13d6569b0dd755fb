#include "telemetry/log_queue.h"

#include <cstring>

namespace gw::telemetry {

namespace {

bool begins(const char* p, const char* end, std::string_view with) {
  return static_cast<std::size_t>(end - p) >= with.size() && std::memcmp(p, with.data(), with.size()) == 0;
}

/// The next one; `end` where there is none.
const char* find_byte(const char* p, const char* end, char c) {
  const void* const at = std::memchr(p, c, static_cast<std::size_t>(end - p));
  return at != nullptr ? static_cast<const char*>(at) : end;
}

}  // namespace

bool is_exported_line(std::string_view line) {
  constexpr std::string_view kTime = R"({"time":")", kAccess = R"(","level":"INFO","msg":"request complete",)";
  const char* const end = line.data() + line.size();
  if (!begins(line.data(), end, kTime)) return false;
  const char* const level = find_byte(line.data() + kTime.size(), end, '"');  // no time has one
  if (begins(level, end, kAccess)) return true;
  // Outside of strings a quote has no backslash before it.
  return begins(level, end, R"(","level":"WARN")") || begins(level, end, R"(","level":"ERROR")") ||
         (begins(level, end, R"(","level":")") && line.find(R"(,"audit_action":")") != std::string_view::npos);
}

void LogQueue::take(std::string_view lines) {
  bool lost = false;
  const char* const all = lines.data() + lines.size();
  for (const char *p = lines.data(), *end = p; p != all; p = end == all ? end : end + 1) {
    end = find_byte(p, all, '\n');
    const auto size = static_cast<std::size_t>(end - p);
    if (!is_exported_line({p, size})) continue;
    if (char* out = ring_.reserve(size); out != nullptr) {
      std::memcpy(out, p, size);
      ring_.commit();
    } else {
      lost = true;
      dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
  }
  if (lost || ring_.holds_more_than(wake_bytes_)) wake_();
}

}  // namespace gw::telemetry
