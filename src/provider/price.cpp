#include "provider/price.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>

#include "base/strings.h"

namespace gw::provider {
namespace {

/// Pico-dollars (1e-12 USD) per token, which are also nano-dollars per thousand tokens.
struct Rate {
  std::int64_t input;
  std::int64_t output;
};

struct Row {
  std::string_view model;
  Rate rate;
};

constexpr std::array kOpenAi = {
    Row{"gpt-4o", {5'000'000, 15'000'000}},
    Row{"gpt-4o-mini", {150'000, 600'000}},
};

constexpr std::array kAnthropicModels = {
    Row{"claude-opus-4-1", {15'000'000, 75'000'000}},         Row{"claude-opus-4-6", {5'000'000, 25'000'000}},
    Row{"claude-sonnet-4-20250514", {3'000'000, 15'000'000}}, Row{"claude-haiku-4-5-20251001", {1'000'000, 5'000'000}},
    Row{"claude-3-5-haiku-20241022", {800'000, 4'000'000}},
};

// The first match counts, so the order matters.
constexpr std::array kAnthropicPrefixes = {
    Row{"claude-opus-4-6-", {5'000'000, 25'000'000}},   Row{"claude-opus-4-1-", {15'000'000, 75'000'000}},
    Row{"claude-opus-4-", {15'000'000, 75'000'000}},    Row{"claude-sonnet-4-6-", {3'000'000, 15'000'000}},
    Row{"claude-sonnet-4-", {3'000'000, 15'000'000}},   Row{"claude-haiku-4-6-", {1'000'000, 5'000'000}},
    Row{"claude-haiku-4-5-", {1'000'000, 5'000'000}},   Row{"claude-haiku-4-", {1'000'000, 5'000'000}},
    Row{"claude-3-7-sonnet-", {3'000'000, 15'000'000}}, Row{"claude-3-5-sonnet-", {3'000'000, 15'000'000}},
    Row{"claude-3-5-haiku-", {800'000, 4'000'000}},     Row{"claude-3-opus-", {15'000'000, 75'000'000}},
    Row{"claude-3-sonnet-", {3'000'000, 15'000'000}},   Row{"claude-3-haiku-", {250'000, 1'250'000}},
};

template <class Table>
std::optional<Rate> exact(const Table& table, std::string_view model) {
  for (const Row& row : table)
    if (row.model == model) return row.rate;
  return std::nullopt;
}

std::optional<Rate> anthropic_rate(std::string_view model) {
  model = trim(model);
  std::array<char, 64> lower{};  // longer than every row, and longer names can match a prefix only
  const std::size_t size = std::min(model.size(), lower.size());
  std::transform(model.begin(), model.begin() + static_cast<std::ptrdiff_t>(size), lower.begin(), to_lower);
  const std::string_view name(lower.data(), size);
  if (const auto rate = exact(kAnthropicModels, name)) return rate;
  for (const Row& row : kAnthropicPrefixes)
    if (name.starts_with(row.model)) return row.rate;
  return std::nullopt;
}

std::optional<Rate> rate_of(Provider provider, std::string_view model) {
  switch (provider) {
    case Provider::openai:
      return exact(kOpenAi, model);
    case Provider::anthropic:
      return anthropic_rate(model);
    case Provider::unknown:
      break;
  }
  return std::nullopt;
}

__extension__ using Wide = __int128;

/// Input tokens at the weight of their part, in hundredths of a token: plain input is 100 each.
Wide weighted_input(Provider provider, const Usage& u) {
  if (provider != Provider::anthropic) return Wide{u.input_tokens} * 100;
  const Wide cached = Wide{u.cache_read_tokens} + u.cache_write_5m_tokens + u.cache_write_1h_tokens;
  const Wide plain = std::max<Wide>(0, u.input_tokens - cached);
  return plain * 100 + Wide{u.cache_read_tokens} * 10 + Wide{u.cache_write_5m_tokens} * 125 +
         Wide{u.cache_write_1h_tokens} * 200;
}

}  // namespace

Cost price(Provider provider, std::string_view model, const Usage& usage) noexcept {
  const std::optional<Rate> rate = rate_of(provider, model);
  if (!rate) return {};
  constexpr Wide kHundredthsOfNano = 100 * 1000;
  const Wide sum = weighted_input(provider, usage) * rate->input + Wide{usage.output_tokens} * 100 * rate->output;
  const Wide nano = (sum + kHundredthsOfNano / 2) / kHundredthsOfNano;
  constexpr Wide kMost = std::numeric_limits<std::int64_t>::max();
  const auto cost = static_cast<std::int64_t>(std::clamp<Wide>(nano, 0, kMost));
  return {cost, cost,
          usage.estimated ? CostSource::estimated : CostSource::computed};
}

std::string_view price_version() noexcept { return "builtin-1"; }

}  // namespace gw::provider
