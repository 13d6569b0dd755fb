#pragma once
#include <string_view>

namespace gw::http {

/// Of the statuses that the gateway answers with by itself; empty for others.
std::string_view reason_phrase(int status);

}  // namespace gw::http
