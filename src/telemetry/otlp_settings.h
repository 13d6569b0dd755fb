#pragma once
// Where telemetry goes and how, out of the configuration and the standard variables of OpenTelemetry exporters.
#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "telemetry/otlp_json.h"
#include "telemetry/otlp_wire.h"

namespace gw::telemetry::otlp {

/// What the configuration says; see config::OtelConfig.
struct SettingsInput {
  std::string endpoint;
  bool insecure = true;
  bool keep_endpoint_path = false;  ///< it came from the environment
  std::string service_name;
  std::string service_version;
  bool traces = true, metrics = true, logs = false;
  double sampling_ratio = 1;
  std::int64_t timeout_ms = 3'000;
  std::int64_t metric_interval_ms = 10'000;
};

/// How one signal is sent. Values of headers are secrets.
struct Destination {
  bool enabled = false;
  std::string url;
  std::vector<std::string> headers;  ///< `Name: value`
  bool gzip = false;
  bool json = false;
  std::int64_t timeout_ms = 3'000;
  std::string ca_file, client_certificate, client_key;  ///< paths; empty: the system's, or none
  std::string proxy;                                    ///< URL of a forward proxy; empty: none
  std::string proxy_authorization;                      ///< a secret

  friend bool operator==(const Destination&, const Destination&) = default;
};

struct Settings {
  std::array<Destination, kSignals> destinations;
  std::string shown_endpoint;  ///< host:port
  Attributes resource;
  double sampling_ratio = 1;
  std::int64_t metric_interval_ms = 10'000;
  std::int64_t span_delay_ms = 5'000;    ///< how long spans wait for company
  std::size_t span_batch = 512;          ///< spans of one request
  std::size_t queue_bytes = 4'194'304;   ///< of records that wait, all workers together
  std::size_t most_value_bytes = 2'048;  ///< of an attribute
  std::int64_t log_delay_ms = 1'000;     ///< the same of log records
  std::size_t log_batch = 512;
  std::size_t log_queue_bytes = 1'048'576;

  Destination& of(Signal s) { return destinations[static_cast<std::size_t>(s)]; }
  const Destination& of(Signal s) const { return destinations[static_cast<std::size_t>(s)]; }
};

/// Fails with the telemetry contract's texts where they are stated; the setting is named everywhere. `variable`: its
/// value, empty when it is not set.
Result<Settings> make_settings(const SettingsInput& input, const std::function<std::string(const char*)>& variable);

}  // namespace gw::telemetry::otlp
