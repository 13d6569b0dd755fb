#include "provider/usage_estimate.h"

#include <algorithm>

#include "provider/json_cursor.h"
#include "provider/prompt_text.h"
#include "provider/usage_totals.h"

namespace gw::provider {
namespace {

constexpr std::size_t kCountAt = 2048;  // bytes of text that are worth a round of counting

}  // namespace

void UsageEstimator::begin_answer(std::string_view model, bool streaming, bool usage_expected) {
  model_.assign(model);
  encoding_.reset();
  streaming_ = streaming;
  usage_expected_ = usage_expected;
  used_ = true;
}

void UsageEstimator::answer(std::string_view bytes) {
  if (!streaming_) {
    document_.append(bytes.substr(0, kMaxAnswerBytes - document_.size()));
    return;
  }
  while (raw_.size() + bytes.size() > kRawBytes) {
    const std::size_t room = kRawBytes - raw_.size();
    raw_.append(bytes.substr(0, room));
    bytes.remove_prefix(room);
    search_raw();
  }
  raw_.append(bytes);
}

void UsageEstimator::search_raw() {
  if (raw_.empty()) return;
  if (deltas_ == nullptr) deltas_ = std::make_unique<DeltaReader>();
  const auto take = [](void* to, DeltaReader::Channel channel, std::string_view raw, bool escaped) {
    static_cast<UsageEstimator*>(to)->take(channel, raw, escaped);
  };
  deltas_->push(raw_, {take, this});
  raw_.clear();
}

/// Most streams state their usage, and the model is not looked up.
Encoding UsageEstimator::encoding() {
  if (!encoding_) encoding_ = encoding_of_model(model_);
  return *encoding_;
}

TokenCounter& UsageEstimator::counter(DeltaReader::Channel channel) {
  for (TextChannel& c : channels())
    if (c.channel.id == channel.id) return c.counter;
  if (used_channels_ == kMaxChannels) return channels_[channel.id % kMaxChannels].counter;
  const std::size_t hold = usage_expected_ ? kMaxAnswerBytes : kCountAt;
  ++used_channels_;
  if (used_channels_ <= channels_.size()) {
    TextChannel& kept = channels_[used_channels_ - 1];
    kept.channel = channel;
    kept.counter.restart(encoding(), hold, kKeptBytes);
    return kept.counter;
  }
  return channels_.emplace_back(TextChannel{channel, TokenCounter(*tokenizers_, encoding(), hold)}).counter;
}

void UsageEstimator::take(DeltaReader::Channel channel, std::string_view raw, bool escaped) {
  TokenCounter& to = counter(channel);
  if (!escaped || raw.find('\\') == std::string_view::npos) return to.push(raw);
  unescaped_.resize(raw.size());
  const char* const end = unescape_json(raw, unescaped_.data());
  to.push({unescaped_.data(), static_cast<std::size_t>(end - unescaped_.data())});
}

void UsageEstimator::drop() {
  if (!used_) return;
  used_ = false;
  model_.clear();
  encoding_.reset();
  const auto free = [](std::string& s) { s.capacity() > kKeptBytes ? std::string().swap(s) : s.clear(); };
  free(request_);
  free(raw_);
  free(document_);
  free(unescaped_);
  if (deltas_) deltas_->reset();
  constexpr std::size_t kKeptChannels = 2;
  for (TextChannel& c : channels()) c.counter.restart(Encoding::o200k, 0, kKeptBytes);
  if (channels_.size() > kKeptChannels) channels_.erase(channels_.begin() + kKeptChannels, channels_.end());
  used_channels_ = 0;
  request_bytes_ = 0;
  request_scale_ = 1;
  request_at_ = document_at_ = 0;
  input_ = document_tokens_ = 0;
  request_read_ = false;
  reported_ = {};
}

void UsageEstimator::begin_estimate(const Usage& reported) {
  reported_ = reported;
  used_ = true;
  search_raw();
  for (TextChannel& c : channels()) c.counter.end();
}

void UsageEstimator::read_request() {
  request_read_ = true;
  if (!streaming_) document_tokens_ = keep_answer_text(document_);
  if (reported_.input_tokens > 0) {
    request_.clear();
    return;
  }
  if (request_bytes_ > request_.size() && !request_.empty())
    request_scale_ = static_cast<double>(request_bytes_) / static_cast<double>(request_.size());
  input_ = keep_prompt_text(request_);
}

// Texts are counted one by one: a token does not reach over an end. A long one is counted in parts of whole pieces.
std::size_t UsageEstimator::count_kept(std::string& kept, std::size_t& at, std::int64_t& tokens,
                                       std::size_t max_bytes) const {
  std::size_t done = 0;
  while (done < max_bytes && at < kept.size()) {
    const std::size_t end = kept.find(kTextEnd, at);
    std::string_view text(kept.data() + at, std::min(end, kept.size()) - at);
    const RankTable& table = tokenizers_->get(*encoding_);
    while (!text.empty() && done < max_bytes) {
      const std::size_t size = next_piece(*encoding_, text, true);
      tokens += static_cast<std::int64_t>(table.encode_piece(text.substr(0, size)));
      text.remove_prefix(size);
      at += size;
      done += size;
    }
    if (text.empty()) {
      ++at;
      ++done;
    }
  }
  return done;
}

bool UsageEstimator::step(std::size_t max_bytes) {
  encoding();
  if (!request_read_) read_request();
  std::size_t done = count_kept(request_, request_at_, input_, max_bytes);
  if (done < max_bytes) done += count_kept(document_, document_at_, document_tokens_, max_bytes - done);
  for (TextChannel& c : channels()) {
    if (done >= max_bytes) break;
    done += c.counter.step(max_bytes - done);
  }
  return done < max_bytes;
}

Usage UsageEstimator::result() const {
  std::int64_t output = document_tokens_;
  std::int64_t reasoning = 0;
  for (const TextChannel& c : channels()) {
    output += c.counter.tokens();
    if (c.channel.reasoning) reasoning += c.counter.tokens();
  }
  Usage usage = reported_;
  const bool failed = deltas_ != nullptr && deltas_->error_seen();
  if (failed && output == 0) return usage;
  if (usage.input_tokens == 0) {
    usage.input_tokens = static_cast<std::int64_t>(static_cast<double>(input_) * request_scale_);
    usage.estimated = usage.estimated || usage.input_tokens > 0;
  }
  if (usage.output_tokens < output) {
    usage.output_tokens = output;
    usage.reasoning_tokens = std::max(usage.reasoning_tokens, reasoning);
    usage.estimated = true;
  }
  if (usage.estimated) usage.total_tokens = std::min(usage.input_tokens + usage.output_tokens, kMaxTokens);
  return usage;
}

}  // namespace gw::provider
