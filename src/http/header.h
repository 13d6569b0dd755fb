#pragma once
// Header fields as views over the receive buffer, and the fields that the gateway itself has to know.
#include <cstdint>
#include <string_view>
#include <vector>

namespace gw::http {

/// Fields that decide framing, routing, credentials or correlation. Everything else is `other` and passes through
/// untouched.
enum class FieldId : std::uint8_t {
  other,
  te,
  host,
  expect,
  trailer,
  upgrade,
  connection,
  keep_alive,
  date,
  content_type,
  content_length,
  content_encoding,
  transfer_encoding,
  proxy_connection,
  proxy_authenticate,
  proxy_authorization,
  authorization,
  x_api_key,
  x_forwarded_for,
  user_agent,
  traceparent,
  tracestate,
  x_request_id,
  x_correlation_id,
  session_id,               // session-id or session_id, as Codex writes it
  claude_code_session_id,   // x-claude-code-session-id
  gw_correlation_id,        // X-OngoingAI-Correlation-ID
  gw_trace_id,              // X-OngoingAI-Trace-ID
  gw_no_capture,            // X-OngoingAI-No-Capture
  gw_trace_group_id,        // X-OngoingAI-Trace-Group-ID
  gw_thread_id,             // X-OngoingAI-Thread-ID
  gw_run_id,                // X-OngoingAI-Run-ID
  gw_parent_checkpoint_id,  // X-OngoingAI-Parent-Checkpoint-ID
  gw_checkpoint_seq,        // X-OngoingAI-Checkpoint-Seq
};

struct Field {
  std::string_view name;
  std::string_view value;  ///< without surrounding white space
  FieldId id = FieldId::other;
};

using Fields = std::vector<Field>;

FieldId classify(std::string_view name);

/// Hop-by-hop fields: never relayed.
constexpr bool is_hop_by_hop(FieldId id) {
  switch (id) {
    case FieldId::te:
    case FieldId::trailer:
    case FieldId::upgrade:
    case FieldId::connection:
    case FieldId::keep_alive:
    case FieldId::transfer_encoding:
    case FieldId::proxy_connection:
    case FieldId::proxy_authenticate:
    case FieldId::proxy_authorization:
      return true;
    default:
      return false;
  }
}

/// True when the comma-separated `list` holds `token`, ASCII case ignored.
bool list_has(std::string_view list, std::string_view token);

/// First field with that id, or null.
const Field* find(const Fields& fields, FieldId id);

}  // namespace gw::http
