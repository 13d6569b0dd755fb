// Differential: one push against pieces cut where the input says, and the scanning kernel of this CPU against the
// portable one. Input: 1 byte kind of body, 1 byte seed of the cuts, then the body.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "provider/request_reader.h"
#include "provider/scan.h"
#include "provider/usage_reader.h"

namespace {

using gw::Usage;
using gw::provider::RequestReader;
using gw::provider::UsageReader;

struct Read {
  Usage usage;
  std::string model;
  bool stream = false;
  friend bool operator==(const Read&, const Read&) = default;
};

/// Calls `take` with pieces whose sizes follow from the seed; 0 gives everything at once.
template <class Take>
void cut(std::string_view body, std::uint32_t seed, Take take) {
  while (!body.empty()) {
    seed = seed * 1664525 + 1013904223;
    const std::size_t n =
        std::min<std::size_t>(body.size(), (seed >> 24) % 3 == 0 ? 1 + (seed >> 16) % 400 : 1 + (seed >> 16) % 9);
    const std::string piece(body.substr(0, n));
    take(std::string_view(piece));
    body.remove_prefix(n);
  }
}

template <class Take>
void feed(std::string_view body, std::uint32_t seed, Take take) {
  if (seed == 0) {
    take(body);
  } else {
    cut(body, seed, take);
  }
}

Read read_response(std::uint8_t kind, std::string_view body, std::uint32_t seed) {
  static constexpr const char* kCodings[] = {"", "gzip", "deflate", "br", "zstd", "gzip, br", "", ""};
  UsageReader reader;
  reader.begin((kind & 16) != 0  ? "application/x-ndjson"
               : (kind & 1) != 0 ? "text/event-stream"
                                 : "application/json",
               kCodings[kind >> 1 & 7]);
  feed(body, seed, [&](std::string_view piece) { reader.push(piece); });
  reader.finish();
  return {reader.usage(), std::string(reader.model())};
}

Read read_request(std::string_view body, std::uint32_t seed) {
  RequestReader reader;
  feed(body, seed, [&](std::string_view piece) { reader.push(piece); });
  reader.finish();
  return {{}, std::string(reader.model()), reader.stream()};
}

void require(bool holds) {
  if (!holds) std::abort();
}

void compare_kernels(std::string_view body) {
  namespace scan = gw::provider::scan;
  const char* const p = body.data();
  const char* const end = p + body.size();
  require(scan::best().find_usage(p, end) == scan::kPortable.find_usage(p, end));
  scan::Nesting a{.depth = 1};
  scan::Nesting b{.depth = 1};
  require(scan::best().skip_nested(p, end, a) == scan::kPortable.skip_nested(p, end, b));
  require(a.depth == b.depth && a.in_string == b.in_string && a.escaped == b.escaped);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::uint8_t kind = data[0];
  const std::uint32_t seed = data[1] + 1U;
  const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Read whole = read_response(kind, body, 0);
  const Read pieces = read_response(kind, body, seed);
  // How much an encoded body gives before it proves undecodable may depend on the cut; nothing else may.
  require(whole == pieces || (whole.usage.estimated && pieces.usage.estimated));
  require(whole.usage.total_tokens >= 0 && whole.usage.input_tokens >= 0 && whole.usage.output_tokens >= 0);
  require(read_request(body, 0) == read_request(body, seed));
  compare_kernels(body);
  return 0;
}
