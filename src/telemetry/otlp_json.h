#pragma once
#include <string>
#include <string_view>

namespace gw::telemetry::otlp {

enum class Signal : unsigned char { traces, metrics, logs };
inline constexpr int kSignals = 3;
/// As it is called in log lines and labels.
constexpr std::string_view name_of(Signal s) {
  return s == Signal::traces ? "traces" : s == Signal::metrics ? "metrics" : "logs";
}

/// An export request as protobuf in OTLP's JSON mapping: ids in hex, 64-bit integers as strings, enums as numbers.
/// `protobuf` must be one of our own encoding; fields that are not in it are left out.
std::string to_json(Signal signal, std::string_view protobuf);

}  // namespace gw::telemetry::otlp
