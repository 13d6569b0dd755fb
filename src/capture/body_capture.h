#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace gw::capture {

/// The first `limit` bytes of one body, when capture is on. Memory is held only while there is something captured.
class BodyCapture {
 public:
  void begin(bool on, std::size_t limit) {
    text_.clear();
    limit_ = on ? limit : 0;
    truncated_ = false;
    on_ = on;
  }
  void push(std::string_view content) {
    if (!on_) return;
    const std::size_t room = limit_ - text_.size();
    truncated_ = truncated_ || content.size() > room;
    text_.append(content.substr(0, room));
  }
  bool on() const { return on_; }
  bool truncated() const { return truncated_; }
  std::string_view text() const { return text_; }

 private:
  std::string text_;
  std::size_t limit_ = 0;
  bool on_ = false;
  bool truncated_ = false;
};

}  // namespace gw::capture
