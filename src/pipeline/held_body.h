#pragma once
#include <string>
#include <string_view>

#include "http/chunked.h"
#include "http/parser.h"

namespace gw::pipeline {

/// One exchange's part of WorkerContext::held_bytes.
class HeldShare {
 public:
  explicit HeldShare(std::size_t& all) : all_(all) {}
  HeldShare(const HeldShare&) = delete;
  HeldShare& operator=(const HeldShare&) = delete;
  ~HeldShare() { all_ -= mine_; }
  void add(std::size_t bytes) {
    mine_ += bytes;
    all_ += bytes;
  }

 private:
  std::size_t& all_;
  std::size_t mine_ = 0;
};

/// A request's body that is read whole before anything is done about it. Whoever reads bounds `raw`, which grows: it is
/// what came behind the head, framing included. Both outlive this.
class HeldBody {
 public:
  enum class State : std::uint8_t { more, whole, malformed };

  HeldBody(const http::RequestHead& head, const std::string& raw) : head_(head), raw_(raw) {}

  State look() {
    if (head_.body != http::BodyKind::chunked) return raw_.size() < head_.content_length ? State::more : State::whole;
    const auto step = chunks_.scan(
        std::string_view(raw_).substr(scanned_), false, [this](std::string_view data) { content_.append(data); },
        [](std::string_view) {});
    scanned_ += step.consumed;
    if (step.status == http::ChunkScanner::Status::bad) return State::malformed;
    return step.status == http::ChunkScanner::Status::done ? State::whole : State::more;
  }

  /// What has come of the content.
  std::size_t content_size() const { return head_.body == http::BodyKind::chunked ? content_.size() : raw_.size(); }

  // Of a whole body.
  std::size_t framed_size() const {
    return head_.body == http::BodyKind::chunked ? scanned_ : static_cast<std::size_t>(head_.content_length);
  }
  std::string_view content() const {
    return head_.body == http::BodyKind::chunked ? std::string_view(content_)
                                                 : std::string_view(raw_).substr(0, framed_size());
  }

 private:
  const http::RequestHead& head_;
  const std::string& raw_;
  http::ChunkScanner chunks_;
  std::size_t scanned_ = 0;
  std::string content_;
};

}  // namespace gw::pipeline
