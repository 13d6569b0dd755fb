#include "app/price_reloader.h"

#include "config/price_file.h"

namespace gw::app {

PriceReloader::PriceReloader(const config::PricingConfig& pricing, pipeline::PriceBook& book)
    : pricing_(pricing), book_(book), seen_(FileStamp::of(pricing.file)) {}

Result<PriceReloader::Outcome> PriceReloader::poll() {
  if (pricing_.file.empty()) return Outcome::unchanged;
  const FileStamp now = FileStamp::of(pricing_.file);
  if (now == seen_) return Outcome::unchanged;
  seen_ = now;
  auto table = config::load_prices(pricing_);
  if (!table) return tl::make_unexpected(table.error());
  book_.replace(std::move(*table));
  return Outcome::replaced;
}

}  // namespace gw::app
