#include "app/reprice.h"

#include <map>

#include "app/stores.h"
#include "app/wiring.h"
#include "config/effective.h"
#include "config/price_file.h"
#include "provider/pricing.h"
#include "store/postgres/reprice.h"
#include "store/sqlite/reprice.h"

namespace gw::app {
namespace {

/// What the present table says about stored traces. A provider that is configured no longer is known by its name alone.
class StoredPrices {
 public:
  StoredPrices(const config::Config& config, std::shared_ptr<const provider::PriceTable> table)
      : table_(std::move(table)) {
    for (const config::ProviderConfig* p : config::all_providers(config))
      price_providers_[p->name] = table_->provider_of(p->name, p->kind, p->upstream);
  }

  store::Repriced price(const store::StoredUsage& stored) {
    const provider::Priced priced =
        memo_.price(*table_,
                    {.route = stored.provider,
                     .provider = price_provider(stored.provider),
                     .model = stored.model,
                     .response_model = stored.response_model,
                     .service_tier = provider::effective_service_tier(stored.service_tier_asked, stored.service_tier),
                     .inference_geo = stored.inference_geo,
                     .at_ns = stored.timestamp_ns},
                    stored.usage);
    return {.cost = priced.cost, .price_version = std::string(priced.price_version)};
  }

 private:
  std::string_view price_provider(const std::string& route) {
    const auto [at, unknown] = price_providers_.try_emplace(route);
    if (unknown) at->second = table_->provider_of(route, "", "");
    return at->second;
  }

  std::shared_ptr<const provider::PriceTable> table_;
  std::map<std::string, std::string, std::less<>> price_providers_;
  provider::PriceMemo memo_;
};

}  // namespace

Result<store::RepriceReport> reprice(const config::Config& config, const store::RepriceRange& range, bool dry_run) {
  if (auto servable = check_servable(config); !servable) return tl::make_unexpected(servable.error());
  auto table = config::load_prices(config.pricing);
  if (!table) return tl::make_unexpected(table.error());
  StoredPrices prices(config, std::move(*table));
  const store::Repricer price = [&](const store::StoredUsage& stored) { return prices.price(stored); };
  auto report = is_postgres(config) ? store::reprice_postgres(changing_options(config), range, price, dry_run)
                                    : store::reprice_sqlite(sqlite_options(config.storage.path), range, price, dry_run);
  if (!report) return fail("failed to reprice: " + report.error().message);
  return report;
}

}  // namespace gw::app
