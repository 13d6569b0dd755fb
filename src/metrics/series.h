#pragma once
// Series of one kind: for every set of label values the cells of every thread that counts.
#include <atomic>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "metrics/label_sets.h"

namespace gw::metrics {

/// Owner: whoever outlives the threads. `Cells` are made when a thread counts its first for a set, and then stay.
template <class Cells>
class Series {
 public:
  Series(LabelSets::Options options, std::size_t threads) : sets_(options), shards_(threads) {
    for (auto& shard : shards_) shard.reset(new std::atomic<Cells*>[sets_.capacity()]());
  }
  ~Series() {
    for (auto& shard : shards_)
      for (std::size_t i = 0; i < sets_.capacity(); ++i) delete shard[i].load(std::memory_order_relaxed);
  }
  Series(const Series&) = delete;
  Series& operator=(const Series&) = delete;

  /// For thread number `thread` alone.
  Cells& at(std::size_t thread, std::span<const std::string_view> values) {
    std::atomic<Cells*>& cell = shards_[thread][sets_.index_of(values)];
    Cells* cells = cell.load(std::memory_order_relaxed);
    if (cells == nullptr) {
      cells = new Cells;
      cell.store(cells, std::memory_order_release);
    }
    return *cells;
  }

  /// Calls f(values, cells) for each thread's cells, those of one set together. Any thread.
  template <class F>
  void each(F&& f) const {
    for (std::uint32_t i = 0; i < sets_.capacity(); ++i) {
      const std::vector<std::string>* const values = sets_.values(i);
      if (values == nullptr) continue;
      for (const auto& shard : shards_)
        if (const Cells* cells = shard[i].load(std::memory_order_acquire)) f(*values, *cells);
    }
  }

  std::int64_t overflowed() const { return sets_.overflowed(); }

 private:
  LabelSets sets_;
  std::vector<std::unique_ptr<std::atomic<Cells*>[]>> shards_;
};

}  // namespace gw::metrics
