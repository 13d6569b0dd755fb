// The filter on any stream: how it is cut makes no difference, what passes is what came but for whole events, and of
// the events whose payload is JSON exactly the usage chunks are taken. Input: 1 byte seed of the cuts, then the stream.
#include <simdjson.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "provider/usage_chunk_filter.h"

namespace {

using gw::provider::UsageChunkFilter;

void require(bool holds) {
  if (!holds) std::abort();
}

struct Filtered {
  std::string out;
  std::uint32_t removed = 0;
  friend bool operator==(const Filtered&, const Filtered&) = default;
};

Filtered whole(std::string_view in) {
  UsageChunkFilter filter;
  Filtered f;
  filter.push(in, f.out);
  filter.finish(f.out);
  f.removed = filter.removed();
  return f;
}

Filtered in_pieces(std::string_view in, std::uint32_t seed) {
  UsageChunkFilter filter;
  Filtered f;
  while (!in.empty()) {
    seed = seed * 1664525 + 1013904223;
    const std::size_t n = std::min<std::size_t>(in.size(), 1 + (seed >> 16) % ((seed >> 28) == 0 ? 200 : 5));
    const std::string piece(in.substr(0, n));
    filter.push(piece, f.out);
    in.remove_prefix(n);
  }
  filter.finish(f.out);
  f.removed = filter.removed();
  return f;
}

/// Of the events of a stream those that have to be taken, and those of which this cannot tell: their payload is no JSON
/// or has an escape, which may be in a key.
struct Expected {
  std::uint32_t taken = 0, unknown = 0;

  explicit Expected(std::string_view stream) {
    std::string payload;
    bool data = false;
    while (true) {
      const std::size_t end = std::min(stream.find_first_of("\r\n"), stream.size());
      const std::string_view line = stream.substr(0, end);
      if (line.empty()) {
        if (data) judge(payload);
        payload.clear();
        data = false;
      } else if (line == "data" || line.starts_with("data:")) {
        if (data) payload += '\n';
        data = true;
        std::string_view value = line.substr(std::min<std::size_t>(5, line.size()));
        if (value.starts_with(' ')) value.remove_prefix(1);
        payload += value;
      }
      if (end == stream.size()) break;
      stream.remove_prefix(end + (stream.substr(end).starts_with("\r\n") ? 2 : 1));
    }
    if (data) judge(payload);
  }

  void judge(const std::string& payload) {
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    if (payload.find('\\') != std::string::npos || parser.parse(payload).get(root) != simdjson::SUCCESS) {
      ++unknown;
      return;
    }
    simdjson::dom::object members;
    if (root.get(members) != simdjson::SUCCESS) return;
    bool choices = false, usage = false, other = false;
    for (const auto field : members) {
      if (field.key == "choices") {
        simdjson::dom::array list;
        choices = true;
        other = other || field.value.get(list) != simdjson::SUCCESS || list.size() != 0;
      } else if (field.key == "usage") {
        usage = true;
        other = other || !field.value.is_object();
      }
    }
    if (choices && usage && !other) ++taken;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view in(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Filtered once = whole(in);
  require(once == in_pieces(in, data[0] + 1U));
  require(once.removed != 0 ? once.out.size() < in.size() : once.out == in);
  require(whole(once.out).removed == 0);
  if (in.size() > UsageChunkFilter::kMaxEventBytes) return 0;
  const Expected expected(in);
  require(once.removed >= expected.taken && once.removed <= expected.taken + expected.unknown);
  return 0;
}
