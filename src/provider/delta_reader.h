#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gw::provider {

/// Finds the generated text in a stream of server-sent events: OpenAI's chat, completions and Responses, Anthropic's
/// messages, and what is compatible. How the stream was cut makes no difference.
///
/// Owner: one estimate. Memory: two events of the stream, at most kMaxEventBytes each; a longer event is passed over.
/// An event that equals the last one but for its text, number and padding, as most do, costs a comparison; others are
/// read as JSON.
class DeltaReader {
 public:
  static constexpr std::size_t kMaxEventBytes = 64 << 10;

  /// Which run of text a delta goes on with: the choice or block and what kind of text it is.
  struct Channel {
    std::uint32_t id = 0;
    bool reasoning = false;
  };
  /// `text` is written as in JSON: escapes, of which there may be some if `escaped`, are left to the receiver. Valid
  /// during the call only.
  struct Sink {
    void (*take)(void* to, Channel channel, std::string_view text, bool escaped);
    void* to;
  };

  /// A new stream; the memory is kept.
  void reset();
  void push(std::string_view bytes, Sink sink);
  /// An error event came.
  bool error_seen() const { return error_seen_; }

 private:
  struct Found;
  enum class Hole : std::uint8_t { none, text, string, digits };
  /// A stretch of the last line and what may differ behind it.
  struct Literal {
    std::uint16_t size = 0;
    Hole hole = Hole::none;
  };

  void lines(std::string_view bytes, Sink sink);
  std::size_t like_last(std::string_view bytes, Sink sink) const;
  void line(std::string_view line, Sink sink);
  void remember(std::string_view line, const Found& found);
  void hold(std::string_view part);

  std::string held_;   ///< the beginning of a line that is not ended
  std::string event_;  ///< the last `event:` line, or empty
  std::string like_;   ///< the last line that had one delta, without what is in the holes; empty if there is none
  std::array<Literal, 4> literals_{};  ///< the parts of like_
  Channel like_channel_;
  bool skipping_ = false;  ///< in a line that is too long
  bool error_seen_ = false;
};

}  // namespace gw::provider
