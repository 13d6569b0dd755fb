#include "provider/bpe.h"

#include <brotli/decode.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/strings.h"

namespace gw::provider {
namespace {

constexpr std::size_t kMaxUnpacked = 4 << 20;
constexpr std::size_t kMaxTokenBytes = 128;
constexpr unsigned kRankBits = 18;
constexpr std::uint32_t kRankMask = (1U << kRankBits) - 1;
constexpr std::uint32_t kEmpty = 0xFFFFFFFF;  // its rank, 2^18 - 1, is none
constexpr std::size_t kShort = 48;            // bytes up to which looking at all pairs beats a tree
constexpr std::size_t kLongest = 4096;
static_assert(kMaxPieceBytes + 16 <= kLongest);

std::uint64_t load8(const char* p) {
  std::uint64_t v = 0;
  std::memcpy(&v, p, 8);
  return v;
}

std::uint64_t load4(const char* p) {
  std::uint32_t v = 0;
  std::memcpy(&v, p, 4);
  return v;
}

std::uint64_t mix(std::uint64_t h) {
  h *= 0x9E3779B97F4A7C15ULL;
  return h ^ (h >> 32);
}

std::uint64_t hash(std::string_view s) {
  const char* const p = s.data();
  const std::size_t n = s.size();
  if (n > 8) {
    std::uint64_t h = n;
    for (std::size_t i = 0; i + 8 < n; i += 8) h = mix(h ^ load8(p + i));
    return mix(mix(h ^ load8(p + n - 8)));
  }
  if (n >= 4) return mix(mix(load4(p) | load4(p + n - 4) << 32) ^ n);
  const auto byte = [&](std::size_t i) { return static_cast<std::uint64_t>(static_cast<unsigned char>(p[i])); };
  return mix(byte(0) | byte(n / 2) << 8 | byte(n - 1) << 16 | n << 24);
}

}  // namespace

std::unique_ptr<RankTable> RankTable::load(std::string_view packed) {
  std::unique_ptr<RankTable> table(new RankTable);
  if (!table->unpack(packed) || !table->index()) return nullptr;
  return table;
}

bool RankTable::unpack(std::string_view packed) {
  const std::unique_ptr<char[]> plain(new char[kMaxUnpacked]);
  std::size_t size = kMaxUnpacked;
  if (BrotliDecoderDecompress(packed.size(), reinterpret_cast<const std::uint8_t*>(packed.data()), &size,
                              reinterpret_cast<std::uint8_t*>(plain.get())) != BROTLI_DECODER_RESULT_SUCCESS)
    return false;
  // The lengths come first, one byte each: they end where they and what they announce are everything.
  std::size_t count = 0;
  std::size_t total = 0;
  while (count < size && count + total < size) {
    const auto length = static_cast<unsigned char>(plain[count++]);
    if (length == 0 || length > kMaxTokenBytes) return false;
    total += length;
  }
  if (count + total != size || count == 0 || count >= kRankMask) return false;
  offsets_.reserve(count + 1);
  std::uint32_t at = 0;
  for (std::size_t i = 0; i < count; ++i) {
    offsets_.push_back(at);
    at += static_cast<unsigned char>(plain[i]);
  }
  offsets_.push_back(at);
  bytes_.assign(plain.get() + count, total);
  return true;
}

bool RankTable::index() {
  const std::size_t slots = std::bit_ceil(size() * 2);
  shift_ = 64 - static_cast<unsigned>(std::countr_zero(slots));
  slots_.assign(slots, kEmpty);
  single_.fill(kNone);
  for (std::uint32_t r = 0; r < size(); ++r) {
    const std::string_view t = token(r);
    if (t.size() == 1) single_[static_cast<unsigned char>(t[0])] = r;
    const std::uint64_t h = hash(t);
    std::size_t at = h >> shift_;
    while (slots_[at] != kEmpty) at = (at + 1) & (slots - 1);
    slots_[at] = r | static_cast<std::uint32_t>(h) << kRankBits;
  }
  // Every text has tokens only if every byte is one.
  return std::find(single_.begin(), single_.end(), kNone) == single_.end();
}

std::size_t RankTable::memory_bytes() const {
  return sizeof *this + bytes_.capacity() + (offsets_.capacity() + slots_.capacity()) * sizeof(std::uint32_t);
}

std::uint32_t RankTable::rank(std::string_view bytes) const {
  if (bytes.size() <= 1) return bytes.empty() ? kNone : single_[static_cast<unsigned char>(bytes[0])];
  if (bytes.size() > kMaxTokenBytes) return kNone;
  const std::uint64_t h = hash(bytes);
  const std::uint32_t tag = static_cast<std::uint32_t>(h) << kRankBits;
  for (std::size_t at = h >> shift_;; at = (at + 1) & (slots_.size() - 1)) {
    const std::uint32_t slot = slots_[at];
    if (slot == kEmpty) return kNone;
    if ((slot & ~kRankMask) == tag && token(slot & kRankMask) == bytes) return slot & kRankMask;
  }
}

std::size_t RankTable::encode_piece(std::string_view piece, std::vector<std::uint32_t>* ranks) const {
  if (const std::uint32_t whole = rank(piece); whole != kNone) {
    if (ranks != nullptr) ranks->push_back(whole);
    return 1;
  }
  return piece.size() <= kShort ? merge_short(piece, ranks) : merge_long(piece.substr(0, kLongest), ranks);
}

// The pair of neighbours that is the lowest rank, the first such, becomes one; until no pair is a token.
std::size_t RankTable::merge_short(std::string_view piece, std::vector<std::uint32_t>* ranks) const {
  struct Part {
    std::uint32_t begin;
    std::uint32_t pair;  // rank of this and the next together
  };
  std::array<Part, kShort + 1> parts;
  std::size_t count = piece.size();
  for (std::size_t i = 0; i <= count; ++i)
    parts[i] = {static_cast<std::uint32_t>(i), i + 1 < count ? rank(piece.substr(i, 2)) : kNone};
  const auto pair_at = [&](std::size_t i) {
    return i + 2 <= count ? rank(piece.substr(parts[i].begin, parts[i + 2].begin - parts[i].begin)) : kNone;
  };
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i)
      if (parts[i].pair < parts[best].pair) best = i;
    if (parts[best].pair == kNone) break;
    std::copy(parts.begin() + static_cast<std::ptrdiff_t>(best) + 2,
              parts.begin() + static_cast<std::ptrdiff_t>(count) + 1,
              parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    --count;
    parts[best].pair = pair_at(best);
    if (best > 0) parts[best - 1].pair = pair_at(best - 1);
  }
  if (ranks != nullptr)
    for (std::size_t i = 0; i < count; ++i)
      ranks->push_back(rank(piece.substr(parts[i].begin, parts[i + 1].begin - parts[i].begin)));
  return count;
}

// The same with a tree of minima over the places where a part begins, and the parts in a list.
std::size_t RankTable::merge_long(std::string_view piece, std::vector<std::uint32_t>* ranks) const {
  const std::size_t n = piece.size();
  const std::size_t leaves = std::bit_ceil(n);
  std::array<std::uint32_t, 2 * kLongest> tree;
  std::array<std::uint16_t, kLongest + 1> next;
  std::array<std::uint16_t, kLongest + 1> previous;
  const auto pair_at = [&](std::size_t i) { return next[i] < n ? rank(piece.substr(i, next[next[i]] - i)) : kNone; };
  const auto set = [&](std::size_t i, std::uint32_t value) {
    std::size_t at = leaves + i;
    tree[at] = value;
    while (at > 1) {
      at /= 2;
      const std::uint32_t least = std::min(tree[2 * at], tree[2 * at + 1]);
      if (tree[at] == least) break;
      tree[at] = least;
    }
  };
  for (std::size_t i = 0; i <= n; ++i) {
    next[i] = static_cast<std::uint16_t>(std::min(i + 1, n));
    previous[i] = static_cast<std::uint16_t>(i == 0 ? 0 : i - 1);
  }
  for (std::size_t i = 0; i < leaves; ++i) tree[leaves + i] = i < n ? pair_at(i) : kNone;
  for (std::size_t at = leaves - 1; at > 0; --at) tree[at] = std::min(tree[2 * at], tree[2 * at + 1]);

  std::size_t count = n;
  while (tree[1] != kNone) {
    std::size_t at = 1;
    while (at < leaves) at = tree[2 * at] == tree[1] ? 2 * at : 2 * at + 1;
    const std::size_t left = at - leaves;
    const std::size_t right = next[left];
    next[left] = next[right];
    previous[next[right]] = static_cast<std::uint16_t>(left);
    set(right, kNone);
    set(left, pair_at(left));
    if (left > 0) set(previous[left], pair_at(previous[left]));
    --count;
  }
  if (ranks != nullptr)
    for (std::size_t i = 0; i < n; i = next[i]) ranks->push_back(rank(piece.substr(i, next[i] - i)));
  return count;
}

TokenizerSet::~TokenizerSet() {
  for (auto& table : tables_) delete table.load(std::memory_order_acquire);
}

const RankTable& TokenizerSet::get(Encoding encoding) const {
  std::atomic<const RankTable*>& kept = slot(encoding);
  if (const RankTable* table = kept.load(std::memory_order_acquire)) return *table;
  std::unique_ptr<RankTable> mine =
      RankTable::load(encoding == Encoding::o200k ? embedded::o200k_ranks() : embedded::cl100k_ranks());
  if (mine == nullptr) std::abort();  // what the build put in is broken
  const RankTable* expected = nullptr;
  if (kept.compare_exchange_strong(expected, mine.get(), std::memory_order_acq_rel)) return *mine.release();
  return *expected;
}

std::size_t encode(Encoding encoding, const RankTable& table, std::string_view text,
                   std::vector<std::uint32_t>* ranks) {
  std::size_t count = 0;
  while (!text.empty()) {
    const std::size_t size = next_piece(encoding, text, true);
    count += table.encode_piece(text.substr(0, size), ranks);
    text.remove_prefix(size);
  }
  return count;
}

Encoding encoding_of_model(std::string_view model) {
  if (const std::size_t slash = model.rfind('/'); slash != std::string_view::npos) model.remove_prefix(slash + 1);
  const auto begins = [&](std::string_view with) {
    return model.size() >= with.size() && iequals(model.substr(0, with.size()), with);
  };
  if (begins("ft:")) model.remove_prefix(3);
  for (const std::string_view newer : {"gpt-4o", "gpt-4.1", "gpt-4.5"})
    if (begins(newer)) return Encoding::o200k;
  for (const std::string_view older : {"gpt-4", "gpt-3.5", "gpt-35", "text-embedding-3", "text-embedding-ada-002"})
    if (begins(older)) return Encoding::cl100k;
  return Encoding::o200k;
}

}  // namespace gw::provider
