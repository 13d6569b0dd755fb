#include "store/redis/resp.h"

#include <charconv>

namespace gw::store::redis {
namespace {

constexpr std::string_view kEnd = "\r\n";
constexpr std::int64_t kMaxItems = 65'536;

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t out = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || r.ec != std::errc() || r.ptr != text.data() + text.size()) return std::nullopt;
  return out;
}

}  // namespace

void append_command(std::string& out, const Command& command) {
  out.append("*").append(std::to_string(command.size())).append(kEnd);
  for (const std::string& word : command)
    out.append("$").append(std::to_string(word.size())).append(kEnd).append(word).append(kEnd);
}

std::optional<Reply> RespReader::next() {
  if (bad_) return std::nullopt;
  Reply out;
  std::size_t at = 0;
  const Got got = read(at, out, 0);
  bad_ = got == Got::bad || (got == Got::more && buffer_.size() > kMaxBytes);
  if (got != Got::whole) return std::nullopt;
  buffer_.erase(0, at);
  return out;
}

RespReader::Got RespReader::read(std::size_t& at, Reply& out, int depth) const {
  const std::size_t end = buffer_.find(kEnd, at);
  if (end == std::string::npos) return Got::more;
  const char kind = buffer_[at];
  const std::string_view line = std::string_view(buffer_).substr(at + 1, end - at - 1);
  if (end == at) return Got::bad;
  at = end + kEnd.size();
  if (kind == '+' || kind == '-') {
    out.kind = kind == '+' ? Reply::Kind::text : Reply::Kind::error;
    out.text = line;
    return Got::whole;
  }
  const auto n = number(line);
  if (!n || (kind != ':' && kind != '$' && kind != '*')) return Got::bad;
  if (kind == ':') {
    out.kind = Reply::Kind::integer;
    out.integer = *n;
    return Got::whole;
  }
  return kind == '$' ? read_text(at, *n, out) : read_list(at, *n, out, depth);
}

RespReader::Got RespReader::read_text(std::size_t& at, std::int64_t length, Reply& out) const {
  if (length < -1 || length > static_cast<std::int64_t>(kMaxBytes)) return Got::bad;
  if (length < 0) return Got::whole;
  const auto size = static_cast<std::size_t>(length);
  if (buffer_.size() < at + size + kEnd.size()) return Got::more;
  if (std::string_view(buffer_).substr(at + size, kEnd.size()) != kEnd) return Got::bad;
  out.kind = Reply::Kind::text;
  out.text = buffer_.substr(at, size);
  at += size + kEnd.size();
  return Got::whole;
}

RespReader::Got RespReader::read_list(std::size_t& at, std::int64_t length, Reply& out, int depth) const {
  if (length < -1 || length > kMaxItems || depth >= kMaxDepth) return Got::bad;
  if (length < 0) return Got::whole;
  out.kind = Reply::Kind::list;
  for (std::int64_t i = 0; i < length; ++i)
    if (const Got got = read(at, out.items.emplace_back(), depth + 1); got != Got::whole) return got;
  return Got::whole;
}

}  // namespace gw::store::redis
