#pragma once
// A snapshot in the words of Prometheus: its text format 0.0.4 and OpenMetrics 1.0. Pure functions.
#include <string>
#include <string_view>

#include "metrics/sample.h"

namespace gw::telemetry {

enum class ExpositionFormat : std::uint8_t { text, openmetrics };

struct Exposition {
  ExpositionFormat format = ExpositionFormat::text;
  /// With the escaping scheme that the scraper asked for; names here need none.
  std::string content_type;
};

/// What an Accept header likes best; text when it says nothing or nothing usable.
Exposition choose_exposition(std::string_view accept);

struct TargetInfo {
  std::string service_name, service_version;
};

/// Families by name, label names by name; a family without samples is left out.
std::string write_exposition(const metrics::Snapshot& snapshot, ExpositionFormat format, const TargetInfo& target);

/// The name that Prometheus knows a metric by: dots as underscores, the unit's name behind it, `_total` behind a
/// counter.
std::string prometheus_name(const metrics::Family& family);

}  // namespace gw::telemetry
