#pragma once
// What an exchange cost. The rules, with what they protect against, in price_test.cpp; in short:
//
// * Each bucket of the usage has its own price. A part without one costs what the next more general bucket costs (a
//   cached token the uncached price, a reasoning token the output price): never nothing.
// * A tier of prompt size is chosen by the whole prompt and reprices the whole request.
// * A service tier or region multiplies the token prices if the adjustments know it; otherwise the exchange is
// unpriced.
// * One sum in exact integers, rounded once, half up, to nano-dollars; at the top of 64 bits it saturates.
// * A known model with no usage costs 0, `computed`: the source speaks of the price, not of the counts.
#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "model/usage.h"
#include "provider/price_adjustments.h"
#include "provider/price_table.h"

namespace gw::provider {

/// Views only; nothing is kept.
struct PriceQuery {
  std::string_view route = {};           ///< name of the route, for overrides
  std::string_view provider = {};        ///< PriceTable::provider_of(), once per route
  std::string_view model = {};           ///< as requested
  std::string_view response_model = {};  ///< as answered: used when the requested name has no price (Azure deployments)
  std::string_view service_tier = {};    ///< effective_service_tier()
  std::string_view inference_geo = {};   ///< as answered
  std::int64_t at_ns = 0;                ///< start of the exchange, Unix ns
  /// Stands for `route` and `provider`: of two queries to one PriceMemo that have the same number both are the same. 0:
  /// they have to be compared.
  std::uint64_t asker = 0;
};

struct Priced {
  Cost cost;
  std::string_view price_version;  ///< of the table: lives as long as it does
};

/// What was served, when the answer says so, else what was asked.
constexpr std::string_view effective_service_tier(std::string_view asked, std::string_view served) {
  return served.empty() ? asked : served;
}

/// Everything that a query decides before the counts are known. Points into the table.
struct PriceDecision {
  bool priced = false;
  Fraction factor;   ///< on token prices
  PriceCard card{};  ///< with the more general prices filled in
  std::array<bool, kPriceUnits> estimate{};
  std::int64_t min_audio_ms = 0;
  std::int64_t valid_from = 0, valid_to = 0;  ///< Unix seconds, the end excluded
  /// Of a token of plain text, in 1e-12 USD: where such a request has no other price, whatever its size, and both are
  /// whole numbers below 2^31.
  struct PlainPrice {
    std::uint64_t input = 0, output = 0;
    bool known = false;
  } plain{};
};

PriceDecision decide(const PriceTable& table, const PriceQuery& query);
/// What no single exchange costs: a million dollars. A cost above it is none, and the exchange unpriced.
inline constexpr std::int64_t kMostNanoUsd = 1'000'000'000'000'000;

Cost cost_of(const PriceTable& table, const PriceDecision& decision, const Usage& usage) noexcept;

/// decide() and cost_of(): for tools and tests. Allocates.
Priced price(const PriceTable& table, const PriceQuery& query, const Usage& usage);

/// Remembers decisions of one worker: a repeated query allocates nothing, and costs a comparison when one of the two
/// before was the same. Not thread-safe. A query whose texts take over 256 bytes is decided each time.
class PriceMemo {
 public:
  static constexpr std::size_t kEntries = 128;

  PriceMemo();
  Priced price(const PriceTable& table, const PriceQuery& query, const Usage& usage);
  /// What so many tokens of text cost, and nothing else: what price() says of them, sooner.
  std::int64_t nano_usd(const PriceTable& table, const PriceQuery& query, std::int64_t input, std::int64_t output);

 private:
  static constexpr std::size_t kKeyBytes = 256;
  using Key = std::array<std::string_view, 6>;
  static Key key_of(const PriceQuery& q) {
    return {q.response_model, q.model, q.service_tier, q.inference_geo, q.route, q.provider};
  }
  struct Entry {
    std::uint64_t serial = 0;  ///< of the table; 0: empty
    std::uint64_t asker = 0;   ///< PriceQuery::asker, of one that had these texts
    std::array<std::uint16_t, 6> sizes{};
    std::array<char, kKeyBytes> text;  ///< the parts of the key, one behind the other
    PriceDecision decision;

    bool answers(const PriceQuery& asked, std::uint64_t of_serial, std::int64_t second) const;
    /// A short way to see it of a query with an asker that has no text but a model. False: it has to be asked.
    bool answers_for_model(const PriceQuery& asked, std::uint64_t of_serial, std::int64_t second) const;
    void remember(const Key& asked);
  };
  /// Null: the key is too long to keep.
  Entry* place_of(const Key& key);
  const Entry* find(const PriceQuery& query, std::uint64_t serial, std::int64_t second) const;
  const Entry* decide_anew(const PriceTable& table, const PriceQuery& query, std::int64_t second);

  /// Most requests ask what the one before asked: with limits once for what they may spend and once for what they did.
  std::array<const Entry*, 2> last_{};
  const Entry* plain_ = nullptr;  ///< that nano_usd() found last
  std::unique_ptr<std::array<Entry, kEntries>> entries_;
};

}  // namespace gw::provider
