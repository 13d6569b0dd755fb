// Chunked bodies: one push against two, and what is relayed against what it must mean. Input: 1 byte cut, 1 byte
// keep_trailers, the body.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/chunked.h"

namespace {

using gw::http::ChunkScanner;

struct Result {
  ChunkScanner::Status status = ChunkScanner::Status::more;
  std::size_t consumed = 0;
  std::string data, raw;
};

Result scan(std::string_view in, std::size_t cut, bool keep) {
  ChunkScanner scanner;
  Result r;
  for (const std::string_view part : {in.substr(0, cut), in.substr(cut)}) {
    if (r.status != ChunkScanner::Status::more) break;
    const auto step =
        scanner.scan(part, keep, [&](std::string_view v) { r.data += v; }, [&](std::string_view v) { r.raw += v; });
    r.status = step.status;
    r.consumed += step.consumed;
  }
  return r;
}

void require(bool ok) {
  if (!ok) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string body(reinterpret_cast<const char*>(data + 2), size - 2);
  const bool keep = (data[1] & 1) != 0;
  const Result whole = scan(body, body.size(), keep);
  const Result cut = scan(body, data[0] <= body.size() ? data[0] : body.size(), keep);
  require(whole.status == cut.status);
  if (whole.status == ChunkScanner::Status::bad) return 0;
  require(whole.data == cut.data && whole.raw == cut.raw && whole.consumed == cut.consumed);
  // The relayed bytes are the same body without extensions: reading them again changes nothing.
  const Result again = scan(whole.raw, whole.raw.size(), keep);
  require(again.status == whole.status && again.data == whole.data && again.raw == whole.raw);
  require(whole.raw.find(';') == std::string::npos || whole.data.find(';') != std::string::npos || keep);
  return 0;
}
