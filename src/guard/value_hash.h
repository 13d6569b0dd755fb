#pragma once
// SHA-256 of many short values behind the same bytes, which are digested once.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "guard/sha256_pair.h"

namespace gw::guard {

class ValueHash {
 public:
  static constexpr std::size_t kHexSize = 16;

  explicit ValueHash(std::string_view before);
  /// The first eight bytes of the digest of what is before and `value`.
  std::uint64_t of(std::string_view value) const;
  /// The same of two values, which takes hardly longer than of one.
  std::array<std::uint64_t, 2> of(std::string_view a, std::string_view b) const;
  /// Writes them to `out` as kHexSize hex digits.
  static void write_hex(std::uint64_t hash, char* out);

 private:
  static constexpr std::size_t kBlock = std::tuple_size_v<ShaBlock>;
  bool fits(std::string_view value) const;
  ShaBlock last_block(std::string_view value) const;

  std::string before_;
  ShaState state_;    // behind the whole blocks of it
  ShaBlock begun_{};  // the block that a value goes on with
  std::size_t begun_size_ = 0;
};

/// Values that are hashed later, two at a time. One that came lately is not taken again: bodies repeat them.
class ValueList {
 public:
  explicit ValueList(const ValueHash& hash) : hash_(hash) {}

  /// The number that it has in the list.
  std::uint32_t add(std::string_view value);
  /// Hashes all that were added.
  void finish();
  /// Of one that is hashed.
  std::uint64_t hash_of(std::uint32_t number) const { return items_[number].hash; }

 private:
  static constexpr std::size_t kLongest = 64;  ///< of those that wait; others are hashed at once
  static constexpr std::size_t kRecent = 64;
  static constexpr std::uint32_t kHashed = ~std::uint32_t{0};
  struct Item {
    std::uint64_t hash = 0;  ///< or, while it waits, where in bytes_ it stands
    std::uint32_t size = 0;  ///< or kHashed
  };
  struct Recent {
    std::uint64_t head = 0, tail = 0;  ///< its first and last eight bytes, or all of it
    std::uint32_t number = 0;          ///< from 1
  };
  std::string_view value(const Item& item) const { return std::string_view(bytes_).substr(item.hash, item.size); }

  ValueHash hash_;
  std::string bytes_;
  std::vector<Item> items_;
  std::array<Recent, kRecent> recent_{};  ///< by what they begin and end with
};

}  // namespace gw::guard
