#pragma once
// Answers that are stored by their provider and can be asked for again, with the usage of the request that made them.
#include <string_view>

namespace gw::provider {

/// Whether a request spends what its answer states as usage. Only a POST makes a model work; of those not the ones that
/// cancel a response or change what is stored of a completion. `path` as decoded, without a query.
bool spends_usage(std::string_view method, std::string_view path);

/// The id of the stored response that `path` asks for; empty when it asks for none.
std::string_view stored_response_id(std::string_view path);

}  // namespace gw::provider
