#include "http/websocket.h"

#include <algorithm>
#include <cstring>

namespace gw::http {
namespace {

constexpr unsigned char kFinal = 0x80, kCompressed = 0x40, kReserved = 0x30, kOpcode = 0x0f;
constexpr unsigned char kMasked = 0x80, kLength = 0x7f;
constexpr unsigned char kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPong = 10;
constexpr unsigned char kLength16 = 126, kLength64 = 127;
constexpr std::uint64_t kMaxControlPayload = 125;

std::uint64_t big_endian(const unsigned char* p, std::size_t n) {
  std::uint64_t v = 0;
  for (std::size_t i = 0; i < n; ++i) v = v << 8 | p[i];
  return v;
}

}  // namespace

std::size_t WebsocketScanner::header_size() const {
  if (header_read_ < 2) return 2;
  const unsigned char length = header_[1] & kLength;
  const std::size_t extended = length == kLength16 ? 2 : length == kLength64 ? 8 : 0;
  return 2 + extended + ((header_[1] & kMasked) != 0 ? mask_.size() : 0);
}

bool WebsocketScanner::take_header(std::string_view& in) {
  while (header_read_ < header_size()) {
    const std::size_t n = std::min(header_size() - header_read_, in.size());
    if (n == 0) return false;
    std::memcpy(header_.data() + header_read_, in.data(), n);
    header_read_ = static_cast<std::uint8_t>(header_read_ + n);
    in.remove_prefix(n);
  }
  read_header();
  header_read_ = 0;
  return !bad_;
}

void WebsocketScanner::read_header() {
  const unsigned char first = header_[0], opcode = first & kOpcode, length = header_[1] & kLength;
  const bool masked = (header_[1] & kMasked) != 0, compressed = (first & kCompressed) != 0;
  final_ = (first & kFinal) != 0;
  control_ = opcode >= kClose;
  opens_ = opcode == kText || opcode == kBinary;
  std::size_t at = 2;
  left_ = length;
  if (length == kLength16) left_ = big_endian(&header_[2], 2), at = 4;
  if (length == kLength64) left_ = big_endian(&header_[2], 8), at = 10;
  std::copy_n(header_.begin() + static_cast<std::ptrdiff_t>(at), masked ? mask_.size() : 0, mask_.begin());
  mask_at_ = 0;

  const bool known = opens_ || opcode == kContinuation || (opcode >= kClose && opcode <= kPong);
  const bool in_order = control_ || opens_ != message_open_;
  const bool compressible = deflate_ && opens_;
  const bool short_enough = control_ ? final_ && left_ <= kMaxControlPayload : left_ >> 63 == 0;
  const bool shortest = (length != kLength16 || left_ >= kLength16) && (length != kLength64 || left_ > 0xffff);
  bad_ = !known || (first & kReserved) != 0 || (compressed && !compressible) || masked != (from_ == From::client) ||
         !in_order || !short_enough || !shortest;
  if (bad_) return;
  closed_ = closed_ || opcode == kClose;
  if (!opens_) return;
  message_open_ = true;
  text_ = opcode == kText;
  compressed_ = compressed;
}

std::string_view WebsocketScanner::take_piece(std::string_view& in, char* piece) {
  const std::string_view taken = in.substr(0, from_ == From::client ? kPiece : in.size());
  in.remove_prefix(taken.size());
  if (from_ == From::server) return taken;
  for (std::size_t i = 0; i < taken.size(); ++i)
    piece[i] = static_cast<char>(static_cast<unsigned char>(taken[i]) ^ mask_[(mask_at_ + i) % mask_.size()]);
  mask_at_ = static_cast<std::uint8_t>((mask_at_ + taken.size()) % mask_.size());
  return {piece, taken.size()};
}

}  // namespace gw::http
