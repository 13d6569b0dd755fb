#pragma once
// What Redis speaks (RESP2), over plain bytes: no socket.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gw::store::redis {

struct Reply {
  enum class Kind : std::uint8_t { nil, integer, text, error, list };
  Kind kind = Kind::nil;
  std::int64_t integer = 0;
  std::string text;  ///< of a text or an error
  std::vector<Reply> items;

  friend bool operator==(const Reply&, const Reply&) = default;
};

using Command = std::vector<std::string>;
void append_command(std::string& out, const Command& command);

/// Replies out of a stream, however it is cut. Bounded: a reply is at most kMaxBytes long and kMaxDepth deep.
class RespReader {
 public:
  static constexpr std::size_t kMaxBytes = 4 * 1024 * 1024;
  static constexpr int kMaxDepth = 4;

  void push(std::string_view bytes) { buffer_.append(bytes); }
  /// The next whole one; nothing: more has to come, or bad().
  std::optional<Reply> next();
  /// This is no RESP2, or more than is taken.
  bool bad() const { return bad_; }

 private:
  enum class Got : std::uint8_t { whole, more, bad };
  Got read(std::size_t& at, Reply& out, int depth) const;
  Got read_text(std::size_t& at, std::int64_t length, Reply& out) const;
  Got read_list(std::size_t& at, std::int64_t length, Reply& out, int depth) const;

  std::string buffer_;
  bool bad_ = false;
};

}  // namespace gw::store::redis
