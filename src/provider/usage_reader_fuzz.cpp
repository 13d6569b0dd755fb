// Differential: one push against pieces cut where the input says, and the scanning kernel of this CPU against the
// portable one. Input: 1 byte kind of body, 1 byte seed of the cuts, then the body.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "provider/request_reader.h"
#include "provider/scan.h"
#include "provider/session.h"
#include "provider/usage_reader.h"
#include "provider/websocket_usage.h"

namespace {

using gw::Usage;
using gw::provider::RequestReader;
using gw::provider::UsageReader;

struct Read {
  Usage usage;
  std::string model, service_tier, inference_geo, session;
  bool stream = false;
  gw::provider::Flag include_usage = gw::provider::Flag::absent;
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
  Read r;
  r.usage = reader.usage();
  r.model = reader.model();
  r.service_tier = reader.service_tier();
  r.inference_geo = reader.inference_geo();
  return r;
}

Read read_request(std::string_view body, std::uint32_t seed) {
  RequestReader reader;
  feed(body, seed, [&](std::string_view piece) { reader.push(piece); });
  reader.finish();
  Read r;
  r.model = reader.model();
  r.service_tier = reader.service_tier();
  r.stream = reader.stream();
  r.include_usage = reader.include_usage();
  gw::provider::session_of({}, reader.session(), r.session);
  return r;
}

/// Each line is a message; those that begin with a blank are the client's.
std::string read_websocket(std::string_view body, std::uint32_t seed) {
  gw::provider::WebsocketUsage socket;
  std::int64_t now = 0;
  while (!body.empty()) {
    const std::string_view line = body.substr(0, body.find('\n'));
    body.remove_prefix(std::min(line.size() + 1, body.size()));
    if (line.starts_with(' ')) {
      socket.begin_client_message();
      feed(line, seed, [&](std::string_view piece) { socket.push_client(piece); });
      socket.end_client_message(++now);
    } else {
      socket.begin_server_message();
      feed(line, seed, [&](std::string_view piece) { socket.push_server(piece); });
      socket.end_server_message(++now);
    }
  }
  socket.close_open(++now);
  std::string all;
  for (const gw::provider::WebsocketResponse& r : socket.finished()) {
    for (std::string_view text : {std::string_view(r.id), std::string_view(r.model), std::string_view(r.session)})
      all.append(text).append("|");
    all += std::to_string(r.usage.total_tokens) + '|' + std::to_string(r.messages) + '|' + std::to_string(r.ask) + '\n';
  }
  return all;
}

void require(bool holds) {
  if (!holds) std::abort();
}

void compare_kernels(std::string_view body) {
  namespace scan = gw::provider::scan;
  const char* const p = body.data();
  const char* const end = p + body.size();
  require(scan::best().find_usage(p, end) == scan::kPortable.find_usage(p, end));
  require(scan::best().find_usage_or_item_done(p, end) == scan::kPortable.find_usage_or_item_done(p, end));
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
  require(whole.usage.uncached_text_tokens() >= 0 && whole.usage.text_output_tokens() >= 0);
  require(read_request(body, 0) == read_request(body, seed));
  require(read_websocket(body, 0) == read_websocket(body, seed));
  compare_kernels(body);
  return 0;
}
