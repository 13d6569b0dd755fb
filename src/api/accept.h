#pragma once
// Which form of an answer a client wants: `format`, else its Accept header. Pure functions.
#include <string_view>

#include "api/route_table.h"
#include "base/result.h"

namespace gw::api {

/// How much an Accept header wants a media type, 0 to 1000: the most specific range that fits it decides. An empty
/// header wants everything.
int accept_quality(std::string_view accept, std::string_view type);

/// True: CSV. JSON unless the client says that it likes CSV better. The error is for a 400.
Result<bool> wants_csv(const Call& call);

/// 200, with `name`.csv as the file name for those who save it.
ApiResponse csv_response(std::string body, std::string_view name);

}  // namespace gw::api
