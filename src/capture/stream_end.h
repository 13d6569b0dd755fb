#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace gw::capture {

/// Whether an event stream has said that it is over. Clients stop reading at that event and close before the transfer's
/// own end arrives: such an exchange is complete. Keeps the last bytes only, so it costs a small copy per push.
class StreamEnd {
 public:
  /// `responses_api`: the stream is one of OpenAI's Responses API, whose last event is too long for the tail and is
  /// looked for by its name.
  void begin(bool responses_api) {
    responses_api_ = responses_api;
    last_event_ = false;
    size_ = 0;
  }
  void push(std::string_view content) {
    if (responses_api_) look_for_last_event(content);
    if (content.size() >= kTail) {
      std::memcpy(tail_, content.data() + content.size() - kTail, kTail);
      size_ = kTail;
      return;
    }
    const std::size_t keep = std::min(size_, kTail - content.size());
    std::memmove(tail_, tail_ + size_ - keep, keep);
    std::memcpy(tail_ + keep, content.data(), content.size());
    size_ = keep + content.size();
  }

  /// OpenAI's `[DONE]`, Anthropic's `message_stop`, the Responses API's completed, incomplete and failed; with the
  /// blank line that ends an event.
  bool seen() const {
    const std::string_view tail(tail_, size_);
    if (!tail.ends_with("\n\n") && !tail.ends_with("\r\n\r\n")) return false;
    if (tail.find("data: [DONE]") != std::string_view::npos || tail.find("data:[DONE]") != std::string_view::npos)
      return true;
    if (tail.find("message_stop") != std::string_view::npos) return true;
    return last_event_;
  }

 private:
  void look_for_last_event(std::string_view content) {
    for (const std::string_view name :
         {"event: response.completed", "event: response.incomplete", "event: response.failed"})
      last_event_ = last_event_ || content.find(name) != std::string_view::npos;
  }

  static constexpr std::size_t kTail = 192;
  char tail_[kTail];
  std::size_t size_ = 0;
  bool responses_api_ = false;
  bool last_event_ = false;
};

}  // namespace gw::capture
