#include "provider/message_inflater.h"

#include <zlib.h>

#include "base/strings.h"

namespace gw::provider {
namespace {

/// What a sender leaves off each message's end.
constexpr std::string_view kTail("\0\0\xff\xff", 4);
constexpr int kRawLargestWindow = -15;  ///< also reads what was made with a smaller one
constexpr std::size_t kInflatedBytes = 16 << 10;

/// Takes the text before the next `separator` off `list`, trimmed.
std::string_view take_item(std::string_view& list, char separator) {
  const std::size_t at = list.find(separator);
  const std::string_view item = trim(list.substr(0, at));
  list = at == std::string_view::npos ? std::string_view() : list.substr(at + 1);
  return item;
}

}  // namespace

void MessageDeflate::read(std::string_view extensions) {
  while (!extensions.empty()) {
    std::string_view parameters = take_item(extensions, ',');
    if (!iequals(take_item(parameters, ';'), "permessage-deflate")) continue;
    on = true;
    while (!parameters.empty()) {
      const std::string_view parameter = take_item(parameters, ';');
      if (iequals(parameter, "client_no_context_takeover")) client_keeps_context = false;
      if (iequals(parameter, "server_no_context_takeover")) server_keeps_context = false;
    }
  }
}

struct MessageInflater::Stream {
  z_stream z{};
  bool good = inflateInit2(&z, kRawLargestWindow) == Z_OK;
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  /// A new sequence of blocks that may refer to what came before.
  bool begin_anew() {
    Bytef window[1 << 15];
    uInt size = sizeof window;
    if (inflateGetDictionary(&z, window, &size) != Z_OK || inflateReset(&z) != Z_OK) return false;
    return size == 0 || inflateSetDictionary(&z, window, size) == Z_OK;
  }
  ~Stream() {
    if (good) inflateEnd(&z);
  }
};

MessageInflater::MessageInflater(bool keeps_context) : keeps_context_(keeps_context) {}
MessageInflater::~MessageInflater() = default;
MessageInflater::MessageInflater(MessageInflater&&) noexcept = default;

bool MessageInflater::push(std::string_view bytes, ContentDecoder::Sink sink) {
  if (failed_) return false;
  if (!stream_) stream_ = std::make_unique<Stream>();
  received_ += bytes.size();
  failed_ = !stream_->good || !inflate(bytes, sink);
  if (failed_) stream_.reset();
  return !failed_;
}

bool MessageInflater::end(ContentDecoder::Sink sink) {
  if (!push(kTail, sink)) return false;
  if (!keeps_context_) failed_ = inflateReset(&stream_->z) != Z_OK;
  // What went beyond the ratio stays charged: else many small messages would each have the free bytes.
  const std::uint64_t paid = ContentDecoder::kMaxRatio * received_;
  produced_ = produced_ > paid ? produced_ - paid : 0;
  received_ = 0;
  return !failed_;
}

bool MessageInflater::inflate(std::string_view bytes, ContentDecoder::Sink sink) {
  z_stream& z = stream_->z;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  do {
    char out[kInflatedBytes];
    z.next_out = reinterpret_cast<Bytef*>(out);
    z.avail_out = sizeof out;
    const int status = ::inflate(&z, Z_SYNC_FLUSH);
    const std::size_t written = sizeof out - z.avail_out;
    produced_ += written;
    if (produced_ > ContentDecoder::kMaxDecodedBytes ||
        produced_ > ContentDecoder::kFreeBytes + ContentDecoder::kMaxRatio * received_)
      return false;
    if (written > 0) sink.take(sink.to, {out, written});
    // A block marked as the last may end a message; the next one begins afresh and still may refer to it.
    if (status == Z_STREAM_END) {
      if (!stream_->begin_anew()) return false;
      if (z.avail_in == 0) return true;
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      return false;
    } else if (status == Z_BUF_ERROR && written == 0) {
      return z.avail_in == 0;
    }
  } while (z.avail_in > 0 || z.avail_out == 0);
  return true;
}

}  // namespace gw::provider
