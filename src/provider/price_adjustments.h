#pragma once
// What the price package lacks, each entry with the public page that states it: factors of service tiers, batches and
// regions, cache writes as multiples of the input price, fees of tools. What is in neither is unpriced, never standard.
#include <cstdint>
#include <string_view>

#include "provider/price_table.h"

namespace gw::provider {

/// Changes with every entry.
inline constexpr std::string_view kAdjustmentsVersion = "1";

/// Both at most 255.
struct Fraction {
  std::uint16_t num = 1;
  std::uint16_t den = 1;
};

/// Factor on every token price of a model. The first entry that matches applies; `models` is a glob.
struct FactorRule {
  std::string_view provider, value, models;
  Fraction factor;
  std::string_view source;
};

/// Cache writes of models for which the table has an input price but no write price.
struct CacheWriteRule {
  std::string_view provider, models;
  Fraction five_minutes, one_hour;
  std::string_view source;
};

/// Fee of a tool where the model has none of its own.
struct FeeRule {
  std::string_view provider;
  PriceRate rate;
  bool estimate = false;  ///< the bill counts something that the answer does not tell
  std::string_view source;
};

/// Null: there is none. Values and names are lowercase.
const FactorRule* service_tier_rule(std::string_view provider, std::string_view tier, std::string_view model);
const FactorRule* region_rule(std::string_view provider, std::string_view region, std::string_view model);
const CacheWriteRule* cache_write_rule(std::string_view provider, std::string_view model);
const FeeRule* fee_rule(std::string_view provider, PriceUnit unit);

/// Tier names that mean the listed price with every provider; empty is one.
bool is_standard_tier(std::string_view tier);
/// Regions without an uplift with every provider; empty is one.
bool is_standard_region(std::string_view region);

}  // namespace gw::provider
