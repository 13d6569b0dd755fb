#pragma once
// The price table in force, which may be replaced while workers use it.
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "provider/pricing.h"

namespace gw::pipeline {

/// Any thread. Readers look at the epoch first, so that a steady request takes no lock. Never without a table.
class PriceBook {
 public:
  explicit PriceBook(std::shared_ptr<const provider::PriceTable> table) : table_(std::move(table)) {}

  void replace(std::shared_ptr<const provider::PriceTable> table) {
    const std::lock_guard lock(mutex_);
    table_.swap(table);  // the old one goes after the lock, if this was its last holder
    epoch_.fetch_add(1, std::memory_order_release);
  }

  std::shared_ptr<const provider::PriceTable> table() const {
    const std::lock_guard lock(mutex_);
    return table_;
  }
  std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const provider::PriceTable> table_;
  std::atomic<std::uint64_t> epoch_{1};
};

/// One worker's view of a book, with its memo. A price_version that it gave holds until the next call.
class WorkerPrices {
 public:
  provider::Priced price(const PriceBook& book, const provider::PriceQuery& query, const Usage& usage) {
    if (const std::uint64_t now = book.epoch(); now != epoch_) {
      table_ = book.table();
      epoch_ = now;
    }
    return memo_.price(*table_, query, usage);
  }

 private:
  std::shared_ptr<const provider::PriceTable> table_;
  std::uint64_t epoch_ = 0;
  provider::PriceMemo memo_;
};

}  // namespace gw::pipeline
