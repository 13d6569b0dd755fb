#include "app/reprice.h"

#include "app/wiring.h"
#include "provider/price.h"
#include "store/sqlite/reprice.h"

namespace gw::app {

store::Repriced price_stored(const store::StoredUsage& stored) {
  return {.cost = provider::price(provider::provider_from_name(stored.provider), stored.model, stored.usage),
          .price_version = std::string(provider::price_version())};
}

Result<store::RepriceReport> reprice(const config::Config& config, const store::RepriceRange& range, bool dry_run) {
  if (auto servable = check_servable(config); !servable) return tl::make_unexpected(servable.error());
  constexpr int kBusyTimeoutMs = 30'000;  // nobody waits for an answer; a gateway under load comes first
  store::SqliteOptions o;
  o.path = config.storage.path;
  o.busy_timeout_ms = kBusyTimeoutMs;
  auto report = store::reprice_sqlite(o, range, price_stored, dry_run);
  if (!report) return fail("failed to reprice: " + report.error().message);
  return report;
}

}  // namespace gw::app
