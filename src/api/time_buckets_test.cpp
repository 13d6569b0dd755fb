#include "api/time_buckets.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/time_format.h"

namespace gw::api {
namespace {

// Zones change their rules: the days of these tests are past ones.

std::int64_t instant(std::string_view text) { return parse_rfc3339(text).value_or(-1); }

/// Starts of the buckets, joined by spaces; `~` in front of one that the range cuts.
std::string cut(std::string_view from, std::string_view to, BucketUnit unit, std::string_view zone) {
  const auto z = TimeZone::parse(zone);
  if (!z) return "no such zone";
  const auto b = cut_into_buckets(instant(from), instant(to), unit, *z, 1000);
  if (!b) return "too many";
  EXPECT_EQ(b->edges.size(), b->starts.size() + 1);
  EXPECT_EQ(b->edges.front(), instant(from));
  EXPECT_EQ(b->edges.back(), instant(to));
  std::string out;
  for (std::size_t i = 0; i < b->starts.size(); ++i) {
    EXPECT_LT(b->edges[i], b->edges[i + 1]);
    EXPECT_TRUE(i == 0 || b->edges[i] == b->starts[i]) << i;
    out.append(out.empty() ? "" : " ")
        .append(b->starts[i] < b->edges[i] ? "~" : "")
        .append(format_rfc3339(b->starts[i]));
  }
  return out;
}

TEST(TimeZone, KnowsOffsetsAndTheNamesOfTheSystem) {
  const std::int64_t winter = instant("2020-01-15T12:00:00Z") / 1'000'000'000,
                     summer = instant("2020-07-15T12:00:00Z") / 1'000'000'000;
  struct Case {
    const char* name;
    std::int64_t winter, summer;
  };
  const Case cases[] = {
      {"UTC", 0, 0},
      {"Z", 0, 0},
      {"+02:00", 7200, 7200},
      {"02:00", 7200, 7200},
      {"-05:30", -19800, -19800},
      {"+00:00", 0, 0},
      {"+23:59", 86340, 86340},
      {"Europe/Berlin", 3600, 7200},
      {"America/New_York", -18000, -14400},
      {"Asia/Kolkata", 19800, 19800},
      {"America/Argentina/Buenos_Aires", -10800, -10800},
      {"Etc/GMT+5", -18000, -18000},
      {"Australia/Lord_Howe", 39600, 37800},
  };
  for (const Case& c : cases) {
    const auto zone = TimeZone::parse(c.name);
    ASSERT_TRUE(zone) << c.name;
    EXPECT_EQ(zone->offset(winter), c.winter) << c.name;
    EXPECT_EQ(zone->offset(summer), c.summer) << c.name;
  }
}

TEST(TimeZone, RefusesWhatIsNone) {
  for (const char* name : {"",
                           "Mars/Olympus",
                           "europe/berlin",
                           "+2",
                           "+02",
                           "+0200",
                           "+24:00",
                           "+02:60",
                           "2:00",
                           "+02:00x",
                           "../../etc/passwd",
                           "/etc/passwd",
                           "Europe",
                           "Europe/",
                           "Europe//Berlin",
                           "Europe/./Berlin",
                           "Europe/Berlin/",
                           "file:Europe/Berlin",
                           "Fixed/UTC+05:30:00",
                           "right/Europe/Berlin",
                           "posix/Europe/Berlin",
                           "tzdata.zi",
                           "zone.tab",
                           "--:--",
                           "+1a:00"})
    EXPECT_FALSE(TimeZone::parse(name)) << name;
  EXPECT_FALSE(TimeZone::parse(std::string(65, 'a')));
  EXPECT_FALSE(TimeZone::parse(std::string_view("Europe/Berlin\0x", 15)));
}

TEST(TimeBuckets, OfUtcBeginAtTheContractsInstants) {
  EXPECT_EQ(cut("2026-02-12T01:30:00Z", "2026-02-12T03:00:00Z", BucketUnit::hour, "UTC"),
            "~2026-02-12T01:00:00Z 2026-02-12T02:00:00Z");
  EXPECT_EQ(cut("2026-02-12T00:00:00Z", "2026-02-13T00:00:00.000000001Z", BucketUnit::day, "UTC"),
            "2026-02-12T00:00:00Z 2026-02-13T00:00:00Z");
  EXPECT_EQ(cut("2026-02-15T23:59:59Z", "2026-02-17T00:00:00Z", BucketUnit::week, "UTC"),
            "~2026-02-09T00:00:00Z 2026-02-16T00:00:00Z")
      << "weeks begin on Monday";
  EXPECT_EQ(cut("2026-01-31T00:00:00Z", "2026-03-01T00:00:01Z", BucketUnit::month, "UTC"),
            "~2026-01-01T00:00:00Z 2026-02-01T00:00:00Z 2026-03-01T00:00:00Z");
  EXPECT_EQ(cut("2026-02-12T01:30:30Z", "2026-02-12T01:32:00Z", BucketUnit::minute, "UTC"),
            "~2026-02-12T01:30:00Z 2026-02-12T01:31:00Z");
  EXPECT_EQ(cut("1969-12-31T22:30:00.5Z", "1970-01-01T00:00:00Z", BucketUnit::hour, "UTC"),
            "~1969-12-31T22:00:00Z 1969-12-31T23:00:00Z")
      << "before 1970";
  EXPECT_EQ(cut("2026-02-12T01:30:00Z", "2026-02-12T01:30:00.000000001Z", BucketUnit::month, "UTC"),
            "~2026-02-01T00:00:00Z");
}

TEST(TimeBuckets, DaysAreAsLongAsClocksMakeThem) {
  EXPECT_EQ(cut("2020-03-27T23:00:00Z", "2020-03-31T00:00:00Z", BucketUnit::day, "Europe/Berlin"),
            "2020-03-27T23:00:00Z 2020-03-28T23:00:00Z 2020-03-29T22:00:00Z 2020-03-30T22:00:00Z")
      << "the 29th has 23 hours";
  EXPECT_EQ(cut("2020-10-24T22:00:00Z", "2020-10-26T23:00:00Z", BucketUnit::day, "Europe/Berlin"),
            "2020-10-24T22:00:00Z 2020-10-25T23:00:00Z")
      << "the 25th has 25 hours";
  EXPECT_EQ(cut("2020-03-01T00:00:00Z", "2020-04-15T00:00:00Z", BucketUnit::month, "Europe/Berlin"),
            "~2020-02-29T23:00:00Z 2020-03-31T22:00:00Z");
  EXPECT_EQ(cut("2020-03-25T00:00:00Z", "2020-03-31T00:00:00Z", BucketUnit::week, "Europe/Berlin"),
            "~2020-03-22T23:00:00Z 2020-03-29T22:00:00Z");
}

TEST(TimeBuckets, AnHourThatClocksShowTwiceIsTwoBuckets) {
  EXPECT_EQ(cut("2020-10-25T00:00:00Z", "2020-10-25T03:00:00Z", BucketUnit::hour, "Europe/Berlin"),
            "2020-10-25T00:00:00Z 2020-10-25T01:00:00Z 2020-10-25T02:00:00Z");
  EXPECT_EQ(cut("2020-03-29T00:00:00Z", "2020-03-29T03:00:00Z", BucketUnit::hour, "Europe/Berlin"),
            "2020-03-29T00:00:00Z 2020-03-29T01:00:00Z 2020-03-29T02:00:00Z");
}

TEST(TimeBuckets, ClocksThatJumpByHalfAnHourBeginABucketThere) {
  // On 5 April 2020 at 02:00 (+11:00) Lord Howe's clocks go back to 01:30 (+10:30).
  EXPECT_EQ(cut("2020-04-04T14:00:00Z", "2020-04-04T17:00:00Z", BucketUnit::hour, "Australia/Lord_Howe"),
            "2020-04-04T14:00:00Z 2020-04-04T15:00:00Z 2020-04-04T15:30:00Z 2020-04-04T16:30:00Z");
  EXPECT_EQ(cut("2020-04-04T15:10:00Z", "2020-04-04T15:20:00Z", BucketUnit::hour, "Australia/Lord_Howe"),
            "~2020-04-04T15:00:00Z");
  EXPECT_EQ(cut("2020-10-03T15:10:00Z", "2020-10-03T16:10:00Z", BucketUnit::hour, "Australia/Lord_Howe"),
            "~2020-10-03T14:30:00Z 2020-10-03T15:30:00Z 2020-10-03T16:00:00Z");
}

TEST(TimeBuckets, ADayThatAZoneLeftOutIsNoBucket) {
  // Samoa went from 29 to 31 December 2011.
  EXPECT_EQ(cut("2011-12-29T10:00:00Z", "2012-01-01T09:00:00Z", BucketUnit::day, "Pacific/Apia"),
            "2011-12-29T10:00:00Z 2011-12-30T10:00:00Z 2011-12-31T10:00:00Z");
}

TEST(TimeBuckets, MidnightThatClocksShowTwiceBeginsTheDayOnce) {
  // On 1 November 2020 at 01:00 Havana's clocks go back to 00:00.
  EXPECT_EQ(cut("2020-10-31T04:00:00Z", "2020-11-02T06:00:00Z", BucketUnit::day, "America/Havana"),
            "2020-10-31T04:00:00Z 2020-11-01T04:00:00Z 2020-11-02T05:00:00Z");
  // On 7 November 2010 at 00:01 those of St. John's went back to 23:01 of the day before.
  EXPECT_EQ(cut("2010-11-07T02:30:00Z", "2010-11-07T04:00:00Z", BucketUnit::day, "America/St_Johns"),
            "2010-11-07T02:30:00Z");
  EXPECT_EQ(cut("2010-11-07T02:40:00Z", "2010-11-07T04:00:00Z", BucketUnit::day, "America/St_Johns"),
            "~2010-11-07T02:30:00Z")
      << "a day that was over does not begin again";
}

TEST(TimeBuckets, KnowWhetherTheyBeginAtWholeHours) {
  const auto whole = [](std::string_view from, std::string_view to, BucketUnit unit, std::string_view zone) {
    return cut_into_buckets(instant(from), instant(to), unit, *TimeZone::parse(zone), 1000)->whole_hours;
  };
  EXPECT_TRUE(whole("2020-02-12T00:10:00Z", "2020-02-14T00:20:00Z", BucketUnit::hour, "Europe/Berlin"));
  EXPECT_FALSE(whole("2020-02-12T00:00:00Z", "2020-02-14T00:00:00Z", BucketUnit::day, "Asia/Kolkata"));
  EXPECT_TRUE(whole("2020-02-12T00:00:00Z", "2020-02-12T10:00:00Z", BucketUnit::day, "Asia/Kolkata"))
      << "one bucket has no edge inside";
  EXPECT_FALSE(whole("2020-07-01T00:00:00Z", "2020-07-03T00:00:00Z", BucketUnit::day, "Australia/Lord_Howe"));
  EXPECT_TRUE(whole("2020-01-01T00:00:00Z", "2020-01-03T00:00:00Z", BucketUnit::day, "Australia/Lord_Howe"));
}

TEST(TimeBuckets, AreBounded) {
  EXPECT_NE(cut("2026-02-12T00:00:00Z", "2026-02-12T16:40:00Z", BucketUnit::minute, "UTC"), "too many");
  EXPECT_EQ(cut("2026-02-12T00:00:00Z", "2026-02-12T16:40:00.1Z", BucketUnit::minute, "UTC"), "too many");
  EXPECT_EQ(cut("1700-01-01T00:00:00Z", "2250-01-01T00:00:00Z", BucketUnit::hour, "Europe/Berlin"), "too many");
}

TEST(TimeBuckets, EveryInstantIsInTheBucketThatClocksSay) {
  const unsigned seed = std::random_device{}();
  std::mt19937_64 random(seed);
  const char* zones[] = {"Europe/Berlin",     "America/New_York",  "Asia/Kolkata", "Australia/Lord_Howe",
                         "Africa/Casablanca", "America/Sao_Paulo", "Asia/Tehran",  "-03:30"};
  for (int round = 0; round < 400; ++round) {
    const char* name = zones[random() % std::size(zones)];
    const TimeZone zone = *TimeZone::parse(name);
    // 1990 to 2040
    const auto from = static_cast<std::int64_t>(631'152'000 + random() % 1'577'836'800) * 1'000'000'000;
    const auto unit = static_cast<BucketUnit>(random() % 5);
    const std::int64_t hours[] = {3, 200, 2000, 20'000, 90'000};
    const std::int64_t to =
        from + 1 + static_cast<std::int64_t>(random() % 1'000'000) * hours[static_cast<int>(unit)] * 3'600'000;
    const auto b = cut_into_buckets(from, to, unit, zone, 100'000);
    ASSERT_TRUE(b) << seed;
    for (std::size_t i = 0; i < b->starts.size(); ++i) {
      const cctz::civil_second first = zone.civil(b->starts[i] / 1'000'000'000);
      const cctz::civil_second last = zone.civil((b->edges[i + 1] - 1) / 1'000'000'000);
      const std::string where = "seed " + std::to_string(seed) + " " + name + " unit " +
                                std::to_string(static_cast<int>(unit)) + " " + format_rfc3339(b->starts[i]);
      switch (unit) {
        case BucketUnit::minute:
          ASSERT_EQ(cctz::civil_minute(first), cctz::civil_minute(last)) << where;
          break;
        case BucketUnit::hour:
          ASSERT_EQ(cctz::civil_hour(first), cctz::civil_hour(last)) << where;
          break;
        case BucketUnit::day:
          ASSERT_EQ(cctz::civil_day(first), cctz::civil_day(last)) << where;
          break;
        case BucketUnit::week:
          ASSERT_LT(cctz::civil_day(last) - cctz::civil_day(first), 7) << where;
          ASSERT_EQ(cctz::get_weekday(cctz::civil_day(first)), cctz::weekday::monday) << where;
          break;
        case BucketUnit::month:
          ASSERT_EQ(cctz::civil_month(first), cctz::civil_month(last)) << where;
          break;
      }
    }
  }
}

}  // namespace
}  // namespace gw::api
