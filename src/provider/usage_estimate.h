#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/usage.h"
#include "provider/content_decoder.h"
#include "provider/delta_reader.h"
#include "provider/token_counter.h"

namespace gw::provider {

/// Token counts for an exchange whose provider reports none, or whose stream was cut short: what went by, counted by
/// the model's tokenizer. See encoding_of_model() and prompt_text.h for what is exact and what is near.
///
/// Owner: the exchange's pipeline, one object per connection, reused; the TokenizerSet outlives it. Thread: the
/// worker's. Memory: about 200 bytes while nothing is collected; then the request, the last events and the text of the
/// answer, each bounded, given back by drop() but for kKeptBytes of each. Work: collecting copies; each kRawBytes of a
/// stream are searched for their text at once, so that a stream which reports its usage before that costs the copy
/// only. Tokens are counted by step(), or with the search when no usage is expected.
///
///   collect_request()…  begin_answer()  answer()…  then either drop(), or begin_estimate(), step()… and result().
class UsageEstimator {
 public:
  static constexpr std::size_t kMaxRequestBytes = 64 << 10;  ///< kept; what is beyond counts in proportion
  static constexpr std::size_t kMaxAnswerBytes = 64 << 10;   ///< of text not counted yet, or of a JSON document
  static constexpr std::size_t kRawBytes = 64 << 10;         ///< of a stream, not searched yet
  static constexpr std::size_t kKeptBytes = 8 << 10;         ///< of each buffer that is kept for the next exchange
  static constexpr std::size_t kMaxChannels = 16;            ///< texts that run side by side; more share them

  explicit UsageEstimator(const TokenizerSet& tokenizers, std::size_t max_request_bytes = kMaxRequestBytes)
      : tokenizers_(&tokenizers), max_request_bytes_(max_request_bytes) {}

  /// A part of the request's body, undecoded. To be called only while an estimate may become necessary.
  void collect_request(std::string_view bytes) { collect_request(bytes, bytes.size()); }
  /// The same of a part of which only the beginning is at hand: `size` with what is missing.
  void collect_request(std::string_view beginning, std::size_t size) {
    used_ = true;
    const std::size_t room = max_request_bytes_ - request_.size();
    request_.append(beginning.substr(0, room));
    request_bytes_ += size;
  }

  /// A response's head has come. `usage_expected`: the provider will most likely report; nothing is counted before
  /// begin_estimate() then (or until kMaxAnswerBytes of text have gathered).
  void begin_answer(std::string_view model, bool streaming, bool usage_expected);
  /// A part of the answer, decoded; for UsageReader::tee().
  void answer(std::string_view bytes);
  ContentDecoder::Sink sink() {
    return {[](void* to, std::string_view bytes) { static_cast<UsageEstimator*>(to)->answer(bytes); }, this};
  }

  /// Forgets the exchange and gives its memory back.
  void drop();

  /// The answer has ended and `reported`, which may be nothing, is all that came. Answers with an error status are not
  /// to be estimated.
  void begin_estimate(const Usage& reported);
  /// Counts about `max_bytes` of what is left, 4 KiB more at most (and unpacks the tokenizer at its first use); true
  /// when there is nothing left. The first call also looks through the request once.
  bool step(std::size_t max_bytes);
  /// After step() gave true. What was reported stays: only an input that is missing and an output that is missing or
  /// smaller than what was seen are replaced, and then `estimated` is set. After an error event without any output
  /// nothing is billed.
  Usage result() const;

 private:
  struct TextChannel {
    DeltaReader::Channel channel;
    TokenCounter counter;
  };

  std::span<TextChannel> channels() { return {channels_.data(), used_channels_}; }
  std::span<const TextChannel> channels() const { return {channels_.data(), used_channels_}; }
  Encoding encoding();
  TokenCounter& counter(DeltaReader::Channel channel);
  void take(DeltaReader::Channel channel, std::string_view raw, bool escaped);
  void search_raw();
  void read_request();
  std::size_t count_kept(std::string& kept, std::size_t& at, std::int64_t& tokens, std::size_t max_bytes) const;

  const TokenizerSet* tokenizers_;
  std::size_t max_request_bytes_;
  std::string model_;
  std::optional<Encoding> encoding_;  ///< the model's, once it was asked for
  bool streaming_ = false;
  bool usage_expected_ = true;
  bool request_read_ = false;
  bool used_ = false;  ///< since the last drop()

  std::string request_;
  std::uint64_t request_bytes_ = 0;
  double request_scale_ = 1;
  std::size_t request_at_ = 0;
  std::int64_t input_ = 0;

  std::string raw_;  ///< of a stream, not searched yet
  std::unique_ptr<DeltaReader> deltas_;
  std::vector<TextChannel> channels_;  ///< some kept from earlier exchanges
  std::size_t used_channels_ = 0;      ///< the first of them
  std::string document_;               ///< an answer that is no stream
  std::size_t document_at_ = 0;
  std::int64_t document_tokens_ = 0;
  std::string unescaped_;
  Usage reported_;
};

}  // namespace gw::provider
