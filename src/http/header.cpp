#include "http/header.h"

#include "base/strings.h"

namespace gw::http {
namespace {

/// Of a name behind our prefix.
FieldId classify_own(std::string_view rest) {
  switch (rest.size()) {
    case 6:
      return iequals(rest, "run-id") ? FieldId::gw_run_id : FieldId::other;
    case 8:
      return iequals(rest, "trace-id") ? FieldId::gw_trace_id : FieldId::other;
    case 9:
      return iequals(rest, "thread-id") ? FieldId::gw_thread_id : FieldId::other;
    case 10:
      return iequals(rest, "no-capture") ? FieldId::gw_no_capture : FieldId::other;
    case 14:
      if (iequals(rest, "correlation-id")) return FieldId::gw_correlation_id;
      if (iequals(rest, "trace-group-id")) return FieldId::gw_trace_group_id;
      return iequals(rest, "checkpoint-seq") ? FieldId::gw_checkpoint_seq : FieldId::other;
    case 20:
      return iequals(rest, "parent-checkpoint-id") ? FieldId::gw_parent_checkpoint_id : FieldId::other;
    default:
      return FieldId::other;
  }
}

/// Of a name that is longer than the prefix. Few names end as ours do, so the ends are looked at first.
FieldId classify_gateway(std::string_view name) {
  constexpr std::string_view kPrefix = "x-ongoingai-";
  const FieldId id = classify_own(name.substr(kPrefix.size()));
  return id != FieldId::other && iequals(name.substr(0, kPrefix.size()), kPrefix) ? id : FieldId::other;
}

}  // namespace

FieldId classify(std::string_view name) {
  const auto is = [&](std::string_view known, FieldId id) { return iequals(name, known) ? id : FieldId::other; };
  switch (name.size()) {
    case 2:
      return is("te", FieldId::te);
    case 4:
      return to_lower(name[0]) == 'd' ? is("date", FieldId::date) : is("host", FieldId::host);
    case 6:
      return is("expect", FieldId::expect);
    case 7:
      return to_lower(name[0]) == 't' ? is("trailer", FieldId::trailer) : is("upgrade", FieldId::upgrade);
    case 9:
      return is("x-api-key", FieldId::x_api_key);
    case 10:
      switch (to_lower(name[0])) {
        case 'c':
          return is("connection", FieldId::connection);
        case 'k':
          return is("keep-alive", FieldId::keep_alive);
        case 't':
          return is("tracestate", FieldId::tracestate);
        case 'u':
          return is("user-agent", FieldId::user_agent);
        default:
          return iequals(name, "session-id") || iequals(name, "session_id") ? FieldId::session_id : FieldId::other;
      }
    case 11:
      return is("traceparent", FieldId::traceparent);
    case 12:
      return to_lower(name[0]) == 'c' ? is("content-type", FieldId::content_type)
                                      : is("x-request-id", FieldId::x_request_id);
    case 13:
      return is("authorization", FieldId::authorization);
    case 14:
      return is("content-length", FieldId::content_length);
    case 15:
      return is("x-forwarded-for", FieldId::x_forwarded_for);
    case 16:
      switch (to_lower(name[0])) {
        case 'c':
          return is("content-encoding", FieldId::content_encoding);
        case 'p':
          return is("proxy-connection", FieldId::proxy_connection);
        default:
          return is("x-correlation-id", FieldId::x_correlation_id);
      }
    case 17:
      return is("transfer-encoding", FieldId::transfer_encoding);
    case 18:
      return to_lower(name[0]) == 'p' ? is("proxy-authenticate", FieldId::proxy_authenticate) : classify_gateway(name);
    case 19:
      return is("proxy-authorization", FieldId::proxy_authorization);
    case 24:
      return is("x-claude-code-session-id", FieldId::claude_code_session_id);
    default:
      return name.size() > 17 && to_lower(name[0]) == 'x' ? classify_gateway(name) : FieldId::other;
  }
}

bool list_has(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    if (iequals(trim(list.substr(0, comma)), token)) return true;
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return false;
}

const Field* find(const Fields& fields, FieldId id) {
  for (const Field& f : fields)
    if (f.id == id) return &f;
  return nullptr;
}

}  // namespace gw::http
