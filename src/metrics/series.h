#pragma once
// Series of one kind: for every set of label values the cells of every thread that counts.
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/copy_bytes.h"
#include "base/strings.h"
#include "metrics/label_sets.h"

namespace gw::metrics {

/// What a thread counts for, as it has it at hand: what label values are made of, or these themselves.
struct SeriesKey {
  std::span<const std::string_view> texts;  ///< as many for all sets of a series, kMostLabels at most
  std::uint64_t number = 0;
};

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

  /// The cells of a key that the thread has lately asked at() for; null when it has to do so. For thread number
  /// `thread` alone, as is at().
  Cells* recent(std::size_t thread, const SeriesKey& key) {
    const Recent& recent = shards_[thread].recent[slot_of(key)];
    return recent.is(key) ? recent.cells : nullptr;
  }

  /// `values`: what the key means, and always the same.
  Cells& at(std::size_t thread, const SeriesKey& key, std::span<const std::string_view> values) {
    const std::uint32_t index = sets_.index_of(values);
    std::atomic<Cells*>& cell = shards_[thread].cells[index];
    Cells* cells = cell.load(std::memory_order_relaxed);
    if (cells == nullptr) {
      cells = new Cells;
      cell.store(cells, std::memory_order_release);
    }
    // What is counted as `other` is asked for each time, as that is counted too.
    if (sets_.is(index, values)) shards_[thread].recent[slot_of(key)].keep(key, *cells);
    return *cells;
  }
  Cells& at(std::size_t thread, std::span<const std::string_view> values) {
    const SeriesKey key{.texts = values};
    Cells* const known = recent(thread, key);
    return known != nullptr ? *known : at(thread, key, values);
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
    Cells* cells = nullptr;
    std::uint64_t number = 0;
    std::array<std::uint8_t, kMostLabels> sizes{};
    std::array<char, 200> texts{};  ///< one behind the other; longer ones are not kept

    bool is(const SeriesKey& key) const {
      if (cells == nullptr || number != key.number) return false;
      const char* there = texts.data();
      const std::uint8_t* size = sizes.data();
      for (const std::string_view text : key.texts) {
        if (*size++ != text.size() || !same_bytes(there, text.data(), text.size())) return false;
        there += text.size();
      }
      return true;
    }
    void keep(const SeriesKey& key, Cells& of) {
      std::size_t all = 0;
      for (const std::string_view text : key.texts) all += text.size();
      if (all > texts.size() || key.texts.size() > sizes.size()) return;
      cells = &of;
      number = key.number;
      char* to = texts.data();
      for (std::size_t i = 0; i < key.texts.size(); ++i) {
        const std::string_view text = key.texts[i];
        sizes[i] = static_cast<std::uint8_t>(text.size());
        copy_bytes(to, text.data(), text.size());
        to += text.size();
      }
    }
  };
  static constexpr std::size_t kRecent = 16;
  struct Shard {
    std::unique_ptr<std::atomic<Cells*>[]> cells;
    std::array<Recent, kRecent> recent{};
  };

  static std::size_t slot_of(const SeriesKey& key) {
    std::size_t h = key.number;
    for (const std::string_view v : key.texts)
      h = h * 7 + v.size() + (v.empty() ? 0U : static_cast<unsigned char>(v.back()));
    return h % kRecent;
  }

  LabelSets sets_;
  std::vector<Shard> shards_;
};

}  // namespace gw::metrics
