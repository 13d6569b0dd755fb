// The tokenizers over any bytes: the tokens put together give the text, and the count of a text that comes in parts is
// that of the whole. Then the same bytes as a request, and as a stream in one part and in several. Input: 1 byte
// encoding, 1 byte seed of the cuts, then the text.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "provider/usage_estimate.h"

namespace {

using namespace gw::provider;

const TokenizerSet& tokenizers() {
  static const TokenizerSet set;
  return set;
}

void require(bool holds) {
  if (!holds) std::abort();
}

template <class Take>
void cut(std::string_view text, std::uint32_t seed, Take take) {
  while (!text.empty()) {
    seed = seed * 1664525 + 1013904223;
    const std::size_t n = std::min<std::size_t>(text.size(), 1 + (seed >> 16) % ((seed >> 28) == 0 ? 300 : 7));
    take(std::string(text.substr(0, n)));
    text.remove_prefix(n);
  }
}

std::int64_t count_in_parts(Encoding encoding, std::string_view text, std::uint32_t seed) {
  TokenCounter counter(tokenizers(), encoding, 1 + seed % 64);
  cut(text, seed, [&](const std::string& part) { counter.push(part); });
  counter.end();
  while (counter.step(1 + seed % 100) != 0) {
  }
  require(counter.pending_bytes() == 0);
  return counter.tokens();
}

gw::Usage estimate(std::string_view body, std::uint32_t seed, bool streaming) {
  UsageEstimator estimator(tokenizers(), 4096);
  estimator.collect_request(body);
  estimator.begin_answer("", streaming, seed % 2 == 0);
  if (seed == 0) {
    estimator.answer(body);
  } else {
    cut(body, seed, [&](const std::string& part) { estimator.answer(part); });
  }
  estimator.begin_estimate({});
  while (!estimator.step(1 + seed)) {
  }
  return estimator.result();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const Encoding encoding = (data[0] & 1) != 0 ? Encoding::cl100k : Encoding::o200k;
  const std::uint32_t seed = data[1] + 1U;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const RankTable& table = tokenizers().get(encoding);
  std::vector<std::uint32_t> ranks;
  const std::size_t count = encode(encoding, table, text, &ranks);
  require(count == ranks.size());
  std::string back;
  for (const std::uint32_t r : ranks) back += table.token(r);
  require(back == text);
  require(count_in_parts(encoding, text, seed) == static_cast<std::int64_t>(count));
  for (const bool streaming : {true, false}) require(estimate(text, 0, streaming) == estimate(text, seed, streaming));
  return 0;
}
