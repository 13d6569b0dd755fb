#include "trace/quarantine.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_writer.h"
#include "base/time_format.h"
#include "base/unique_fd.h"

namespace gw::trace {
namespace {

std::string to_line(const Trace& row, std::string_view error_class, std::string_view message, std::int64_t now_ns,
                    bool bodies) {
  std::string out;
  JsonWriter w(out);
  w.begin_object()
      .field("quarantined_at", format_rfc3339(now_ns))
      .field("error_class", error_class)
      .field("error", message)
      .field("id", row.id)
      .field("trace_group_id", row.trace_group_id)
      .field("org_id", row.org_id)
      .field("workspace_id", row.workspace_id)
      .field("timestamp", format_rfc3339(row.timestamp_ns))
      .field("created_at", format_rfc3339(row.created_at_ns))
      .field("provider", row.provider)
      .field("model", row.model)
      .field("request_method", row.request_method)
      .field("request_path", row.request_path)
      .field("request_headers", row.request_headers)
      .field("response_status", row.response_status)
      .field("response_headers", row.response_headers);
  if (bodies) w.field("request_body", row.request_body).field("response_body", row.response_body);
  w.field("input_tokens", row.input_tokens)
      .field("output_tokens", row.output_tokens)
      .field("total_tokens", row.total_tokens)
      .field("latency_us", row.latency_us)
      .field("time_to_first_token_us", row.time_to_first_token_us)
      .field("api_key_hash", row.api_key_hash)
      .field("cost_nano_usd", row.cost_nano_usd)
      .field("metadata", row.metadata)
      .field("gateway_key_id", row.gateway_key_id)
      .field("session_id", row.session_id)
      .end_object();
  out += '\n';
  return out;
}

}  // namespace

bool Quarantine::add(const Trace& row, std::string_view error_class, std::string_view message, std::int64_t now_ns) {
  const UniqueFd fd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat st{};
  if (!fd || ::fstat(fd.get(), &st) != 0) return false;
  const auto used = static_cast<std::uint64_t>(st.st_size);
  for (const bool bodies : {true, false}) {
    const std::string line = to_line(row, error_class, message, now_ns, bodies);
    if (used + line.size() > max_bytes_) continue;
    return ::write(fd.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size());
  }
  return false;
}

}  // namespace gw::trace
