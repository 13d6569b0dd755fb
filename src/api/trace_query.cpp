// The parameters of /api/traces, which other routes over traces share.
#include <algorithm>

#include "api/query_params.h"
#include "base/strings.h"
#include "store/trace_cursor.h"

namespace gw::api {
namespace {

using Outcome = TraceFacts::Outcome;

struct OutcomeName {
  std::string_view name;
  Outcome outcome;
};
constexpr OutcomeName kOutcomes[] = {
    {"complete", Outcome::complete},
    {"client_aborted", Outcome::client_aborted},
    {"upstream_aborted", Outcome::upstream_aborted},
    {"upstream_error", Outcome::upstream_error},
    {"refused_by_guard", Outcome::refused_by_guard},
};

/// Of `text`, which is looked for in bodies: short ones are in every body, long ones are no search.
constexpr std::size_t kMinText = 3, kMaxText = 256;

Result<void> parse_numbers(const QueryParams& params, store::TraceFilter& f) {
  const auto status = params.integer("status", 100, 999);
  if (!status) return tl::make_unexpected(status.error());
  f.status = static_cast<int>(status->value_or(0));
  const auto min_tokens = params.integer("min_tokens", 0, 10'000'000);
  if (!min_tokens) return tl::make_unexpected(min_tokens.error());
  f.min_tokens = min_tokens->value_or(0);
  const auto max_tokens = params.integer("max_tokens", 0, 10'000'000);
  if (!max_tokens) return tl::make_unexpected(max_tokens.error());
  f.max_tokens = max_tokens->value_or(0);
  if (f.min_tokens > 0 && f.max_tokens > 0 && f.max_tokens < f.min_tokens)
    return fail("max_tokens must be greater than or equal to min_tokens");
  return {};
}

Result<void> parse_range(const QueryParams& params, store::TraceFilter& f) {
  const auto from = params.time("from", false);
  if (!from) return tl::make_unexpected(from.error());
  const auto to = params.time("to", true);
  if (!to) return tl::make_unexpected(to.error());
  if (*from && *to && **to < **from) return fail("to must be greater than or equal to from");
  f.from_ns = *from;
  f.to_ns = *to;
  return {};
}

/// What the contract does not know.
Result<void> parse_additions(const QueryParams& params, store::TraceFilter& f) {
  f.session_id = cut_at_character(params.get("session_id"), kMaxSessionIdBytes);
  f.path = params.get("path");
  f.gateway_key_id = params.get("gateway_key_id");
  if (const std::string_view name = params.get("outcome"); !name.empty()) {
    const auto* known =
        std::find_if(std::begin(kOutcomes), std::end(kOutcomes), [&](const OutcomeName& o) { return o.name == name; });
    if (known == std::end(kOutcomes)) return invalid_choice("outcome", name, kOutcomes);
    f.outcome = known->outcome;
  }
  const auto min_cost = params.dollars("min_cost_usd");
  if (!min_cost) return tl::make_unexpected(min_cost.error());
  f.min_cost_nano_usd = *min_cost;
  const auto min_latency = params.integer("min_latency_ms", 0, 1'000'000'000);
  if (!min_latency) return tl::make_unexpected(min_latency.error());
  f.min_latency_ms = min_latency->value_or(0);
  f.text = params.get("q");
  if (!f.text.empty() && (f.text.size() < kMinText || f.text.size() > kMaxText))
    return fail("q must be " + std::to_string(kMinText) + " to " + std::to_string(kMaxText) + " bytes long");
  return {};
}

}  // namespace

Result<store::TraceFilter> parse_trace_filter(const QueryParams& params) {
  store::TraceFilter f;
  if (const auto ok = parse_numbers(params, f); !ok) return tl::make_unexpected(ok.error());
  if (const auto ok = parse_range(params, f); !ok) return tl::make_unexpected(ok.error());
  f.trace_group_id = params.get("trace_group_id");
  f.thread_id = params.get("thread_id");
  f.run_id = params.get("run_id");
  f.provider = params.get("provider");
  f.model = params.get("model");
  f.api_key_hash = params.get("api_key_hash");
  if (const auto ok = parse_additions(params, f); !ok) return tl::make_unexpected(ok.error());
  return f;
}

Result<TraceQuery> parse_trace_query(const QueryParams& params) {
  TraceQuery q;
  const auto limit = params.integer("limit", 0, 200);
  if (!limit) return tl::make_unexpected(limit.error());
  if (limit->value_or(0) != 0) q.limit = static_cast<int>(**limit);
  auto filter = parse_trace_filter(params);
  if (!filter) return tl::make_unexpected(filter.error());
  q.filter = std::move(*filter);
  if (const std::string_view cursor = params.get("cursor"); !cursor.empty()) {
    auto after = store::decode_cursor(cursor);
    if (!after) return tl::make_unexpected(after.error());
    q.after = std::move(*after);
  }
  return q;
}

}  // namespace gw::api
