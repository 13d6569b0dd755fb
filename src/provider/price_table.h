#pragma once
// The prices of all models of all providers: immutable, shared by any number of threads, about 0.4 MB. Made from a text
// in our own format (docs/configuration.md describes it; src/provider/prices/genai_prices.json is the built-in one)
// and the overrides of the configuration.
#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/glob.h"
#include "base/result.h"
#include "provider/price_money.h"
#include "provider/price_override.h"

namespace gw::provider {

/// What has a price of its own. Tokens are priced per million, pieces per thousand, audio per hour.
enum class PriceUnit : std::uint8_t {
  input,
  cache_read,
  cache_read_audio,
  cache_read_image,
  cache_write,
  cache_write_1h,
  input_audio,
  input_image,
  output,
  reasoning,
  output_audio,
  output_image,
  web_search,
  file_search,
  code_execution,
  request,
  audio_hour,
};
inline constexpr std::size_t kPriceUnits = 17;

/// Replaces the price of a tier for requests whose whole prompt, cached parts included, is longer than `start` tokens.
struct PriceTier {
  std::int64_t start = 0;
  Money price = 0;
};

struct PriceRate {
  Money base = 0;
  std::uint32_t first_tier = 0;  ///< in PriceTable::tiers(), by rising start
  std::uint16_t tiers = 0;
  PriceUnit unit = PriceUnit::input;
};

/// A model's prices at one moment: null where it has none of its own.
using PriceCard = std::array<const PriceRate*, kPriceUnits>;

struct PriceMatch {
  PriceCard card{};
  std::int64_t min_audio_ms = 0;  ///< a shorter audio is billed as this long
  bool uncounted = false;         ///< sold only by what is not counted (pages, messages)
  bool free = false;              ///< the table says that it costs nothing
  /// Unix seconds between which the same question has the same answer; narrowed, never widened, by each call.
  std::int64_t valid_from = std::numeric_limits<std::int64_t>::min();
  std::int64_t valid_to = std::numeric_limits<std::int64_t>::max();

  void change_at(std::int64_t boundary, std::int64_t now) {
    (boundary <= now ? valid_from : valid_to) =
        boundary <= now ? std::max(valid_from, boundary) : std::min(valid_to, boundary);
  }
};

class PriceTable {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{16} << 20;

  /// Errors name the place in the text (`providers[3].models[2].prices.input_mtok`) or the key of the override
  /// (`pricing.overrides[0].input`) and the reason. With `from_file` price_version() carries a hash of the text.
  static Result<std::shared_ptr<const PriceTable>> parse(std::string_view json,
                                                         std::span<const PriceOverride> overrides = {},
                                                         bool from_file = false);
  /// The table that is built in, with these overrides.
  static Result<std::shared_ptr<const PriceTable>> built_in(std::span<const PriceOverride> overrides = {});

  /// The overrides alone, against no table: what validation of the configuration needs.
  static Result<void> check(std::span<const PriceOverride> overrides);

  /// Whose prices apply to a route: the provider that the upstream URL belongs to, else the one that the route's name
  /// means, else that of its kind. Empty when there is none. Compiles expressions: once per route, not per request.
  std::string provider_of(std::string_view route_name, std::string_view kind, std::string_view upstream_url) const;

  /// `name` is lowercase and trimmed. False: no price is known. Linear in the provider's models.
  bool find(std::string_view provider, std::string_view name, std::int64_t at_ns, PriceMatch& out) const;
  /// The override that applies, if one does.
  bool find_override(std::string_view route, std::string_view provider, std::string_view name,
                     std::string_view service_tier, std::int64_t at_ns, PriceMatch& out) const;

  std::span<const PriceTier> tiers(const PriceRate& rate) const {
    return std::span(tiers_).subspan(rate.first_tier, rate.tiers);
  }
  /// Package and version, version of our own adjustments, hashes of a file and of overrides.
  std::string_view price_version() const { return version_; }
  /// Never the same for two tables of a process.
  std::uint64_t serial() const { return serial_; }
  bool has_provider(std::string_view id) const { return provider(id) != nullptr; }
  std::size_t provider_count() const { return providers_.size(); }
  std::size_t model_count() const { return models_.size(); }

 private:
  friend class PriceTableParser;
  friend class PriceOverrideReader;

  enum class Op : std::uint8_t { equals, starts_with, ends_with, contains, digits, digits_start, any, all, none };
  struct Text {
    std::uint32_t at = 0;
    std::uint32_t size = 0;
  };
  /// In preorder: the children of a group follow it, `end` is the first node after the whole.
  struct Rule {
    Op op = Op::any;
    Text text;
    std::uint32_t end = 0;
  };
  struct Card {
    std::uint32_t first_rate = 0;
    std::uint16_t rates = 0;
    bool uncounted = false;
  };
  struct Period {
    enum class Kind : std::uint8_t { always, from_date, time_of_day } kind = Kind::always;
    std::int64_t from = 0;  ///< Unix seconds or seconds of the day, UTC
    std::int64_t to = 0;
    Card card;
  };
  struct Model {
    Text id;
    std::uint32_t rule = 0;
    std::uint32_t first_period = 0;
    std::uint16_t periods = 0;
    std::int64_t min_audio_ms = 0;
  };
  struct ProviderEntry {
    Text id;
    std::string api_pattern;
    std::int64_t names = -1;  ///< rule for names of the provider, or none
    std::uint32_t first_model = 0;
    std::uint32_t models = 0;
    std::vector<std::string> fallback;
  };
  struct Override {
    std::string provider, pattern, service_tier;
    std::int64_t from = 0;  ///< Unix seconds
    Card card;
    std::size_t place = 0;  ///< in the list
  };

  PriceTable();
  std::string_view view(Text t) const { return std::string_view(pool_).substr(t.at, t.size); }
  bool matches(std::uint32_t rule, std::string_view name) const;
  const Period& period_of(const Model& model, std::int64_t at_s) const;
  const ProviderEntry* provider(std::string_view id) const;
  const Model* find_model(const ProviderEntry& provider, std::string_view name, bool fall_back) const;
  void fill(const Card& card, PriceMatch& out) const;
  void narrow(const Model& model, std::int64_t at_s, PriceMatch& out) const;

  std::string pool_;
  std::vector<Rule> rules_;
  std::vector<PriceTier> tiers_;
  std::vector<PriceRate> rates_;
  std::vector<Period> periods_;
  std::vector<Model> models_;
  std::vector<ProviderEntry> providers_;
  std::vector<Override> overrides_;
  std::string version_;
  std::uint64_t serial_;
};

/// YYYY-MM-DD as Unix seconds at midnight UTC.
Result<std::int64_t> parse_price_date(std::string_view text);

}  // namespace gw::provider
