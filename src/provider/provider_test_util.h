#pragma once
// For tests: feeding a reader in pieces, encoding bodies, and the recorded fixtures.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "provider/usage_reader.h"

namespace gw {

/// How GoogleTest shows a Usage.
inline void PrintTo(const Usage& u, std::ostream* os) {
  *os << "{input " << u.input_tokens << ", output " << u.output_tokens << ", total " << u.total_tokens;
  const auto part = [os](const char* name, std::int64_t value, std::int64_t usual = 0) {
    if (value != usual) *os << ", " << name << ' ' << value;
  };
  part("cache read", u.cache_read_tokens);
  part("cache read audio", u.cache_read_audio_tokens);
  part("cache read image", u.cache_read_image_tokens);
  part("write 5m", u.cache_write_5m_tokens);
  part("write 1h", u.cache_write_1h_tokens);
  part("audio in", u.input_audio_tokens);
  part("image in", u.input_image_tokens);
  part("reasoning", u.reasoning_tokens);
  part("audio out", u.output_audio_tokens);
  part("image out", u.output_image_tokens);
  part("web searches", u.web_searches);
  part("file searches", u.file_searches);
  part("code executions", u.code_executions);
  part("audio ms", u.audio_ms);
  part("nano-dollars", u.provider_cost_nano_usd, Usage::kNoCost);
  *os << (u.seen ? ", seen" : "") << (u.estimated ? ", estimated" : "") << (u.anomalous ? ", anomalous" : "") << "}";
}

}  // namespace gw

namespace gw::provider::test {

inline constexpr const char* kJson = "application/json";
inline constexpr const char* kEvents = "text/event-stream; charset=utf-8";

/// Small, seeded, the same everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ULL + 1) {}
  std::uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(next() % n); }
  bool one_in(std::size_t n) { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

/// Pushes `body` cut at the ascending positions `cuts`. Each piece is a heap block of exactly its size, so that ASan
/// sees every overrun.
template <class Reader>
void push_cut(Reader& reader, std::string_view body, const std::vector<std::size_t>& cuts) {
  std::size_t from = 0;
  const auto piece = [&](std::size_t to) {
    const std::vector<char> copy(body.begin() + static_cast<std::ptrdiff_t>(from),
                                 body.begin() + static_cast<std::ptrdiff_t>(to));
    reader.push({copy.data(), copy.size()});
    from = to;
  };
  for (std::size_t cut : cuts) piece(cut);
  piece(body.size());
}

inline std::vector<std::size_t> cuts_every(std::size_t step, std::size_t size) {
  std::vector<std::size_t> cuts;
  for (std::size_t at = step; at < size; at += step) cuts.push_back(at);
  return cuts;
}

inline std::vector<std::size_t> random_cuts(Random& random, std::size_t size) {
  std::vector<std::size_t> cuts(random.below(12) + 1);
  for (std::size_t& c : cuts) c = random.below(size + 1);
  std::sort(cuts.begin(), cuts.end());
  return cuts;
}

inline Usage read_usage(std::string_view type, std::string_view body, const std::vector<std::size_t>& cuts = {},
                        std::string_view encoding = "") {
  UsageReader reader;
  reader.begin(type, encoding);
  push_cut(reader, body, cuts);
  reader.finish();
  return reader.usage();
}

std::string gzip(std::string_view s);
std::string deflate_wrapped(std::string_view s);
std::string deflate_raw(std::string_view s);
std::string brotli(std::string_view s);
std::string zstd(std::string_view s);
/// By its name in Content-Encoding; "" leaves the text as it is.
std::string encode(std::string_view coding, std::string_view s);

struct Fixture {
  std::string name;  ///< path below the fixtures folder
  bool events = false;
  std::string body;  ///< as on the wire

  const char* type() const { return events ? kEvents : kJson; }
};

/// Every recorded body, framed as its provider sends it. Empty, with a line on stdout, when the fixtures are not there.
const std::vector<Fixture>& fixtures();

}  // namespace gw::provider::test
