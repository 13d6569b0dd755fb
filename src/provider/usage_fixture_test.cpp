// Every recorded provider answer, cut and compressed in many ways, against the slow model and against totals read off
// by hand.
#include <gtest/gtest.h>

#include <map>

#include "provider/provider_test_util.h"
#include "provider/slow_usage_model.h"

namespace gw::provider {
namespace {

using test::Fixture;
using test::fixtures;
using test::Random;
using test::read_usage;

Usage expected(const Fixture& f) { return (f.events ? slow::read_events(f.body) : slow::read_json(f.body)).usage; }

TEST(UsageFixtures, EveryRecordingReadsAsTheSlowModelSays) {
  int with_usage = 0;
  for (const Fixture& f : fixtures()) {
    const Usage usage = expected(f);
    with_usage += usage.seen ? 1 : 0;
    EXPECT_EQ(read_usage(f.type(), f.body), usage) << f.name;
  }
  EXPECT_TRUE(fixtures().empty() || with_usage > 40) << with_usage;
}

TEST(UsageFixtures, NothingDependsOnTheCut) {
  Random random(3);
  for (const Fixture& f : fixtures()) {
    const Usage usage = expected(f);
    const bool big = f.body.size() > 20'000;
    for (std::size_t step : {big ? 5 : 1, big ? 11 : 2, 3, 7, 64, 250, 383, 384, 385, 1460, 16384})
      ASSERT_EQ(read_usage(f.type(), f.body, test::cuts_every(step, f.body.size())), usage)
          << f.name << " in pieces of " << step;
    if (f.body.size() <= 4096) {
      for (std::size_t cut = 0; cut <= f.body.size(); ++cut)
        ASSERT_EQ(read_usage(f.type(), f.body, {cut}), usage) << f.name << " cut at " << cut;
    }
    for (int i = 0; i < (big ? 8 : 30); ++i) {
      const std::vector<std::size_t> cuts = test::random_cuts(random, f.body.size());
      ASSERT_EQ(read_usage(f.type(), f.body, cuts), usage) << f.name << " cut at " << testing::PrintToString(cuts);
    }
  }
}

TEST(UsageFixtures, EveryContentEncodingGivesTheSame) {
  Random random(4);
  for (const Fixture& f : fixtures()) {
    const Usage usage = expected(f);
    for (const char* coding : {"gzip", "deflate", "br", "zstd"}) {
      const std::string packed = test::encode(coding, f.body);
      ASSERT_EQ(read_usage(f.type(), packed, {}, coding), usage) << f.name << " " << coding;
      for (int i = 0; i < 5; ++i) {
        const std::vector<std::size_t> cuts = test::random_cuts(random, packed.size());
        ASSERT_EQ(read_usage(f.type(), packed, cuts, coding), usage)
            << f.name << " " << coding << testing::PrintToString(cuts);
      }
      if (packed.size() <= 2048) {
        ASSERT_EQ(read_usage(f.type(), packed, test::cuts_every(1, packed.size()), coding), usage)
            << f.name << " " << coding;
      }
    }
  }
}

TEST(UsageFixtures, CrLfLineEndsChangeNothing) {
  for (const Fixture& f : fixtures()) {
    if (!f.events) continue;
    std::string body;
    for (char c : f.body) {
      if (c == '\n') body += '\r';
      body += c;
    }
    EXPECT_EQ(read_usage(f.type(), body), expected(f)) << f.name;
  }
}

TEST(UsageFixtures, ABrokenOffStreamKeepsWhatWasSeenAndNeverMoreThanTheWhole) {
  for (const Fixture& f : fixtures()) {
    if (!f.events || f.body.size() > 20'000) continue;
    for (std::size_t cut = 0; cut < f.body.size(); cut += 13 + f.body.size() / 64) {
      const std::string_view seen = std::string_view(f.body).substr(0, cut);
      ASSERT_EQ(read_usage(f.type(), seen), slow::read_events(seen).usage) << f.name << " broken off at " << cut;
    }
  }
}

TEST(UsageFixtures, KnownTotals) {
  struct Total {
    std::int64_t input, output, total, cache_read, reasoning;
  };
  const std::map<std::string, Total> known = {
      {"openai/chat/openai-text.json", {16, 363, 379, 0, 0}},
      {"openai/chat/openai-text.chunks.txt", {16, 300, 316, 0, 0}},
      {"openai/chat/azure-model-router.1.chunks.txt", {15, 78, 93, 0, 64}},
      {"anthropic/anthropic-fallback.chunks.txt", {412, 264, 676, 0, 0}},
      {"anthropic/anthropic-message-delta-input-tokens.chunks.txt", {61, 2, 63, 0, 0}},
      {"anthropic/anthropic-refusal.chunks.txt", {18, 5, 23, 0, 0}},
      {"anthropic/anthropic-web-search-tool.1.chunks.txt", {15665, 795, 16460, 0, 0}},
      {"anthropic/duplicate-message-start.chunks.txt", {17, 227, 244, 0, 0}},
      {"anthropic/spliced-message-start.chunks.txt", {17, 65, 82, 0, 0}},
      {"groq/groq-text.chunks.txt", {45, 662, 707, 0, 0}},
      {"mistral/mistral-text.chunks.txt", {13, 8, 21, 0, 0}},
      {"xai/xai-text.chunks.txt", {12, 1, 303, 11, 290}},
      {"xai/xai-tool-call.chunks.txt", {291, 26, 513, 290, 196}},
      {"xai/responses/xai-text-streaming.1.chunks.txt", {216, 863, 1079, 192, 237}},
  };
  std::size_t found = 0;
  for (const Fixture& f : fixtures()) {
    const auto at = known.find(f.name);
    if (at == known.end()) continue;
    ++found;
    const Total& t = at->second;
    const Usage usage{.input_tokens = t.input,
                      .output_tokens = t.output,
                      .total_tokens = t.total,
                      .cache_read_tokens = t.cache_read,
                      .reasoning_tokens = t.reasoning,
                      .seen = true};
    EXPECT_EQ(read_usage(f.type(), f.body), usage) << f.name;
  }
  EXPECT_TRUE(fixtures().empty() || found == known.size()) << found;
}

}  // namespace
}  // namespace gw::provider
