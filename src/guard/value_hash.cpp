// The library's newer interface finds its algorithm anew for each digest, which costs several times what a short one
// does.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "guard/value_hash.h"

#include <openssl/sha.h>

#include <bit>
#include <cstring>

#include "guard/trigger_scan.h"

namespace gw::guard {
namespace {

/// The first and the last eight bytes, or all of it with zeros behind.
Halves ends_of(std::string_view value) {
  if (value.size() < kBlockSize) return load_halves(value.data(), value.size());
  const auto word = [&](std::size_t at) {
    std::uint64_t w = 0;
    std::memcpy(&w, value.data() + at, sizeof w);
    return w;
  };
  return Halves{word(0), word(value.size() - sizeof(std::uint64_t))};
}

}  // namespace

ValueHash::ValueHash(std::string_view before) : before_(before), begun_size_(before.size() % kBlock) {
  SHA256_CTX state;
  ::SHA256_Init(&state);
  const std::size_t whole = before.size() - begun_size_;
  ::SHA256_Update(&state, before.data(), whole);
  static_assert(sizeof state.h == sizeof state_);
  std::memcpy(state_.data(), state.h, sizeof state_);
  before.substr(whole).copy(reinterpret_cast<char*>(begun_.data()), begun_size_);
}

/// Most values are short: the block that they go on with is the last.
bool ValueHash::fits(std::string_view value) const {
  constexpr std::size_t kMarkAndLength = 9;  // a mark and the length in bits
  return begun_size_ + value.size() + kMarkAndLength <= kBlock;
}

ShaBlock ValueHash::last_block(std::string_view value) const {
  ShaBlock block = begun_;
  value.copy(reinterpret_cast<char*>(block.data()) + begun_size_, value.size());
  block[begun_size_ + value.size()] = 0x80;
  const std::uint64_t bits = __builtin_bswap64(std::uint64_t{before_.size() + value.size()} * 8);
  std::memcpy(block.data() + kBlock - sizeof bits, &bits, sizeof bits);
  return block;
}

std::array<std::uint64_t, 2> ValueHash::of(std::string_view a, std::string_view b) const {
  if (fits(a) && fits(b) && has_sha_instructions()) return digest_pair(state_, last_block(a), last_block(b));
  return {of(a), of(b)};
}

std::uint64_t ValueHash::of(std::string_view value) const {
  SHA256_CTX state;
  if (fits(value)) {
    std::memcpy(state.h, state_.data(), sizeof state_);
    ::SHA256_Transform(&state, last_block(value).data());
  } else {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
    ::SHA256_Init(&state);
    ::SHA256_Update(&state, before_.data(), before_.size());
    ::SHA256_Update(&state, value.data(), value.size());
    ::SHA256_Final(digest.data(), &state);
    for (std::size_t i = 0; i < 2; ++i) {
      std::uint32_t word = 0;
      std::memcpy(&word, digest.data() + i * sizeof word, sizeof word);
      state.h[i] = __builtin_bswap32(word);
    }
  }
  return std::uint64_t{state.h[0]} << 32 | state.h[1];
}

void ValueHash::write_hex(std::uint64_t hash, char* out) {
  static_assert(std::endian::native == std::endian::little);
  const auto bytes = (Block)Halves{__builtin_bswap64(hash), 0};
  const Block high = bytes >> byte_of(4), low = bytes & byte_of(15);
  const Block digits = __builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const Block letters = (Block)(digits > byte_of(9)) & byte_of('a' - '0' - 10);
  const Block text = digits + byte_of('0') + letters;
  std::memcpy(out, &text, sizeof text);
}

std::uint32_t ValueList::add(std::string_view value) {
  const auto number = static_cast<std::uint32_t>(items_.size());
  if (value.size() > kLongest) {
    items_.push_back({hash_.of(value), kHashed});
    return number;
  }
  const Halves ends = ends_of(value);
  const std::uint64_t head = ends[0], tail = ends[1];
  const std::uint64_t mixed = (head ^ std::rotl(tail, 25) ^ value.size()) * 0x9E3779B97F4A7C15ULL;
  Recent& recent = recent_[mixed >> (64 - std::countr_zero(kRecent))];
  if (recent.number != 0 && recent.head == head && recent.tail == tail) {
    const Item& known = items_[recent.number - 1];
    if (known.size == value.size() && (value.size() <= kBlockSize || this->value(known) == value))
      return recent.number - 1;
  }
  recent = {head, tail, number + 1};
  items_.push_back({bytes_.size(), static_cast<std::uint32_t>(value.size())});
  bytes_ += value;
  return number;
}

void ValueList::finish() {
  Item* waiting = nullptr;
  for (Item& item : items_) {
    if (item.size == kHashed) continue;
    if (waiting == nullptr) {
      waiting = &item;
      continue;
    }
    const auto [first, second] = hash_.of(value(*waiting), value(item));
    *waiting = {first, kHashed};
    item = {second, kHashed};
    waiting = nullptr;
  }
  if (waiting != nullptr) *waiting = {hash_.of(value(*waiting)), kHashed};
}

}  // namespace gw::guard
