#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "telemetry/otlp_json.h"

namespace gw::telemetry::otlp {

/// What a receiver says it did not take of a request that it took.
struct Rejected {
  std::uint64_t items = 0;
  std::string why{};  ///< the receiver's own words, cut; for the log, which scrubs them
};

/// Out of an answer of 2xx; one that cannot be read says nothing.
Rejected read_rejected(Signal signal, bool json, std::string_view answer);

}  // namespace gw::telemetry::otlp
