#include "trace/frame.h"

#include <cstring>

#include "trace/frame_hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace gw::trace {
namespace detail {

std::uint64_t frame_hash_portable(const char* bytes, std::size_t n) { return XXH3_64bits(bytes, n); }

}  // namespace detail
namespace {

constexpr std::size_t kChecksumBytes = 8;

std::uint64_t checksum_of(const char* frame, std::size_t payload) {
  return frame_hash(frame + kChecksumBytes, kFrameHeaderBytes - kChecksumBytes + payload);
}

}  // namespace

void seal_frame(char* frame, std::uint64_t position, std::uint32_t length, std::uint16_t version, std::uint16_t flags) {
  // Field by field: a header that is put together on the stack is read back before the payload's stores are through.
  const auto set = [frame](std::size_t at, auto value) { std::memcpy(frame + at, &value, sizeof value); };
  set(offsetof(FrameHeader, position), position);
  set(offsetof(FrameHeader, length), length);
  set(offsetof(FrameHeader, version), version);
  set(offsetof(FrameHeader, flags), flags);
  set(offsetof(FrameHeader, checksum), checksum_of(frame, (flags & kFrameSkip) != 0 ? 0 : length));
}

bool read_frame(const char* at, std::uint64_t available, Verify verify, Frame& out) {
  if (available < kFrameHeaderBytes) return false;
  FrameHeader h;
  std::memcpy(&h, at, sizeof h);
  const bool skip = (h.flags & kFrameSkip) != 0;
  const std::uint64_t bytes = skip ? h.length : frame_bytes(h.length);
  if (bytes < kFrameHeaderBytes || bytes % kFrameAlign != 0 || bytes > available) return false;
  if (verify == Verify::checksum && checksum_of(at, skip ? 0 : h.length) != h.checksum) return false;
  out = {.payload = at + kFrameHeaderBytes,
         .length = skip ? 0 : h.length,
         .version = h.version,
         .flags = h.flags,
         .position = h.position,
         .bytes = bytes};
  return true;
}

}  // namespace gw::trace
