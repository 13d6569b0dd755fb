#pragma once
// The prices in force, which may be replaced while workers use them.
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "provider/pricing.h"

namespace gw::pipeline {

/// What decides whose prices a route's exchanges have.
struct PricedRoute {
  std::string name, kind, upstream;
};

/// A table and, by route index, the provider in it whose prices apply. Immutable.
struct PriceView {
  std::shared_ptr<const provider::PriceTable> table;
  std::vector<std::string> providers;
};

/// Any thread. Readers look at the epoch first, so that a steady request takes no lock. Never without a table.
class PriceBook {
 public:
  explicit PriceBook(std::shared_ptr<const provider::PriceTable> table, std::vector<PricedRoute> routes = {})
      : routes_(std::move(routes)), view_(view_of(std::move(table))) {}

  void replace(std::shared_ptr<const provider::PriceTable> table) {
    std::shared_ptr<const PriceView> view = view_of(std::move(table));
    const std::lock_guard lock(mutex_);
    view_.swap(view);  // the old one goes after the lock, if this was its last holder
    epoch_.fetch_add(1, std::memory_order_release);
  }

  std::shared_ptr<const PriceView> view() const {
    const std::lock_guard lock(mutex_);
    return view_;
  }
  std::shared_ptr<const provider::PriceTable> table() const { return view()->table; }
  std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }

 private:
  std::shared_ptr<const PriceView> view_of(std::shared_ptr<const provider::PriceTable> table) const {
    auto view = std::make_shared<PriceView>();
    for (const PricedRoute& r : routes_) view->providers.push_back(table->provider_of(r.name, r.kind, r.upstream));
    view->table = std::move(table);
    return view;
  }

  const std::vector<PricedRoute> routes_;
  mutable std::mutex mutex_;
  std::shared_ptr<const PriceView> view_;
  std::atomic<std::uint64_t> epoch_{1};
};

/// One worker's view of a book, with its memo. A price_version that it gave holds until the next call.
class WorkerPrices {
 public:
  /// `query.provider` is filled in by the route's index.
  provider::Priced price(const PriceBook& book, std::size_t route, provider::PriceQuery query, const Usage& usage) {
    complete(query, book, route);
    return memo_.price(*view_->table, query, usage);
  }
  /// Likewise: what so many tokens of text cost.
  std::int64_t nano_usd(const PriceBook& book, std::size_t route, provider::PriceQuery query, std::int64_t input,
                        std::int64_t output) {
    complete(query, book, route);
    return memo_.nano_usd(*view_->table, query, input, output);
  }

 private:
  static constexpr int kRouteBits = 16;  // far more than a configuration has

  void complete(provider::PriceQuery& query, const PriceBook& book, std::size_t route) {
    if (const std::uint64_t now = book.epoch(); now != epoch_) {
      view_ = book.view();
      epoch_ = now;
    }
    query.provider = view_->providers[route];
    query.asker = epoch_ << kRouteBits | (route + 1);
  }

  std::shared_ptr<const PriceView> view_;
  std::uint64_t epoch_ = 0;
  provider::PriceMemo memo_;
};

}  // namespace gw::pipeline
