#pragma once
// What every store writes in place of an absent value, and fills in on read (trace-model §1). One place, so that stores
// agree. Views point into the trace or into constants; they live as long as the trace.
#include <string_view>

#include "model/trace.h"

namespace gw::store {

inline std::string_view or_default(std::string_view value, std::string_view fallback) {
  return value.empty() ? fallback : value;
}

inline std::int64_t effective_total_tokens(const Trace& t) {
  return t.total_tokens != 0 ? t.total_tokens : t.input_tokens + t.output_tokens;
}

inline std::int64_t effective_ttft_ms(std::int64_t ms, std::int64_t us) {
  return us > 0 && ms <= 0 ? (us + 999) / 1000 : ms;
}
inline std::int64_t effective_ttft_us(std::int64_t ms, std::int64_t us) { return us <= 0 && ms > 0 ? ms * 1000 : us; }

/// After a row was read: units of the time to first token and an empty tenant are filled in.
inline void complete_after_read(Trace& t) {
  const std::int64_t ms = t.time_to_first_token_ms;
  const std::int64_t us = t.time_to_first_token_us;
  t.time_to_first_token_ms = effective_ttft_ms(ms, us);
  t.time_to_first_token_us = effective_ttft_us(ms, us);
  if (t.org_id.empty()) t.org_id = "default";
  if (t.workspace_id.empty()) t.workspace_id = "default";
}

}  // namespace gw::store
