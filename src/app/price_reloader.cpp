#include "app/price_reloader.h"

#include <algorithm>

#include "config/price_file.h"

namespace gw::app {
namespace {

std::int64_t ns(const timespec& t) { return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec; }

}  // namespace

PriceReloader::PriceReloader(const config::PricingConfig& pricing, pipeline::PriceBook& book)
    : pricing_(pricing), book_(book), seen_(look()) {}

PriceReloader::Stamp PriceReloader::look() const {
  struct stat info{};
  if (pricing_.file.empty() || ::stat(pricing_.file.c_str(), &info) != 0) return {};
  return {true, info.st_dev, info.st_ino, info.st_size, std::max(ns(info.st_mtim), ns(info.st_ctim))};
}

Result<PriceReloader::Outcome> PriceReloader::poll() {
  if (pricing_.file.empty()) return Outcome::unchanged;
  const Stamp now = look();
  if (now == seen_) return Outcome::unchanged;
  seen_ = now;  // taken before reading: a change while reading is seen next time
  auto table = config::load_prices(pricing_);
  if (!table) return tl::make_unexpected(table.error());
  book_.replace(std::move(*table));
  return Outcome::replaced;
}

}  // namespace gw::app
