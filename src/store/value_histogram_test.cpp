#include "store/value_histogram.h"

#include <gtest/gtest.h>

#include "store/answer_model.h"
#include "store/histogram_buckets.h"
#include "store/histogram_sum.h"

namespace gw::store {
namespace {

std::string encoded(const ValueHistogram& h) {
  std::string out;
  h.encode(out);
  return out;
}

TEST(ValueHistogram, BucketsCoverAllNumbersInOrderWithinOnePercent) {
  std::size_t last = 0;
  for (int bit = 0; bit < 63; ++bit) {
    for (std::int64_t step : {-3, -2, -1, 0, 1, 2, 3}) {
      const std::int64_t v = std::max<std::int64_t>(0, (std::int64_t{1} << bit) + step);
      const std::size_t bucket = histogram_bucket(v);
      ASSERT_LT(bucket, kHistogramBuckets);
      EXPECT_EQ(histogram_bucket(bucket_middle(bucket)), bucket);
      EXPECT_LE(std::abs(static_cast<double>(bucket_middle(bucket) - v)), static_cast<double>(v) / 256) << v;
      if (bit > 3) {
        EXPECT_GE(bucket, last);
      }
      last = bucket;
    }
  }
  EXPECT_EQ(histogram_bucket(INT64_MAX), kHistogramBuckets - 1);
  EXPECT_EQ(bucket_middle(255), 255);
}

TEST(ValueHistogram, IsExactUpToItsBoundAndInterpolatesBetweenRanks) {
  ValueHistogram h;
  EXPECT_EQ(h.percentile(0.5), 0);
  h.add(1'000'003);
  EXPECT_EQ(h.percentile(0.99), 1'000'003);
  h.add(1'000'001);
  EXPECT_EQ(h.percentile(0.5), 1'000'002);
  h.add(-5);
  EXPECT_EQ(h.percentile(0), 0);
  for (std::int64_t i = 0; i < 61; ++i) h.add(2'000'003 + 2 * i, 3);
  EXPECT_EQ(h.percentile(1), 2'000'123);
  h.add(5'000'001);
  EXPECT_NE(h.percentile(1), 5'000'001);
  EXPECT_NEAR(h.percentile(1), 5'000'001, 50'000);
}

TEST(ValueHistogram, MergesInAnyOrderToOneAnswer) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    TraceDraw draw(seed);
    std::vector<ValueHistogram> parts(static_cast<std::size_t>(draw.number(2, 6)));
    std::vector<std::int64_t> values;
    const std::int64_t kinds = draw.chance(50) ? 40 : 1'000'000;
    for (std::int64_t i = 0; i < draw.number(1, 400); ++i) {
      values.push_back(draw.number(0, kinds));
      parts[static_cast<std::size_t>(draw.number(0, static_cast<std::int64_t>(parts.size()) - 1))].add(values.back());
    }
    ValueHistogram one, forth, back;
    HistogramSum dense(true), sparse(false);
    for (const std::int64_t v : values) one.add(v);
    for (const auto& p : parts) {
      forth.merge(p);
      ASSERT_TRUE(dense.merge_encoded(encoded(p)));
      ASSERT_TRUE(sparse.merge_encoded(encoded(p)));
    }
    for (auto p = parts.rbegin(); p != parts.rend(); ++p) ASSERT_TRUE(back.merge_encoded(encoded(*p)));
    EXPECT_EQ(encoded(forth), encoded(one)) << seed;
    EXPECT_EQ(encoded(back), encoded(one)) << seed;
    EXPECT_EQ(encoded(dense.take()), encoded(one)) << seed;
    EXPECT_EQ(encoded(sparse.take()), encoded(one)) << seed;
    EXPECT_NEAR(one.percentile(0.9), model_percentile(values, 0.9), model_percentile(values, 0.9) * 0.01) << seed;
  }
}

TEST(ValueHistogram, ItselfCanBeMergedAndCountsStopAtTheEnd) {
  ValueHistogram h;
  h.add(7, INT64_MAX);
  h.add(9);
  h.merge(h);
  EXPECT_EQ(h.count(), INT64_MAX);
  EXPECT_EQ(h.percentile(0.5), 7);
  h.add(3, 0);
  h.add(3, -4);
  EXPECT_EQ(h.count(), INT64_MAX);
  h.clear();
  EXPECT_EQ(h.count(), 0);
}

TEST(ValueHistogram, WhatIsMalformedIsRefusedAndChangesNothing) {
  ValueHistogram few, many;
  for (std::int64_t i = 0; i < 20; ++i) few.add(i * 1000);
  for (std::int64_t i = 0; i < 200; ++i) many.add(i * 1000);
  for (const ValueHistogram* h : {&few, &many}) {
    const std::string good = encoded(*h);
    ValueHistogram into = few;
    for (std::size_t n = 0; n < good.size(); ++n) EXPECT_FALSE(into.merge_encoded(good.substr(0, n)));
    EXPECT_FALSE(into.merge_encoded(good + '\0'));
    EXPECT_FALSE(into.merge_encoded('\x05' + good.substr(1)));
    EXPECT_EQ(encoded(into), encoded(few));
  }
  ValueHistogram into;
  EXPECT_FALSE(into.merge_encoded(std::string_view("\x02\x02\x01\x01\x00\x01", 6)));  // the same value twice
  EXPECT_FALSE(into.merge_encoded(std::string_view("\x02\x01\x01\x00", 4)));          // a count of 0
  EXPECT_FALSE(into.merge_encoded(std::string_view("\x03\x01\xFF\xFF\x03\x01", 6)));  // a bucket that is none
  EXPECT_EQ(into.count(), 0);
}

}  // namespace
}  // namespace gw::store
