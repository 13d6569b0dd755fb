#include "provider/price_adjustments.h"

namespace gw::provider {
namespace {

constexpr std::string_view kOpenAiFast = "OpenAI: Fast mode for API Customers (priority processing)";
constexpr std::string_view kOpenAiPricing = "OpenAI API docs: Pricing, priority table";
constexpr std::string_view kOpenAiBatch = "OpenAI API docs: Batch API (half of the standard price)";
constexpr std::string_view kOpenAiFlex = "OpenAI API docs: Flex processing (tokens at Batch API rates)";
constexpr std::string_view kClaudeBatch = "Claude docs: Pricing, Batch processing (half of the standard price)";
constexpr std::string_view kGroqTiers = "Groq docs: Service tiers";

constexpr FactorRule kServiceTiers[] = {
    {"openai", "batch", "*", {1, 2}, kOpenAiBatch},
    {"openai", "flex", "*", {1, 2}, kOpenAiFlex},
    {"openai", "priority", "gpt-5.6*", {2, 1}, kOpenAiFast},
    {"openai", "priority", "gpt-5.5-pro*", {0, 1}, {}},
    {"openai", "priority", "gpt-5.5*", {5, 2}, kOpenAiFast},
    {"openai", "priority", "gpt-5.4-mini*", {2, 1}, kOpenAiFast},
    {"openai", "priority", "gpt-5.4-nano*", {0, 1}, {}},
    {"openai", "priority", "gpt-5.4-pro*", {0, 1}, {}},
    {"openai", "priority", "gpt-5.4*", {2, 1}, kOpenAiFast},
    {"openai", "priority", "gpt-5.2-pro*", {0, 1}, {}},
    {"openai", "priority", "gpt-5.2*", {2, 1}, kOpenAiFast},
    {"openai", "priority", "gpt-5.1*", {2, 1}, kOpenAiFast},
    {"openai", "priority", "gpt-5-mini*", {9, 5}, kOpenAiFast},
    {"openai", "priority", "gpt-5", {2, 1}, kOpenAiFast},
    {"openai", "priority", "gpt-5-2025*", {2, 1}, kOpenAiFast},
    {"openai", "priority", "gpt-5-codex*", {2, 1}, kOpenAiFast},
    {"openai", "priority", "gpt-4.1-nano*", {2, 1}, kOpenAiPricing},
    {"openai", "priority", "gpt-4.1*", {7, 4}, kOpenAiFast},
    {"openai", "priority", "gpt-4o-mini", {5, 3}, kOpenAiPricing},
    {"openai", "priority", "gpt-4o-mini-2024*", {5, 3}, kOpenAiPricing},
    {"openai", "priority", "gpt-4o", {17, 10}, kOpenAiPricing},
    {"openai", "priority", "gpt-4o-2024-08*", {17, 10}, kOpenAiPricing},
    {"openai", "priority", "gpt-4o-2024-11*", {17, 10}, kOpenAiPricing},
    {"openai", "priority", "o3", {7, 4}, kOpenAiPricing},
    {"openai", "priority", "o3-2025*", {7, 4}, kOpenAiPricing},
    {"openai", "priority", "o4-mini", {20, 11}, kOpenAiPricing},
    {"openai", "priority", "o4-mini-2025*", {20, 11}, kOpenAiPricing},
    {"anthropic", "batch", "*", {1, 2}, kClaudeBatch},
    {"groq", "on_demand", "*", {1, 1}, kGroqTiers},
};

constexpr std::string_view kResidency = "Claude docs: Pricing, Data residency (Opus 4.6 and later: 1.1 times)";

// Models from before Opus 4.6 are not sold by region.
constexpr FactorRule kRegions[] = {
    {"anthropic", "us", "claude-2*", {0, 1}, {}},           {"anthropic", "us", "claude-3*", {0, 1}, {}},
    {"anthropic", "us", "claude-opus-4-0*", {0, 1}, {}},    {"anthropic", "us", "claude-opus-4-1*", {0, 1}, {}},
    {"anthropic", "us", "claude-opus-4-2025*", {0, 1}, {}}, {"anthropic", "us", "claude-opus-4-5*", {0, 1}, {}},
    {"anthropic", "us", "claude-sonnet-4-0*", {0, 1}, {}},  {"anthropic", "us", "claude-sonnet-4-2025*", {0, 1}, {}},
    {"anthropic", "us", "claude-sonnet-4-5*", {0, 1}, {}},  {"anthropic", "us", "claude-haiku-4-5*", {0, 1}, {}},
    {"anthropic", "us", "claude-*", {11, 10}, kResidency},
};

constexpr std::string_view kClaudeCaching =
    "Claude docs: Prompt caching, Pricing (5 minutes 1.25 times, 1 hour 2 times input)";

// Google sells Claude's caching as Anthropic documents it; the other places say the same of theirs.
constexpr CacheWriteRule kCacheWrites[] = {
    {"anthropic", "*", {5, 4}, {2, 1}, kClaudeCaching},
    {"google", "claude-*", {5, 4}, {2, 1}, "Google Cloud docs: Claude models, Prompt caching (as in Anthropic's docs)"},
    {"openrouter", "*claude-*", {5, 4}, {2, 1}, "OpenRouter docs: Prompt caching, Anthropic Claude"},
};

constexpr PriceRate per_1k(PriceUnit unit, Money price) { return {price, 0, 0, unit}; }

constexpr FeeRule kFees[] = {
    {"anthropic", per_1k(PriceUnit::web_search, kDollar * 10), false, "Claude docs: Pricing, Web search tool"},
    // Billed by container hours beyond a monthly free allowance, of which an answer says nothing.
    {"anthropic", per_1k(PriceUnit::code_execution, 0), true, "Claude docs: Pricing, Code execution tool"},
    {"openai", per_1k(PriceUnit::web_search, kDollar * 10), false, "OpenAI API docs: Pricing, Built-in tools"},
    {"openai", per_1k(PriceUnit::file_search, kDollar * 5 / 2), false, "OpenAI API docs: Pricing, Built-in tools"},
    // 0.03 USD for each container; several calls may share one.
    {"openai", per_1k(PriceUnit::code_execution, kDollar * 30), true, "OpenAI API docs: Pricing, Code interpreter"},
};

/// A factor of 0 says that the value is not sold with these models.
const FactorRule* first_of(std::span<const FactorRule> rules, std::string_view provider, std::string_view value,
                           std::string_view model) {
  for (const FactorRule& r : rules)
    if (r.provider == provider && r.value == value && glob_matches(r.models, model))
      return r.factor.num == 0 ? nullptr : &r;
  return nullptr;
}

}  // namespace

const FactorRule* service_tier_rule(std::string_view provider, std::string_view tier, std::string_view model) {
  // OpenAI calls priority processing Fast mode since 2026-07-30 and takes both words.
  if (provider == "openai" && tier == "fast") tier = "priority";
  return first_of(kServiceTiers, provider, tier, model);
}

const FactorRule* region_rule(std::string_view provider, std::string_view region, std::string_view model) {
  return first_of(kRegions, provider, region, model);
}

const CacheWriteRule* cache_write_rule(std::string_view provider, std::string_view model) {
  for (const CacheWriteRule& r : kCacheWrites)
    if (r.provider == provider && glob_matches(r.models, model)) return &r;
  return nullptr;
}

const FeeRule* fee_rule(std::string_view provider, PriceUnit unit) {
  for (const FeeRule& r : kFees)
    if (r.provider == provider && r.rate.unit == unit) return &r;
  return nullptr;
}

bool is_standard_tier(std::string_view tier) {
  return tier.empty() || tier == "standard" || tier == "default" || tier == "auto";
}

bool is_standard_region(std::string_view region) {
  return region.empty() || region == "global" || region == "not_available";
}

}  // namespace gw::provider
