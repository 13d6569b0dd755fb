#pragma once
// What the rows of the route table name. Each answers one request; none throws, and store failures are in the answer.
#include "api/route_table.h"

namespace gw::api {

// status.cpp
ApiResponse root(const Call& call);
ApiResponse health(const Call& call);
ApiResponse ready(const Call& call);
ApiResponse openapi(const Call& call);
ApiResponse pipeline_diagnostics(const Call& call);

// traces.cpp
ApiResponse list_traces(const Call& call);
ApiResponse trace_detail(const Call& call);

// traces_replay.cpp, traces_fork.cpp
ApiResponse replay_trace(const Call& call);
ApiResponse fork_trace(const Call& call);

// analytics.cpp
ApiResponse analytics_usage(const Call& call);
ApiResponse analytics_cost(const Call& call);
ApiResponse analytics_models(const Call& call);
ApiResponse analytics_keys(const Call& call);
ApiResponse analytics_latency(const Call& call);
ApiResponse analytics_errors(const Call& call);
ApiResponse analytics_summary(const Call& call);

// gateway_keys.cpp
ApiResponse list_keys(const Call& call);
ApiResponse create_key(const Call& call);
ApiResponse revoke_key(const Call& call);
ApiResponse rotate_key(const Call& call);
ApiResponse limit_key(const Call& call);

}  // namespace gw::api
