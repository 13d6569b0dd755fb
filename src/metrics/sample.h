#pragma once
// What is measured, at one moment, as plain data: made by whoever scrapes or exports, on their thread, out of the
// shards that the workers write. Names are OpenTelemetry's; telemetry/ writes them for Prometheus and OTLP.
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gw::metrics {

enum class Kind : std::uint8_t { counter, gauge, histogram };

/// Who measures; an OpenTelemetry instrumentation scope.
struct Scope {
  std::string_view name;
  std::string_view version;

  friend bool operator==(const Scope&, const Scope&) = default;
};
inline constexpr Scope kGatewayScope{"ongoingai.gateway", ""};
inline constexpr Scope kHttpScope{"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp", "0.56.0"};

/// One observation of a bucket and the span that it happened in.
struct Exemplar {
  double value = 0;
  std::int64_t at_ns = 0;  ///< Unix ns
  std::array<std::uint8_t, 16> trace_id{};
  std::array<std::uint8_t, 8> span_id{};
};

struct HistogramValue {
  std::vector<std::uint64_t> counts{};               ///< by bucket, not cumulative; one more than there are bounds
  std::vector<std::optional<Exemplar>> exemplars{};  ///< empty, or one a bucket
  double sum = 0;

  /// Of the same bounds.
  void add(const HistogramValue& other) {
    if (counts.size() < other.counts.size()) counts.resize(other.counts.size());
    for (std::size_t i = 0; i < other.counts.size(); ++i) counts[i] += other.counts[i];
    sum += other.sum;
  }
  std::uint64_t count() const {
    std::uint64_t n = 0;
    for (const std::uint64_t c : counts) n += c;
    return n;
  }
};

struct Label {
  std::string_view name;  ///< outlives the snapshot
  std::string value;
};

struct Sample {
  std::vector<Label> labels{};  ///< in no order
  double value = 0;             ///< of a counter or gauge
  HistogramValue histogram{};   ///< of a histogram
};

struct Family {
  std::string_view name;  ///< such as `ongoingai.provider.request_total`; outlives the snapshot, as the next three do
  Kind kind = Kind::counter;
  std::string_view unit{};  ///< UCUM: `s`, `By`, `ms`, `1`, or empty
  std::string_view help{};
  std::span<const double> bounds{};  ///< of a histogram, ascending, without infinity
  bool integer = true;               ///< values are whole numbers
  Scope scope = kGatewayScope;
  std::vector<Sample> samples{};  ///< none: nothing was recorded yet, and nothing is shown
};

struct Snapshot {
  std::int64_t started_at_ns = 0;  ///< Unix ns: since when counters count
  std::int64_t at_ns = 0;          ///< Unix ns
  std::vector<Family> families{};
};

}  // namespace gw::metrics
