#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace gw::capture {

/// Whether an event stream has said that it is over. Clients stop reading at that event and close before the transfer's
/// own end arrives: such an exchange is complete. The answer does not depend on how the stream is cut into pushes.
/// Keeps the last bytes only, so it costs a small copy per push.
class StreamEnd {
 public:
  /// `responses_api`: the stream is one of OpenAI's Responses API, whose last event is too long for the tail and is
  /// looked for by its name.
  void begin(bool responses_api) {
    responses_api_ = responses_api;
    last_event_ = false;
    whole_ = true;
    size_ = 0;
  }
  /// Content as the client will read it: decoded, where it has a coding.
  void push(std::string_view content) {
    if (responses_api_ && !last_event_) look_for_last_event(content);
    if (content.size() >= kTail) {
      whole_ = whole_ && size_ == 0 && content.size() == kTail;
      std::memcpy(tail_, content.data() + content.size() - kTail, kTail);
      size_ = kTail;
      return;
    }
    const std::size_t keep = std::min(size_, kTail - content.size());
    whole_ = whole_ && keep == size_;
    std::memmove(tail_, tail_ + size_ - keep, keep);
    std::memcpy(tail_ + keep, content.data(), content.size());
    size_ = keep + content.size();
  }

  /// OpenAI's `[DONE]`, Anthropic's `message_stop`, the Responses API's completed, incomplete and failed; with the
  /// blank line that ends an event.
  bool seen() const {
    const std::string_view tail(tail_, size_);
    if (!tail.ends_with("\n\n") && !tail.ends_with("\r\n\r\n")) return false;
    if (last_event_) return true;
    for (const std::string_view line : {"data: [DONE]", "data:[DONE]", "event: message_stop", "event:message_stop",
                                        "data: {\"type\":\"message_stop\"", "data: {\"type\": \"message_stop\""})
      if (begins_a_line(tail, line, whole_)) return true;
    return false;
  }

 private:
  static constexpr std::string_view kName = "event: response.";
  static constexpr std::size_t kLongest = kName.size() + std::string_view("incomplete").size();

  /// A text inside an event's data cannot: its line ends are escaped there.
  static bool begins_a_line(std::string_view in, std::string_view text, bool from_start) {
    for (std::size_t at = in.find(text); at != std::string_view::npos; at = in.find(text, at + 1))
      if (at == 0 ? from_start : in[at - 1] == '\n' || in[at - 1] == '\r') return true;
    return false;
  }

  void look_for_last_event(std::string_view content) {
    // What is cut by the push before: the last bytes of it and the first ones of this.
    char seam[2 * kLongest + 1];
    const std::size_t before = std::min(size_, kLongest + 1), after = std::min(content.size(), kLongest);
    std::memcpy(seam, tail_ + size_ - before, before);
    std::memcpy(seam + before, content.data(), after);
    last_event_ = names_last_event({seam, before + after}, whole_ && before == size_) ||
                  names_last_event(content, whole_ && size_ == 0);
  }

  static bool names_last_event(std::string_view in, bool from_start) {
    const char* const end = in.data() + in.size();
    for (const char* p = in.data(); p < end;) {
      const void* hit = ::memmem(p, static_cast<std::size_t>(end - p), kName.data(), kName.size());
      if (hit == nullptr) return false;
      const char* const at = static_cast<const char*>(hit);
      p = at + kName.size();
      const std::string_view rest(p, static_cast<std::size_t>(end - p));
      const bool line = at == in.data() ? from_start : at[-1] == '\n' || at[-1] == '\r';
      if (line && (rest.starts_with("completed") || rest.starts_with("incomplete") || rest.starts_with("failed")))
        return true;
    }
    return false;
  }

  static constexpr std::size_t kTail = 192;
  char tail_[kTail];
  std::size_t size_ = 0;
  bool whole_ = true;  ///< the tail is all there was
  bool responses_api_ = false;
  bool last_event_ = false;
};

}  // namespace gw::capture
