#include "provider/pricing.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <string>

#include "base/strings.h"

namespace gw::provider {
namespace {

constexpr std::size_t at(PriceUnit u) { return static_cast<std::size_t>(u); }

constexpr PriceRate kFree{};

/// Where a part without a price of its own gets it from: the first of these that has one, in the table's own order of
/// meaning (what is cached, then what kind it is, then plain).
void fill_general_prices(PriceCard& card) {
  using U = PriceUnit;
  const auto from = [&card](U unit, std::initializer_list<U> others) {
    for (const U other : others)
      if (card[at(unit)] == nullptr) card[at(unit)] = card[at(other)];
  };
  from(U::cache_read_audio, {U::cache_read, U::input_audio, U::input});
  from(U::cache_read_image, {U::cache_read, U::input_image, U::input});
  from(U::cache_read, {U::input});
  from(U::cache_write_1h, {U::cache_write, U::input});
  from(U::cache_write, {U::input});
  from(U::input_audio, {U::input});
  from(U::input_image, {U::input});
  from(U::reasoning, {U::output});
  from(U::output_audio, {U::output});
  from(U::output_image, {U::output});
}

bool multiply(Fraction& a, Fraction b) {
  const unsigned num = unsigned{a.num} * b.num, den = unsigned{a.den} * b.den;
  const unsigned common = std::gcd(num, den);
  if (num / common > 255 || den / common > 255) return false;
  a = {static_cast<std::uint16_t>(num / common), static_cast<std::uint16_t>(den / common)};
  return true;
}

/// True: `name` has a price; `tiered` says that it is one of the asked service tier already.
bool find_model(const PriceTable& table, const PriceQuery& q, std::string_view name, std::string_view tier,
                PriceMatch& match, bool& tiered) {
  tiered = !tier.empty();
  if (tiered && table.find_override(q.route, q.provider, name, tier, q.at_ns, match)) return true;
  tiered = false;
  return table.find_override(q.route, q.provider, name, {}, q.at_ns, match) ||
         table.find(q.provider, name, q.at_ns, match);
}

constexpr Money price_for(const PriceTable& table, const PriceRate& rate, std::int64_t prompt) {
  Money price = rate.base;
  if (rate.tiers != 0)
    for (const PriceTier& t : table.tiers(rate))
      if (prompt > t.start) price = t.price;
  return price;
}

/// Adds up the parts of one exchange.
class Sum {
 public:
  Sum(const PriceTable& table, const PriceDecision& decision, std::int64_t prompt)
      : table_(table), decision_(decision), prompt_(prompt) {}

  /// Tokens are sold per million, pieces per thousand, so in 1e-24 USD a piece weighs a thousand times more.
  void tokens(PriceUnit unit, std::int64_t count) { add(tokens_, unit, count, 1); }
  void pieces(PriceUnit unit, std::int64_t count) { add(pieces_, unit, count, 1000); }
  /// In 1e-18 USD times milliseconds per hour.
  void audio(std::int64_t ms) { add(audio_, PriceUnit::audio_hour, ms, 1); }

  /// Tokens that went through a cache, and the price that they would have had without.
  void cached_tokens(PriceUnit unit, PriceUnit plain, std::int64_t count) {
    if (count <= 0) return;
    const Money before = tokens_;
    tokens(unit, count);
    cached_ = add_or_most(cached_, tokens_ - before);
    if (const PriceRate* rate = decision_.card[at(plain)])
      plain_ =
          add_or_most(plain_, multiply_or_most(price_for(table_, *rate, prompt_), static_cast<std::uint64_t>(count)));
  }

  std::int64_t cache_saved_nano_usd() const {
    if ((cached_ | plain_) == 0) return 0;
    const bool less = cached_ > plain_;
    const std::int64_t nano = rounded(less ? cached_ - plain_ : plain_ - cached_, 0, 0);
    return less ? -nano : nano;
  }

  bool complete() const { return complete_; }
  bool estimated() const { return estimated_; }

  std::int64_t nano_usd() const { return rounded(tokens_, pieces_, audio_); }

 private:
  std::int64_t rounded(Money tokens, Money pieces, Money audio) const {
    // 1e-24 USD are 1e-15 nano-dollars; an hour has 3,600,000 ms, so audio is 5/18 of that unit. The bound leaves room
    // for 18 and the factor in 128 bits, and lies above what fits into the result.
    constexpr Money kPerNano = 1'000'000'000'000'000;
    constexpr Money kBound = Money{1} << 113;
    constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
    if (tokens >= kBound || pieces >= kBound || audio >= kBound) return kMost;
    const Fraction f = decision_.factor;
    Money sum = tokens * f.num, per_nano = kPerNano * f.den;
    sum = add_or_most(sum, pieces * f.den);
    if (audio != 0) {
      if (sum >= kBound << 8) return kMost;
      sum = add_or_most(sum * 18, audio * 5 * f.den);
      per_nano *= 18;
    }
    const Money whole = sum / per_nano;
    const Money nano = whole + (sum - whole * per_nano >= per_nano / 2 ? 1 : 0);
    return nano > static_cast<Money>(kMost) ? kMost : static_cast<std::int64_t>(nano);
  }

  void add(Money& sum, PriceUnit unit, std::int64_t count, std::uint64_t weight) {
    if (count <= 0) return;
    const PriceRate* rate = decision_.card[at(unit)];
    if (rate == nullptr) {
      complete_ = false;
      return;
    }
    if (decision_.estimate[at(unit)]) estimated_ = true;
    const Money price = price_for(table_, *rate, prompt_) * weight;
    sum = add_or_most(sum, multiply_or_most(price, static_cast<std::uint64_t>(count)));
  }

  const PriceTable& table_;
  const PriceDecision& decision_;
  std::int64_t prompt_;
  Money tokens_ = 0, pieces_ = 0, audio_ = 0;
  Money cached_ = 0, plain_ = 0;  ///< of the tokens that went through a cache
  bool complete_ = true, estimated_ = false;
};

void add_usage(Sum& sum, const PriceDecision& d, const Usage& u) {
  using U = PriceUnit;
  sum.tokens(U::input, u.uncached_text_tokens());
  sum.cached_tokens(U::cache_read, U::input, u.cache_read_tokens);
  sum.cached_tokens(U::cache_read_audio, U::input_audio, u.cache_read_audio_tokens);
  sum.cached_tokens(U::cache_read_image, U::input_image, u.cache_read_image_tokens);
  sum.cached_tokens(U::cache_write, U::input, u.cache_write_5m_tokens);
  sum.cached_tokens(U::cache_write_1h, U::input, u.cache_write_1h_tokens);
  sum.tokens(U::input_audio, u.input_audio_tokens);
  sum.tokens(U::input_image, u.input_image_tokens);
  sum.tokens(U::output, u.text_output_tokens());
  sum.tokens(U::reasoning, u.reasoning_tokens);
  sum.tokens(U::output_audio, u.output_audio_tokens);
  sum.tokens(U::output_image, u.output_image_tokens);
  sum.pieces(U::web_search, u.web_searches);
  sum.pieces(U::file_search, u.file_searches);
  sum.pieces(U::code_execution, u.code_executions);
  if ((u.seen || u.estimated) && d.card[at(U::request)] != nullptr) sum.pieces(U::request, 1);
  // A model that is sold by tokens is not sold by the hour as well.
  if (d.card[at(U::audio_hour)] != nullptr || d.card[at(U::input)] == nullptr)
    sum.audio(u.audio_ms > 0 ? std::max(u.audio_ms, d.min_audio_ms) : 0);
}

constexpr Money kPlainUnit = 1'000'000'000'000;  // a price is of a million tokens and in 1e-18 USD
constexpr std::uint64_t kMostPlain = (std::uint64_t{1} << 31) - 1;

PriceDecision::PlainPrice plain_price(const PriceDecision& d) {
  if (d.factor.num != d.factor.den || d.card[at(PriceUnit::request)] != nullptr) return {};
  const auto whole = [&](PriceUnit unit, std::uint64_t& out) {
    const PriceRate* const rate = d.card[at(unit)];
    if (rate == nullptr || rate->tiers != 0 || d.estimate[at(unit)]) return false;
    if (rate->base % kPlainUnit != 0 || rate->base / kPlainUnit > kMostPlain) return false;
    out = static_cast<std::uint64_t>(rate->base / kPlainUnit);
    return true;
  };
  PriceDecision::PlainPrice out;
  out.known = whole(PriceUnit::input, out.input) && whole(PriceUnit::output, out.output);
  return out;
}

/// Text in and text out and nothing else, as mostly, and not very much of it.
bool is_plain(const Usage& u) {
  return (u.cache_read_tokens | u.cache_read_audio_tokens | u.cache_read_image_tokens | u.cache_write_5m_tokens |
          u.cache_write_1h_tokens | u.input_audio_tokens | u.input_image_tokens | u.reasoning_tokens |
          u.output_audio_tokens | u.output_image_tokens | u.web_searches | u.file_searches | u.code_executions |
          u.audio_ms) == 0 &&
         static_cast<std::uint64_t>(u.input_tokens | u.output_tokens) <= kMostPlain;
}

/// What Sum gives for it: 1e-12 USD are a thousandth of a nano-dollar.
std::int64_t plain_nano_usd(const PriceDecision::PlainPrice& price, std::int64_t input, std::int64_t output) {
  return static_cast<std::int64_t>(
      (static_cast<std::uint64_t>(input) * price.input + static_cast<std::uint64_t>(output) * price.output + 500) /
      1000);
}

}  // namespace

PriceDecision decide(const PriceTable& table, const PriceQuery& q) {
  PriceDecision out;
  const std::string tier = lowercase(trim(q.service_tier)), region = lowercase(trim(q.inference_geo));
  const bool standard = is_standard_tier(tier);
  PriceMatch match;
  bool tiered = false;
  std::string name = lowercase(trim(q.model));
  const std::string_view asked = standard ? std::string_view() : tier;
  bool found = find_model(table, q, name, asked, match, tiered);
  if (!found) {
    name = lowercase(trim(q.response_model));
    found = find_model(table, q, name, asked, match, tiered);
  }
  out.valid_from = match.valid_from;
  out.valid_to = match.valid_to;
  if (!found || match.uncounted) return out;
  if (!standard && !tiered) {
    const FactorRule* rule = service_tier_rule(q.provider, tier, name);
    if (rule == nullptr || !multiply(out.factor, rule->factor)) return out;
  }
  if (!is_standard_region(region)) {
    const FactorRule* rule = region_rule(q.provider, region, name);
    if (rule == nullptr || !multiply(out.factor, rule->factor)) return out;
  }
  out.priced = true;
  out.card = match.card;
  if (match.free) out.card[at(PriceUnit::input)] = out.card[at(PriceUnit::output)] = &kFree;
  out.min_audio_ms = match.min_audio_ms;
  fill_general_prices(out.card);
  for (const PriceUnit unit : {PriceUnit::web_search, PriceUnit::file_search, PriceUnit::code_execution}) {
    if (out.card[at(unit)] != nullptr) continue;
    if (const FeeRule* fee = fee_rule(q.provider, unit)) {
      out.card[at(unit)] = &fee->rate;
      out.estimate[at(unit)] = fee->estimate;
    }
  }
  out.plain = plain_price(out);
  return out;
}

namespace {

[[gnu::noinline]] void set_computed(Cost& cost, const PriceTable& table, const PriceDecision& decision,
                                    const Usage& usage) {
  Sum sum(table, decision, usage.input_tokens);
  add_usage(sum, decision, usage);
  // Counts that nobody can have used would drown all real costs in every sum.
  const std::int64_t nano = sum.nano_usd();
  if (!sum.complete() || nano > kMostNanoUsd) return;
  cost.computed_nano_usd = nano;
  cost.cache_saved_nano_usd = sum.cache_saved_nano_usd();
  cost.source = usage.estimated || usage.anomalous || sum.estimated() ? CostSource::estimated : CostSource::computed;
}

}  // namespace

Cost cost_of(const PriceTable& table, const PriceDecision& decision, const Usage& usage) noexcept {
  Cost cost;
  if (decision.plain.known && is_plain(usage)) {
    if (const std::int64_t nano = plain_nano_usd(decision.plain, usage.input_tokens, usage.output_tokens);
        nano <= kMostNanoUsd) {
      cost.computed_nano_usd = nano;
      cost.source = usage.estimated || usage.anomalous ? CostSource::estimated : CostSource::computed;
    }
  } else if (decision.priced) {
    set_computed(cost, table, decision, usage);
  }
  cost.nano_usd = cost.computed_nano_usd;
  if (usage.provider_cost_nano_usd >= 0 && usage.provider_cost_nano_usd <= kMostNanoUsd) {
    cost.nano_usd = usage.provider_cost_nano_usd;
    cost.source = CostSource::provider;
  }
  return cost;
}

Priced price(const PriceTable& table, const PriceQuery& query, const Usage& usage) {
  return {cost_of(table, decide(table, query), usage), table.price_version()};
}

PriceMemo::PriceMemo() : entries_(std::make_unique<std::array<Entry, kEntries>>()) {}

bool PriceMemo::Entry::answers(const PriceQuery& q, std::uint64_t of_serial, std::int64_t second) const {
  if (serial != of_serial || second < decision.valid_from || second >= decision.valid_to) return false;
  const char* at = text.data();
  const std::uint16_t* size = sizes.data();
  const auto next_is = [&](std::string_view part) __attribute__((always_inline)) {
    if (*size != part.size() || (!part.empty() && !same_bytes(at, part.data(), part.size()))) return false;
    at += *size++;
    return true;
  };
  // As key_of() has them: what differs first between what is asked about a request and about its answer.
  if (!next_is(q.response_model) || !next_is(q.model) || !next_is(q.service_tier) || !next_is(q.inference_geo))
    return false;
  return (q.asker != 0 && q.asker == asker) || (next_is(q.route) && next_is(q.provider));
}

inline bool PriceMemo::Entry::answers_for_model(const PriceQuery& q, std::uint64_t of_serial,
                                                std::int64_t second) const {
  // The sizes of what key_of() has before route and provider: no response_model, a model, and neither tier nor region.
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t known;
  std::memcpy(&known, sizes.data(), sizeof known);
  if (known != q.model.size() << 16 || (q.response_model.size() | q.service_tier.size() | q.inference_geo.size()) != 0)
    return false;
  if (q.asker == 0 || asker != q.asker || serial != of_serial) return false;
  if (second < decision.valid_from || second >= decision.valid_to) return false;
  return same_bytes(text.data(), q.model.data(), q.model.size());
}

void PriceMemo::Entry::remember(const Key& asked) {
  char* at = text.data();
  for (std::size_t i = 0; i < asked.size(); ++i) {
    sizes[i] = static_cast<std::uint16_t>(asked[i].size());
    at = std::copy(asked[i].begin(), asked[i].end(), at);
  }
}

PriceMemo::Entry* PriceMemo::place_of(const Key& key) {
  std::size_t size = 0, hash = 0;
  for (const std::string_view part : key) {
    size += part.size();
    hash = hash * 31 + std::hash<std::string_view>{}(part);
  }
  return size <= kKeyBytes ? &(*entries_)[hash % kEntries] : nullptr;
}

const PriceMemo::Entry* PriceMemo::find(const PriceQuery& q, std::uint64_t serial, std::int64_t second) const {
  for (const Entry* const known : last_)
    if (known != nullptr && known->answers(q, serial, second)) return known;
  return nullptr;
}

/// Null as place_of().
const PriceMemo::Entry* PriceMemo::decide_anew(const PriceTable& table, const PriceQuery& q, std::int64_t second) {
  const Key key = key_of(q);
  Entry* const e = place_of(key);
  if (e == nullptr) return nullptr;
  if (!e->answers(q, table.serial(), second)) {
    e->serial = 0;  // deciding may throw
    e->remember(key);
    e->decision = decide(table, q);
    e->serial = table.serial();
  }
  e->asker = q.asker;
  last_ = {e, last_[0]};
  return e;
}

Priced PriceMemo::price(const PriceTable& table, const PriceQuery& q, const Usage& usage) {
  const std::int64_t second = q.at_ns / 1'000'000'000;
  const Entry* known = find(q, table.serial(), second);
  if (known == nullptr) known = decide_anew(table, q, second);
  if (known == nullptr) return provider::price(table, q, usage);
  return {cost_of(table, known->decision, usage), table.price_version()};
}

std::int64_t PriceMemo::nano_usd(const PriceTable& table, const PriceQuery& q, std::int64_t input,
                                 std::int64_t output) {
  if (static_cast<std::uint64_t>(input | output) <= kMostPlain && plain_ != nullptr && plain_->decision.plain.known &&
      plain_->answers_for_model(q, table.serial(), q.at_ns / 1'000'000'000)) [[likely]] {
    const std::int64_t nano = plain_nano_usd(plain_->decision.plain, input, output);
    return nano <= kMostNanoUsd ? nano : 0;
  }
  Usage usage;
  usage.input_tokens = input;
  usage.output_tokens = output;
  usage.total_tokens = input + output;
  usage.seen = true;
  const std::int64_t nano = price(table, q, usage).cost.nano_usd;
  for (const Entry* const known : last_)
    if (known != nullptr && known->answers_for_model(q, table.serial(), q.at_ns / 1'000'000'000)) plain_ = known;
  return nano;
}

}  // namespace gw::provider
