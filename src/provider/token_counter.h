#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "provider/bpe.h"

namespace gw::provider {

/// Counts the tokens of a text that comes in parts; how it was cut makes no difference.
///
/// Owner: one estimate. Memory: the text that is not counted yet. push() counts nothing before `hold` bytes have
/// gathered, then all but the last piece, so a caller that drops the object first has paid for a copy only.
class TokenCounter {
 public:
  TokenCounter(const TokenizerSet& tokenizers, Encoding encoding, std::size_t hold)
      : tokenizers_(&tokenizers), encoding_(encoding), hold_(hold), next_at_(hold) {}

  /// A new text; the memory is kept, up to `keep` bytes of it.
  void restart(Encoding encoding, std::size_t hold, std::size_t keep) {
    if (pending_.capacity() > keep) std::string().swap(pending_);
    pending_.clear();
    encoding_ = encoding;
    hold_ = next_at_ = hold;
    head_ = 0;
    tokens_ = 0;
    last_ = false;
  }
  void push(std::string_view text) {
    pending_.append(text);
    if (pending_.size() >= next_at_) gather();
  }
  /// The text has ended; then step() until it gives 0.
  void end() { last_ = true; }
  /// Counts about `max_bytes`, at most a piece more, and gives the bytes it counted; 0 when nothing is left that can
  /// be.
  std::size_t step(std::size_t max_bytes);

  std::int64_t tokens() const { return tokens_; }
  std::size_t pending_bytes() const { return pending_.size() - head_; }

 private:
  void gather();

  const TokenizerSet* tokenizers_;
  Encoding encoding_;
  bool last_ = false;
  std::size_t hold_;
  std::size_t next_at_;   ///< size of pending_ at which counting pays
  std::size_t head_ = 0;  ///< of pending_, counted
  std::string pending_;
  std::int64_t tokens_ = 0;
};

}  // namespace gw::provider
