#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/body_filter.h"

namespace gw::provider {

/// Takes the usage chunk out of a stream of OpenAI chat completions: an event whose payload has an empty `choices` and
/// an object for `usage`. All other bytes pass as they are: Azure's first chunk (empty `choices`, no usage), and chunks
/// with choices that carry usage besides.
///
/// What passes, joined, does not depend on how the stream was cut. Bytes of an event are held only while it may still
/// be the usage chunk: a delta shows with its first choice (or a `usage` of null) that it is not, and then passes as it
/// comes. Comment lines between events pass at once; one inside the usage chunk goes with it. Keys written with escapes
/// are not found, an event over kMaxEventBytes passes.
///
/// Owner: the exchange. Thread: the worker's. Memory: what is held, at most kMaxEventBytes.
class UsageChunkFilter final : public http::BodyFilter {
 public:
  static constexpr std::size_t kMaxEventBytes = 64 * 1024;

  /// The answer is one to filter. Until then active() is false.
  void begin() { active_ = true; }
  bool active() const override { return active_; }

  /// Appends to `out` what may go on.
  void push(std::string_view bytes, std::string& out) override;
  /// The body has ended, well or not: an event that was not finished passes.
  void finish(std::string& out) override;

  std::uint32_t removed() const { return removed_; }

 private:
  enum class Event : std::uint8_t { between, open, passes };
  enum class Line : std::uint8_t { start, name, space, data, other };

  /// As much of an event's payload as is needed to know it for a usage chunk.
  class Payload {
   public:
    /// False: this is no usage chunk, whatever follows.
    bool take(char c);
    bool is_usage_chunk() const { return state_ == State::done && choices_ && usage_; }

   private:
    enum class State : std::uint8_t {
      start,
      key_or_end,
      next_key,
      key,
      colon,
      value,
      first_choice,
      nested,
      string,
      scalar,
      after,
      done
    };
    bool take_punctuation(char c);
    bool take_value(char c);
    void take_key(char c);
    void take_nested(char c);
    bool is_key(std::string_view name) const { return name == std::string_view(key_, key_size_); }
    bool go(State next) {
      state_ = next;
      return true;
    }

    State state_ = State::start;
    bool escaped_ = false, in_string_ = false, choices_ = false, usage_ = false;
    std::uint8_t key_size_ = 0;
    char key_[8];  ///< one that fills it is too long to be ours
    std::uint32_t depth_ = 0;
  };

  bool take_in_line(char c);
  void end_line();
  void pass(std::string& out);

  bool active_ = false;
  bool after_cr_ = false;  ///< the last line ended with CR: an LF that follows belongs to it
  bool drops_lf_ = false;  ///< and goes the way of the event that the line ended
  Event event_ = Event::between;
  Line line_ = Line::start;
  std::uint8_t name_size_ = 0;  ///< how much of `data` the line has shown
  std::uint32_t event_size_ = 0;
  std::uint32_t removed_ = 0;
  Payload payload_;
  std::string held_;
};

}  // namespace gw::provider
