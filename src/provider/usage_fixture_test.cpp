// Every recorded provider answer, cut and compressed in many ways, against the slow model and against totals read off
// by hand.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "provider/provider_test_util.h"
#include "provider/slow_usage_model.h"
#include "provider/usage_fixture_table.h"

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

Usage usage_of(const test::Stated& row) {
  const auto& u = row.usage;
  const bool seen = u.total + u.audio_ms > 0;
  return {.input_tokens = u.input,
          .output_tokens = u.output,
          .total_tokens = u.total,
          .cache_read_tokens = u.cache_read,
          .cache_write_5m_tokens = u.write_5m,
          .cache_write_1h_tokens = u.write_1h,
          .reasoning_tokens = u.reasoning,
          .web_searches = u.web_searches,
          .file_searches = u.file_searches,
          .code_executions = u.code_executions,
          .audio_ms = u.audio_ms,
          .provider_cost_nano_usd = u.nano_usd,
          .seen = seen};
}

TEST(UsageFixtures, EveryRecordingGivesTheLastValueThatItsPayloadsState) {
  std::size_t found = 0;
  for (const test::Stated& row : test::kStated) {
    const auto at = std::ranges::find(fixtures(), row.file, &Fixture::name);
    if (at == fixtures().end()) continue;
    ++found;
    for (const std::size_t step : {std::size_t{1} << 20, std::size_t{311}}) {
      UsageReader reader;
      reader.begin(at->type(), "");
      test::push_cut(reader, at->body, test::cuts_every(step, at->body.size()));
      reader.finish();
      EXPECT_EQ(reader.usage(), usage_of(row)) << row.file;
      EXPECT_EQ(reader.model(), row.model) << row.file;
      EXPECT_EQ(reader.service_tier(), row.service_tier) << row.file;
      EXPECT_EQ(reader.inference_geo(), row.inference_geo) << row.file;
    }
  }
  EXPECT_TRUE(fixtures().empty() || found == std::size(test::kStated)) << found;
}

}  // namespace
}  // namespace gw::provider
