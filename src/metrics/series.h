#pragma once
// Series of one kind: for every set of label values the cells of every thread that counts.
#include <array>
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
    for (Shard& shard : shards_) shard.cells.reset(new std::atomic<Cells*>[sets_.capacity()]());
  }
  ~Series() {
    for (Shard& shard : shards_)
      for (std::size_t i = 0; i < sets_.capacity(); ++i) delete shard.cells[i].load(std::memory_order_relaxed);
  }
  Series(const Series&) = delete;
  Series& operator=(const Series&) = delete;

  /// For thread number `thread` alone.
  Cells& at(std::size_t thread, std::span<const std::string_view> values) {
    Recent& recent = shards_[thread].recent[slot_of(values)];
    if (recent.cells != nullptr && sets_.is(recent.index, values)) return *recent.cells;
    recent.index = sets_.index_of(values);
    std::atomic<Cells*>& cell = shards_[thread].cells[recent.index];
    recent.cells = cell.load(std::memory_order_relaxed);
    if (recent.cells == nullptr) {
      recent.cells = new Cells;
      cell.store(recent.cells, std::memory_order_release);
    }
    return *recent.cells;
  }

  /// Calls f(values, cells) for each thread's cells, those of one set together. Any thread.
  template <class F>
  void each(F&& f) const {
    for (std::uint32_t i = 0; i < sets_.capacity(); ++i) {
      const std::vector<std::string>* const values = sets_.values(i);
      if (values == nullptr) continue;
      for (const Shard& shard : shards_)
        if (const Cells* cells = shard.cells[i].load(std::memory_order_acquire)) f(*values, *cells);
    }
  }

  std::int64_t overflowed() const { return sets_.overflowed(); }

 private:
  /// A thread counts for the same few sets again and again.
  struct Recent {
    std::uint32_t index = 0;
    Cells* cells = nullptr;
  };
  static constexpr std::size_t kRecent = 16;
  struct Shard {
    std::unique_ptr<std::atomic<Cells*>[]> cells;
    std::array<Recent, kRecent> recent{};
  };

  static std::size_t slot_of(std::span<const std::string_view> values) {
    std::size_t h = 0;
    for (const std::string_view v : values)
      h = h * 7 + v.size() + (v.empty() ? 0U : static_cast<unsigned char>(v.back()));
    return h % kRecent;
  }

  LabelSets sets_;
  std::vector<Shard> shards_;
};

}  // namespace gw::metrics
