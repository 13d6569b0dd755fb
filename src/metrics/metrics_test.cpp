#include <gtest/gtest.h>

#include <map>
#include <string>
#include <thread>
#include <vector>

#include "metrics/cells.h"
#include "metrics/series.h"

namespace gw::metrics {
namespace {

constexpr std::array<double, 3> kBounds{0.1, 1, 10};

using Views = std::vector<std::string_view>;

std::vector<std::string> shown(LabelSets& sets, const Views& values) {
  const auto* const found = sets.values(sets.index_of(values));
  return found != nullptr ? *found : std::vector<std::string>{};
}

TEST(LabelSets, TheSameValuesHaveOneNumberAndOthersAnother) {
  LabelSets sets({.labels = 2});
  const std::uint32_t a = sets.index_of(Views{"openai", "gpt-4o"});
  EXPECT_EQ(sets.index_of(Views{"openai", "gpt-4o"}), a);
  EXPECT_NE(sets.index_of(Views{"gpt-4o", "openai"}), a);
  EXPECT_NE(sets.index_of(Views{"openaig", "pt-4o"}), a) << "values are not run together";
  EXPECT_EQ(shown(sets, {"openai", "gpt-4o"}), (std::vector<std::string>{"openai", "gpt-4o"}));
}

TEST(LabelSets, AnEmptyValueIsUnknown) {
  LabelSets sets({.labels = 2});
  EXPECT_EQ(shown(sets, {"", "x"}), (std::vector<std::string>{"unknown", "x"}));
}

TEST(LabelSets, BeyondTheCapTheClientsLabelIsOtherAndThatIsCounted) {
  LabelSets sets({.labels = 2, .cap = 10, .client_labels = 2});
  for (int i = 0; i < 100; ++i) {
    const std::string model = "model-" + std::to_string(i);
    sets.index_of(Views{"openai", model});
  }
  EXPECT_EQ(shown(sets, {"openai", "model-0"}), (std::vector<std::string>{"openai", "model-0"})) << "known ones stay";
  EXPECT_EQ(shown(sets, {"openai", "model-99"}), (std::vector<std::string>{"openai", "other"}));
  EXPECT_EQ(sets.overflowed(), 92) << "one number is that of `other` throughout, nine are models'";
}

TEST(LabelSets, WhenEvenOthersAreTooManyAllOfItIsOther) {
  LabelSets sets({.labels = 2, .cap = 4, .client_labels = 2});
  for (int i = 0; i < 10'000; ++i) {
    const std::string tenant = "tenant-" + std::to_string(i);
    const std::uint32_t index = sets.index_of(Views{tenant, "m"});
    ASSERT_LT(index, sets.capacity());
  }
  EXPECT_EQ(shown(sets, {"tenant-9999", "m"}), (std::vector<std::string>{"other", "other"}));
}

TEST(LabelSets, LongValuesAreCutAtACharacter) {
  LabelSets sets({.labels = 1});
  std::string text(kMaxValueBytes - 1, 'x');
  text += "\xc3\xa4\xc3\xa4";
  EXPECT_EQ(shown(sets, {text}), std::vector<std::string>{std::string(kMaxValueBytes - 1, 'x')});
}

TEST(LabelSets, ValuesThatAreShownAlikeAreOneSeries) {
  LabelSets sets({.labels = 1, .shown = [](std::string_view v) {
                    return v.starts_with("sk-") ? std::string("[CREDENTIAL_REDACTED]") : std::string(v);
                  }});
  const std::uint32_t a = sets.index_of(Views{"sk-aaaa"});
  EXPECT_EQ(sets.index_of(Views{"sk-bbbb"}), a);
  EXPECT_EQ(sets.index_of(Views{"[CREDENTIAL_REDACTED]"}), a);
  EXPECT_EQ(*sets.values(a), std::vector<std::string>{"[CREDENTIAL_REDACTED]"});
}

TEST(Series, KeysThatDifferAnywhereAreToldApart) {
  Series<Counter> series({.labels = 1}, 1);
  const std::vector<Views> texts = {{"ab", "c"}, {"a", "bc"}, {"", "abc"}, {"abc", ""}, {"ab", "d"}, {"bb", "c"}};
  const std::vector<std::uint64_t> numbers = {0, 1, 16, std::uint64_t{1} << 40};
  for (int round = 0; round < 3; ++round) {
    for (const Views& t : texts) {
      for (const std::uint64_t number : numbers) {
        const std::string value = std::string(t[0]) + "|" + std::string(t[1]) + "|" + std::to_string(number);
        const SeriesKey key{.texts = t, .number = number};
        if (Counter* known = series.recent(0, key))
          known->add();
        else
          series.at(0, key, Views{value}).add();
      }
    }
  }
  std::size_t sets = 0;
  series.each([&](const std::vector<std::string>& values, const Counter& c) {
    EXPECT_EQ(c.get(), 3) << values[0];
    ++sets;
  });
  EXPECT_EQ(sets, texts.size() * numbers.size());
}

TEST(Series, AKeyIsKnownUntilAnotherTakesItsPlace) {
  Series<Counter> series({.labels = 1}, 2);
  const Views texts{"POST", "host"};
  const SeriesKey key{.texts = texts, .number = 200};
  EXPECT_EQ(series.recent(0, key), nullptr);
  Counter& cells = series.at(0, key, Views{"value"});
  EXPECT_EQ(series.recent(0, key), &cells);
  EXPECT_EQ(series.recent(1, key), nullptr) << "threads have cells of their own";
}

TEST(Series, LongTextsAreCountedAsWell) {
  Series<Counter> series({.labels = 2}, 1);
  const std::string a(kMaxValueBytes, 'a'), b(10'000, 'b');
  for (int i = 0; i < 3; ++i) series.at(0, Views{a, b}).add();
  std::int64_t all = 0;
  series.each([&](const std::vector<std::string>& values, const Counter& c) {
    EXPECT_EQ(values, (std::vector<std::string>{a, std::string(kMaxValueBytes, 'b')}));
    all += c.get();
  });
  EXPECT_EQ(all, 3);
}

TEST(Series, WhatIsCountedAsOtherIsToldEachTime) {
  Series<Counter> series({.labels = 2, .cap = 2, .client_labels = 2}, 1);
  series.at(0, Views{"p", "first"});
  const std::int64_t before = series.overflowed();
  for (int i = 0; i < 5; ++i) series.at(0, Views{"p", "late"}).add();
  EXPECT_EQ(series.overflowed() - before, 5);
}

TEST(Series, WhatThreadsCountAtTheSameTimeAddsUp) {
  constexpr int kThreads = 4;
  constexpr int kEach = 20'000;
  Series<Counter> series({.labels = 2, .cap = 50, .client_labels = 2}, kThreads);
  const auto sum = [&] {
    std::int64_t all = 0;
    series.each([&](const std::vector<std::string>&, const Counter& c) { all += c.get(); });
    return all;
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&series, t] {
      for (int i = 0; i < kEach; ++i) {
        const std::string model = "m" + std::to_string((i * 7 + t) % 90);
        series.at(static_cast<std::size_t>(t), Views{"p", model}).add();
      }
    });
  }
  std::int64_t before = 0;
  for (int look = 0; look < 100; ++look) {
    const std::int64_t now = sum();
    EXPECT_GE(now, before) << "a counter never falls";
    before = now;
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(sum(), kThreads * kEach);
  std::map<std::vector<std::string>, int> sets;
  series.each([&](const std::vector<std::string>& values, const Counter&) { ++sets[values]; });
  EXPECT_LE(sets.size(), 51U);
}

TEST(Histogram, AValueOnABoundBelongsBelowIt) {
  Histogram<kBounds> h;
  for (const double v : {0.05, 0.1, 0.10001, 10.0, 11.0}) h.observe(v);
  HistogramValue value;
  h.add_to(value);
  EXPECT_EQ(value.counts, (std::vector<std::uint64_t>{2, 1, 1, 1}));
  EXPECT_DOUBLE_EQ(value.sum, 0.05 + 0.1 + 0.10001 + 10 + 11);
  EXPECT_EQ(value.count(), 5U);
}

TEST(Histogram, ABucketHasItsNewestExemplarOfAllThreads) {
  Histogram<kBounds> one;
  Histogram<kBounds> two;
  SpanRef early;
  early.trace_id.fill(1);
  SpanRef late;
  late.trace_id.fill(2);
  one.observe(0.5, &late, 2'000);
  two.observe(0.7, &early, 1'000);
  two.observe(5, nullptr, 3'000);
  HistogramValue value;
  one.add_to(value);
  two.add_to(value);
  ASSERT_TRUE(value.exemplars[1].has_value());
  EXPECT_EQ(value.exemplars[1]->trace_id, late.trace_id);
  EXPECT_DOUBLE_EQ(value.exemplars[1]->value, 0.5);
  EXPECT_FALSE(value.exemplars[2].has_value()) << "not sampled";
}

TEST(ExemplarCell, WhatAReaderSeesIsNeverOfTwoWrites) {
  ExemplarCell cell;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (std::uint8_t i = 1; !stop.load(); i = static_cast<std::uint8_t>(i % 200 + 1)) {
      SpanRef span;
      span.trace_id.fill(i);
      span.span_id.fill(i);
      cell.set(i, i, span);
    }
  });
  int seen = 0;
  while (seen < 1'000) {
    const std::optional<Exemplar> e = cell.get();
    if (!e) continue;
    ++seen;
    const auto i = static_cast<std::uint8_t>(e->at_ns);
    EXPECT_DOUBLE_EQ(e->value, i);
    EXPECT_EQ(e->trace_id.front(), i);
    EXPECT_EQ(e->trace_id.back(), i);
    EXPECT_EQ(e->span_id.back(), i);
  }
  stop = true;
  writer.join();
}

}  // namespace
}  // namespace gw::metrics
