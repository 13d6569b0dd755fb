#pragma once
// Byte pair encoding over published token ranks: how many tokens, and which, a text has.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "provider/pretokenizer.h"

namespace gw::provider {

namespace embedded {
/// Packed ranks, see tools/tokens/generate.mjs.
std::string_view o200k_ranks();
std::string_view cl100k_ranks();
}  // namespace embedded

/// The tokens of one encoding. Immutable after load(), so any thread may use it. Memory: o200k 4.2 MiB, cl100k 2 MiB.
class RankTable {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  /// Null when `packed` is not what the generator wrote. About 20 ms for o200k.
  static std::unique_ptr<RankTable> load(std::string_view packed);

  std::size_t size() const { return offsets_.size() - 1; }
  std::size_t memory_bytes() const;
  /// `rank` < size().
  std::string_view token(std::uint32_t rank) const {
    return std::string_view(bytes_).substr(offsets_[rank], offsets_[rank + 1] - offsets_[rank]);
  }
  /// kNone for bytes that are no token.
  std::uint32_t rank(std::string_view bytes) const;

  /// Tokens of one piece as next_piece() gives it, at most kMaxPieceBytes + 16. Time grows with n log n; up to 48 KiB
  /// of stack. With `ranks` the tokens are appended to it.
  std::size_t encode_piece(std::string_view piece, std::vector<std::uint32_t>* ranks = nullptr) const;

 private:
  RankTable() = default;
  bool unpack(std::string_view packed);
  bool index();
  std::size_t merge_short(std::string_view piece, std::vector<std::uint32_t>* ranks) const;
  std::size_t merge_long(std::string_view piece, std::vector<std::uint32_t>* ranks) const;

  std::string bytes_;                   ///< all tokens in rank order
  std::vector<std::uint32_t> offsets_;  ///< where each begins; one more for the end
  std::vector<std::uint32_t> slots_;    ///< open addressing: rank, and above it some bits of the hash
  std::array<std::uint32_t, 256> single_{};
  unsigned shift_ = 0;
};

/// Both encodings, each unpacked when it is first asked for: a gateway that never estimates pays nothing.
///
/// Owner: app, one object, which outlives every estimate. Thread: any. Two threads that ask for the first time at once
/// both unpack, one result is kept.
class TokenizerSet {
 public:
  TokenizerSet() = default;
  ~TokenizerSet();
  TokenizerSet(const TokenizerSet&) = delete;
  TokenizerSet& operator=(const TokenizerSet&) = delete;

  const RankTable& get(Encoding encoding) const;
  /// get() will not have to unpack.
  bool ready(Encoding encoding) const { return slot(encoding).load(std::memory_order_acquire) != nullptr; }

 private:
  std::atomic<const RankTable*>& slot(Encoding e) const { return tables_[static_cast<std::size_t>(e)]; }

  mutable std::array<std::atomic<const RankTable*>, 2> tables_{};
};

/// Of a whole text. With `ranks` the tokens are appended to it.
std::size_t encode(Encoding encoding, const RankTable& table, std::string_view text,
                   std::vector<std::uint32_t>* ranks = nullptr);

/// The encoding that a model uses: cl100k for the GPT-3.5 and GPT-4 that came before gpt-4o and for the embeddings,
/// o200k for all others, of which other makers' models are only near to it. A path before the name (`openai/`) and a
/// fine-tune's `ft:` are passed over; case does not matter.
Encoding encoding_of_model(std::string_view model);

}  // namespace gw::provider
