#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace gw::provider {

/// Undoes Content-Encoding on a copy of a body, piece by piece.
///
/// Owner: one UsageReader. Thread: its worker's. Memory: none until open(); then by coding, until close(): gzip and
/// deflate 40 KiB, br up to 16 MiB and zstd up to 8 MiB of window, taken only as the body fills it. Decoded text passes
/// through a 16 KiB stack buffer per layer. Work is bounded by what comes out: kMaxDecodedBytes in all, and beyond
/// kFreeBytes no more than kMaxRatio for each byte received, so that a read of 64 KiB gives 14.4 MiB at most. Over a
/// bound, or on bytes that do not decode, push() fails and the decoder is of no further use.
class ContentDecoder {
 public:
  static constexpr std::uint64_t kMaxDecodedBytes = 64 << 20;  ///< of one body, in every layer
  static constexpr std::uint64_t kFreeBytes = 8 << 20;         ///< decoded bytes before the ratio counts
  static constexpr std::uint64_t kMaxRatio = 100;              ///< decoded bytes per byte received; text stays under 50
  static constexpr std::size_t kMaxLayers = 3;

  /// Where decoded bytes go; they are valid during the call only.
  struct Sink {
    void (*take)(void* to, std::string_view bytes);
    void* to;
  };

  class Layer;

  ContentDecoder();
  ~ContentDecoder();
  ContentDecoder(ContentDecoder&&) noexcept;
  ContentDecoder& operator=(ContentDecoder&&) noexcept;

  /// Prepares for a value of Content-Encoding: gzip, x-gzip, deflate (with or without zlib's wrapper), br, zstd,
  /// identity, and lists of them. False for any other coding and for more than kMaxLayers; then nothing is open.
  bool open(std::string_view content_encoding);
  /// Something is to be decoded; false for identity and after close().
  bool active() const { return !layers_.empty(); }
  void close();

  /// False when it gave up. Bytes after the end of the encoded data are ignored.
  bool push(std::string_view bytes, Sink sink);

 private:
  bool push_layer(std::size_t index, std::string_view bytes, Sink sink);

  std::vector<std::unique_ptr<Layer>> layers_;  ///< in the order of decoding
  std::uint64_t received_ = 0;                  ///< bytes that the first layer consumed
};

}  // namespace gw::provider
