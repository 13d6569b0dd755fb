#pragma once
// How one record lies in a ring or in a spill file: a 24-byte header, the payload, zero to seven bytes of padding.
// A frame carries its own ring position and a checksum over everything after the checksum, so that a page that a power
// cut left old, or a half-copied file, is recognised. Little-endian, 8-byte aligned.
#include <bit>
#include <cstddef>
#include <cstdint>

namespace gw::trace {

static_assert(std::endian::native == std::endian::little, "ring and spill files are little-endian");

struct FrameHeader {
  std::uint64_t checksum;  ///< XXH3 of the 16 header bytes after it and the payload
  std::uint64_t position;  ///< byte position in the ring that the frame was written to
  std::uint32_t length;    ///< payload bytes; of a skip frame: bytes from this position to the next frame
  std::uint16_t version;   ///< of the payload
  std::uint16_t flags;
};
static_assert(sizeof(FrameHeader) == 24);

inline constexpr std::size_t kFrameHeaderBytes = sizeof(FrameHeader);
inline constexpr std::size_t kFrameAlign = 8;

/// Flags of a frame.
inline constexpr std::uint16_t kFrameSkip = 1;            ///< no record: the writer went on at the start of the ring
inline constexpr std::uint16_t kFrameBodiesDropped = 2;   ///< the record was too large and lost its bodies
inline constexpr std::uint16_t kFrameHeadersDropped = 4;  ///< and its headers (and texts were cut)

constexpr std::uint64_t frame_bytes(std::uint64_t payload) {
  return (kFrameHeaderBytes + payload + kFrameAlign - 1) & ~std::uint64_t{kFrameAlign - 1};
}

/// Fills in the header of a frame whose payload is in place already.
void seal_frame(char* frame, std::uint64_t position, std::uint32_t length, std::uint16_t version, std::uint16_t flags);

struct Frame {
  const char* payload = nullptr;
  std::uint32_t length = 0;
  std::uint16_t version = 0;
  std::uint16_t flags = 0;
  std::uint64_t position = 0;
  std::uint64_t bytes = 0;  ///< to the next frame

  bool skip() const { return (flags & kFrameSkip) != 0; }
};

enum class Verify : std::uint8_t {
  shape,     ///< lengths only: the frame was written by this process
  checksum,  ///< the frame comes from a file
};

/// Reads the frame at `at`, of which `available` bytes may be touched. False when it is cut off or damaged.
bool read_frame(const char* at, std::uint64_t available, Verify verify, Frame& out);

}  // namespace gw::trace
