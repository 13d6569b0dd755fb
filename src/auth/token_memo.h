#pragma once
// The gateway key that one connection's last request was let in with: clients send the same one with every request, and
// its digest costs more than all else that authorization does.
//
// Owner: the connection, on its worker's thread. Memory: sizeof. It holds the token itself, as the received head beside
// it does; it is wiped when another one comes and at its end. It says only whose token it is: whether that is still in
// force is looked up each time, and a set of keys that was replaced is not answered for (Authorizer::find).
#include <string.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace gw::auth {

class TokenMemo {
 public:
  static constexpr std::size_t kMostBytes = 96;  ///< longer tokens are looked up each time

  TokenMemo() = default;
  ~TokenMemo() { wipe(); }
  TokenMemo(const TokenMemo&) = delete;
  TokenMemo& operator=(const TokenMemo&) = delete;

  /// Whether `token` is the one that remember() was told of for the set of keys with this number. Takes as long for any
  /// token of one length.
  bool knows(std::uint64_t keys, std::string_view token) const {
    return keys_ == keys && size_ == token.size() && differing_bits(token) == 0;
  }
  std::uint32_t entry() const { return entry_; }

  /// `keys` is not 0.
  void remember(std::uint64_t keys, std::string_view token, std::uint32_t entry) {
    wipe();
    if (token.size() > kMostBytes) return;
    std::memcpy(token_.data(), token.data(), token.size());
    size_ = static_cast<std::uint32_t>(token.size());
    entry_ = entry;
    keys_ = keys;
  }

 private:
  /// Of a token of size_ bytes.
  std::uint64_t differing_bits(std::string_view token) const {
    const auto word = [](const char* p) {
      std::uint64_t w;
      std::memcpy(&w, p, sizeof w);
      return w;
    };
    std::uint64_t bits = 0;
    const std::size_t n = token.size();
    const auto differing = [&](std::size_t at) { return word(token.data() + at) ^ word(token_.data() + at); };
    if (n >= 16) {
      for (std::size_t i = 0; i + 16 <= n; i += 16) bits |= differing(i) | differing(i + 8);
      return bits | differing(n - 16) | differing(n - 8);  // overlaps what was seen already
    }
    if (n >= 8) return differing(0) | differing(n - 8);
    for (std::size_t i = 0; i < n; ++i) bits |= static_cast<unsigned char>(token[i] ^ token_[i]);
    return bits;
  }
  void wipe() {
    keys_ = 0;
    size_ = 0;
    ::explicit_bzero(token_.data(), token_.size());
  }

  std::uint64_t keys_ = 0;  ///< 0: nothing is known
  std::uint32_t entry_ = 0, size_ = 0;
  std::array<char, kMostBytes> token_{};
};

}  // namespace gw::auth
