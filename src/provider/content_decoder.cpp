#include "provider/content_decoder.h"

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>

#include "base/strings.h"

namespace gw::provider {

/// One coding. `step` consumes from the front of `in` and writes at most `room` bytes.
class ContentDecoder::Layer {
 public:
  enum class Status : std::uint8_t { more, ended, failed };
  struct Step {
    Status status = Status::more;
    std::size_t written = 0;
  };

  virtual ~Layer() = default;
  virtual Step step(std::string_view& in, char* out, std::size_t room) = 0;

  bool ended = false;
  std::uint64_t total = 0;  ///< bytes written so far
};

namespace {

using Layer = ContentDecoder::Layer;
using Status = Layer::Status;

constexpr std::size_t kChunkBytes = 16 << 10;

/// gzip (any number of members) and deflate, which servers send with zlib's wrapper or without.
class Inflate final : public Layer {
 public:
  explicit Inflate(bool gzip) : gzip_(gzip) {}
  ~Inflate() override {
    if (started_) inflateEnd(&z_);
  }

  Step step(std::string_view& in, char* out, std::size_t room) override {
    if (!started_ && !start(in)) return {in.empty() ? Status::more : Status::failed, 0};
    std::size_t written = 0;
    if (held_ >= 0) {  // the byte that decided the wrapper
      char first = static_cast<char>(held_);
      std::string_view one(&first, 1);
      held_ = -1;
      const Step s = run(one, out, room);
      if (s.status != Status::more) return s;
      written = s.written;
    }
    Step s = run(in, out + written, room - written);
    s.written += written;
    return s;
  }

 private:
  /// The wrapper of deflate shows in its first two bytes; until the second is there, the first is held.
  bool start(std::string_view& in) {
    int bits = 15 + 16;
    if (!gzip_) {
      if (in.empty()) return false;
      if (held_ < 0) {
        held_ = static_cast<unsigned char>(in.front());
        in.remove_prefix(1);
        if (in.empty()) return false;
      }
      const int second = static_cast<unsigned char>(in.front());
      bits = (held_ & 0x0f) == Z_DEFLATED && (held_ * 256 + second) % 31 == 0 ? 15 : -15;
    }
    started_ = inflateInit2(&z_, bits) == Z_OK;
    return started_;
  }

  Step run(std::string_view& in, char* out, std::size_t room) {
    if (member_ended_) {
      if (in.empty()) return {};
      inflateReset(&z_);
      member_ended_ = false;
      later_member_ = true;
    }
    z_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    z_.avail_in = static_cast<uInt>(std::min<std::size_t>(in.size(), 1 << 30));
    z_.next_out = reinterpret_cast<Bytef*>(out);
    z_.avail_out = static_cast<uInt>(room);
    const uInt offered = z_.avail_in;
    const int result = inflate(&z_, Z_NO_FLUSH);
    in.remove_prefix(offered - z_.avail_in);
    const std::size_t written = room - z_.avail_out;
    if (result == Z_STREAM_END) {
      member_ended_ = gzip_;
      return {gzip_ ? Status::more : Status::ended, written};
    }
    if (result == Z_OK || result == Z_BUF_ERROR) return {Status::more, written};
    // What follows a complete member and is none itself is padding.
    return {later_member_ && z_.total_out == 0 ? Status::ended : Status::failed, written};
  }

  z_stream z_{};
  bool gzip_;
  bool started_ = false;
  bool member_ended_ = false;
  bool later_member_ = false;
  int held_ = -1;
};

class Brotli final : public Layer {
 public:
  Brotli() : state_(BrotliDecoderCreateInstance(nullptr, nullptr, nullptr)) {}
  ~Brotli() override { BrotliDecoderDestroyInstance(state_); }

  Step step(std::string_view& in, char* out, std::size_t room) override {
    if (state_ == nullptr) return {Status::failed, 0};
    std::size_t available = in.size();
    const auto* next = reinterpret_cast<const std::uint8_t*>(in.data());
    std::size_t left = room;
    auto* to = reinterpret_cast<std::uint8_t*>(out);
    const BrotliDecoderResult result = BrotliDecoderDecompressStream(state_, &available, &next, &left, &to, nullptr);
    in.remove_prefix(in.size() - available);
    const std::size_t written = room - left;
    if (result == BROTLI_DECODER_RESULT_SUCCESS) return {Status::ended, written};
    return {result == BROTLI_DECODER_RESULT_ERROR ? Status::failed : Status::more, written};
  }

 private:
  BrotliDecoderState* state_;
};

/// Any number of frames. Windows over 8 MiB are refused, as RFC 9659 asks of this content coding, and so are the
/// formats before RFC 8878, which the library may still know.
class Zstd final : public Layer {
 public:
  Zstd() : context_(ZSTD_createDCtx()) {
    if (context_ != nullptr) ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, 23);
  }
  ~Zstd() override { ZSTD_freeDCtx(context_); }

  Step step(std::string_view& in, char* out, std::size_t room) override {
    if (context_ == nullptr) return {Status::failed, 0};
    if (!is_frame(in)) return {between_frames_ ? Status::ended : Status::failed, 0};
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer to{out, room, 0};
    const std::size_t result = ZSTD_decompressStream(context_, &to, &from);
    in.remove_prefix(from.pos);
    header_ = result == 0 ? 0 : std::min(kMagicBytes, header_ + from.pos);
    if (ZSTD_isError(result) != 0) return {Status::failed, to.pos};
    if (result == 0) {
      between_frames_ = true;
    } else if (to.pos > 0) {
      between_frames_ = false;
    }
    return {Status::more, to.pos};
  }

 private:
  static constexpr std::size_t kMagicBytes = 4;

  /// Do the bytes of the magic number that are here fit a frame, or one to be skipped?
  bool is_frame(std::string_view in) {
    constexpr std::string_view kFrame = "\x28\xb5\x2f\xfd";
    constexpr std::string_view kSkippable = "\x50\x2a\x4d\x18";  // and up to 0x5f
    for (std::size_t i = 0; i < in.size() && header_ + i < kMagicBytes; ++i) {
      if (header_ + i == 0) skippable_ = (in[i] & '\xf0') == '\x50';
      const char expected = (skippable_ ? kSkippable : kFrame)[header_ + i];
      if (in[i] != expected && !(skippable_ && header_ + i == 0)) return false;
    }
    return true;
  }

  ZSTD_DCtx* context_;
  std::size_t header_ = 0;  ///< bytes of the frame's magic number that were consumed
  bool skippable_ = false;
  bool between_frames_ = false;  ///< a frame has ended and no later one has given a byte
};

std::unique_ptr<Layer> make_layer(std::string_view coding) {
  if (iequals(coding, "gzip") || iequals(coding, "x-gzip")) return std::make_unique<Inflate>(true);
  if (iequals(coding, "deflate")) return std::make_unique<Inflate>(false);
  if (iequals(coding, "br")) return std::make_unique<Brotli>();
  if (iequals(coding, "zstd")) return std::make_unique<Zstd>();
  return nullptr;
}

}  // namespace

ContentDecoder::ContentDecoder() = default;
ContentDecoder::~ContentDecoder() = default;
ContentDecoder::ContentDecoder(ContentDecoder&&) noexcept = default;
ContentDecoder& ContentDecoder::operator=(ContentDecoder&&) noexcept = default;

bool ContentDecoder::open(std::string_view content_encoding) {
  close();
  while (!content_encoding.empty()) {
    const std::size_t comma = std::min(content_encoding.find(','), content_encoding.size());
    const std::string_view coding = trim(content_encoding.substr(0, comma));
    content_encoding.remove_prefix(std::min(comma + 1, content_encoding.size()));
    if (coding.empty() || iequals(coding, "identity")) continue;
    std::unique_ptr<Layer> layer = layers_.size() < kMaxLayers ? make_layer(coding) : nullptr;
    if (layer == nullptr) {
      close();
      return false;
    }
    layers_.insert(layers_.begin(), std::move(layer));  // listed in the order of encoding
  }
  return true;
}

void ContentDecoder::close() {
  layers_.clear();
  received_ = 0;
}

bool ContentDecoder::push(std::string_view bytes, Sink sink) { return push_layer(0, bytes, sink); }

bool ContentDecoder::push_layer(std::size_t index, std::string_view bytes, Sink sink) {
  if (index == layers_.size()) {
    sink.take(sink.to, bytes);
    return true;
  }
  Layer& layer = *layers_[index];
  std::array<char, kChunkBytes> chunk;
  while (!layer.ended) {
    const std::size_t before = bytes.size();
    const auto room = static_cast<std::size_t>(std::min<std::uint64_t>(chunk.size(), kMaxDecodedBytes - layer.total));
    const Layer::Step step = layer.step(bytes, chunk.data(), room);
    const std::size_t consumed = before - bytes.size();
    if (index == 0) received_ += consumed;
    layer.total += step.written;
    layer.ended = step.status == Status::ended;
    const bool over = layer.total >= kMaxDecodedBytes || layer.total > kFreeBytes + kMaxRatio * received_;
    if (step.written > 0 && !push_layer(index + 1, {chunk.data(), step.written}, sink)) return false;
    if (over || step.status == Status::failed) return false;
    if (step.written < room && (bytes.empty() || (consumed == 0 && step.written == 0))) break;
  }
  return true;
}

}  // namespace gw::provider
