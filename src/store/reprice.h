#pragma once
// Computing stored costs again with another price table: what a store hands to the pricing function, what becomes of a
// row, and the report. Plain data and pure functions; one thread.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "model/usage.h"

namespace gw::store {

/// Everything of a stored trace that its price depends on.
struct StoredUsage {
  std::string provider, model;
  std::string response_model;  ///< empty: as `model`, or unknown
  std::string service_tier_asked, service_tier, inference_geo;
  std::int64_t timestamp_ns = 0;
  Usage usage;
};

struct Repriced {
  Cost cost;
  std::string price_version;
};
using Repricer = std::function<Repriced(const StoredUsage&)>;

/// On `timestamp`, Unix ns.
struct RepriceRange {
  std::int64_t from_ns = 0;
  std::int64_t until_ns = INT64_MAX;  ///< exclusive
};

/// A row as far as repricing reads and writes it.
struct CostRow {
  std::string provider, model;
  std::int64_t timestamp_ns = 0;
  std::int64_t input_tokens = 0, output_tokens = 0, total_tokens = 0;
  std::int64_t cost_nano_usd = 0;
  std::string metadata;
};

/// What the metadata tells, with the columns for what it does not: rows from before the metadata had `usage` have their
/// counts there. `usage.seen` is false when neither has any.
StoredUsage stored_usage(const CostRow& row);

enum class RepriceOutcome : std::uint8_t {
  no_usage,   ///< nothing was used; left alone
  unpriced,   ///< the table has no price; the row keeps what it has
  unchanged,  ///< priced, and it says so already
  changed,
};

/// Changes cost and metadata of the row. A provider's own cost stays; what was computed beside it is replaced. Doing it
/// again with the same table gives `unchanged`.
RepriceOutcome reprice_row(CostRow& row, const Repricer& price);

/// Sums stop at the ends of 64 bits.
struct RepriceTotals {
  std::int64_t rows = 0;  ///< without those of no_usage
  std::int64_t changed = 0, unpriced = 0;
  std::int64_t old_nano_usd = 0, new_nano_usd = 0;

  void add(RepriceOutcome outcome, std::int64_t old_nano, std::int64_t new_nano);
  std::int64_t difference() const;
};

struct RepriceReport {
  /// Names come from clients: further models are counted under kOtherModels.
  static constexpr std::size_t kMaxModels = 10'000;
  static constexpr std::string_view kOtherModels = "(other models)";

  RepriceTotals total;
  std::map<std::pair<std::string, std::string>, RepriceTotals> models;  ///< by provider and model

  void add(const CostRow& row, RepriceOutcome outcome, std::int64_t old_nano);
};

}  // namespace gw::store
