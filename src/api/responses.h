#pragma once
// Bodies of the API's answers, in the contract's field order. Pure functions.
#include <cstdint>
#include <string>

#include "api/router.h"

namespace gw::api {

ApiResponse json_response(int status, std::string body);
ApiResponse error_response(int status, std::string_view message);
/// What is said of a reader's last call, which failed: 500 with `message`, or 503 when a smaller question may do.
ApiResponse failed_read(const store::TraceReader& reader, std::string_view message);

std::string diagnostics_body(const PipelineDiagnostics& d, std::int64_t now_ns);

}  // namespace gw::api
