#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/copy_bytes.h"
#include "base/json_writer.h"
#include "base/random.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "base/time_format.h"
#include "base/usd.h"

namespace gw {
namespace {

std::string json(double v) {
  std::string out;
  append_json_double(out, v);
  return out;
}

std::string json(std::string_view s, JsonEscape e = JsonEscape::html) {
  std::string out;
  append_json_string(out, s, e);
  return out;
}

TEST(JsonWriter, WritesFloatsInTheShortestFormOfTheContract) {
  EXPECT_EQ(json(0.0), "0");
  EXPECT_EQ(json(1.0), "1");
  EXPECT_EQ(json(0.003), "0.003");
  EXPECT_EQ(json(0.0000001), "1e-7");
  EXPECT_EQ(json(0.00000015), "1.5e-7");
  EXPECT_EQ(json(1e20), "100000000000000000000");
  EXPECT_EQ(json(1e21), "1e+21");
  EXPECT_EQ(json(-0.5), "-0.5");
}

TEST(JsonWriter, EscapesStringsAsTheContractSays) {
  EXPECT_EQ(json("a\"b\\c/\x7f"), "\"a\\\"b\\\\c/\x7f\"");
  EXPECT_EQ(json("<&>"), "\"\\u003c\\u0026\\u003e\"");
  EXPECT_EQ(json("<&>", JsonEscape::logs), "\"<&>\"");
  EXPECT_EQ(json("\b\f\n\r\t\x01"), "\"\\b\\f\\n\\r\\t\\u0001\"");
  EXPECT_EQ(json("\xE2\x80\xA8"), "\"\\u2028\"");
  EXPECT_EQ(json("gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80"), "\"gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80\"");
  EXPECT_EQ(json("\xFFx\xC3"), "\"\\ufffdx\\ufffd\"");
}

TEST(JsonWriter, PlacesCommas) {
  std::string out;
  JsonWriter w(out);
  w.begin_object().field("a", 1).key("b").begin_array().value(true).value("x").end_array().field("c", 1.5).end_object();
  EXPECT_EQ(out, R"({"a":1,"b":[true,"x"],"c":1.5})");
}

TEST(StorableText, ReplacesEachInvalidByteAndDropsNul) {
  EXPECT_EQ(storable_text("plain ascii that is long enough"), "plain ascii that is long enough");
  EXPECT_EQ(storable_text(std::string_view("a\0b", 3)), "ab");
  EXPECT_EQ(storable_text("\xC3("), "\xEF\xBF\xBD(");
  EXPECT_EQ(storable_text("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_TRUE(is_storable_text("gr\xC3\xBC\xC3\x9F eight bytes and more"));
  EXPECT_FALSE(is_storable_text(std::string_view("12345678\0", 9)));
}

TEST(Usd, IsExactBothWays) {
  const std::pair<std::int64_t, const char*> cases[] = {{0, "0"},
                                                        {1, "0.000000001"},
                                                        {-1, "-0.000000001"},
                                                        {45'000, "0.000045"},
                                                        {1'000'000'000, "1"},
                                                        {-1'500'000'000, "-1.5"},
                                                        {123'456'789'012'345'678, "123456789.012345678"},
                                                        {INT64_MAX, "9223372036.854775807"}};
  std::array<char, kUsdTextBytes> buffer;
  for (const auto& [nano, text] : cases) {
    EXPECT_EQ(usd_text(nano, buffer), text);
    EXPECT_EQ(parse_usd(text), nano) << text;
  }
  EXPECT_EQ(usd_text(INT64_MIN, buffer), "-9223372036.854775808");
}

TEST(Usd, ReadsEveryJsonNumberAndRoundsHalfUp) {
  EXPECT_EQ(parse_usd("1.50"), 1'500'000'000);
  EXPECT_EQ(parse_usd("1.5e-7"), 150);
  EXPECT_EQ(parse_usd("15E-1"), 1'500'000'000);
  EXPECT_EQ(parse_usd("2e+3"), 2'000'000'000'000);
  EXPECT_EQ(parse_usd("0.0000000004999"), 0);
  EXPECT_EQ(parse_usd("0.0000000005"), 1);
  EXPECT_EQ(parse_usd("-0.0000000015"), -2);
  EXPECT_EQ(parse_usd("5e-11"), 0);
  EXPECT_EQ(parse_usd("0e400"), 0);
  EXPECT_EQ(parse_usd("0.00000000000000000000000000000000000001e38"), 1'000'000'000);
  for (const char* bad : {"", "-", ".5", "1.", "1e", "1e+", "1x", "+1", " 1", "9223372036.8547758075", "1e11", "nan"})
    EXPECT_EQ(parse_usd(bad), std::nullopt) << bad;
}

TEST(Strings, ACutLeavesNoCharacterInHalves) {
  const std::string_view s = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
  std::string ends;
  for (std::size_t n = 0; n <= s.size(); ++n) ends += std::to_string(cut_at_character(s, n).size()) + " ";
  EXPECT_EQ(ends, "0 1 1 3 3 3 6 6 6 6 10 11 ");
  EXPECT_EQ(cut_at_character("\x80\x80\x80\x80\x80", 4).size(), 4U) << "no UTF-8: cut where it is";
}

TEST(TimeFormat, RoundTripsAndTrimsZeros) {
  const auto t = parse_rfc3339("2026-02-12T02:00:01.5Z");
  ASSERT_TRUE(t);
  EXPECT_EQ(format_rfc3339(*t), "2026-02-12T02:00:01.5Z");
  EXPECT_EQ(format_db_time(*t), "2026-02-12 02:00:01.5 +0000 UTC");
  EXPECT_EQ(format_rfc3339_seconds(*t), "2026-02-12T02:00:01Z");
  EXPECT_EQ(parse_rfc3339("2026-02-12T03:00:01.5+01:00"), t);
  EXPECT_EQ(parse_db_time("2026-02-12 02:00:01.5 +0000 UTC"), t);
  EXPECT_EQ(parse_db_time("2026-02-12 03:00:01.5+01:00"), t);
  EXPECT_EQ(parse_db_time("2026-02-12T02:00:01.500"), t);
  EXPECT_EQ(format_rfc3339(*parse_date("2024-02-29")), "2024-02-29T00:00:00Z");
}

TEST(Strings, IEqualsTakesCapitalsOfAsciiAsSmallAndNothingElseAtEveryPlace) {
  for (std::size_t size = 1; size <= 20; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (int a = 0; a < 256; ++a) {
        std::string x(size, 'q'), y(size, 'Q');
        x[at] = static_cast<char>(a);
        for (const int b : {a, a ^ 0x20, a ^ 0x80, a ^ 1}) {
          y[at] = static_cast<char>(b);
          ASSERT_EQ(iequals(x, y), to_lower(x[at]) == to_lower(y[at])) << size << " at " << at << ": " << a << " " << b;
        }
      }
    }
  }
}

TEST(TimeFormat, ATimeBeyondTheRangeIsItsNearestEnd) {
  EXPECT_EQ(parse_date("9999-12-31"), parse_rfc3339("9998-01-01T00:00:00Z"));
  EXPECT_EQ(parse_date("0001-01-01"), parse_rfc3339("1600-06-30T12:00:00+02:00"));
  EXPECT_GT(*parse_date("9999-12-31"), *parse_date("2261-01-01"));
  EXPECT_LT(*parse_date("0001-01-01"), *parse_date("1700-01-01"));
}

TEST(TimeFormat, RefusesWhatIsNoTime) {
  for (const char* s : {"", "2026-02-30T00:00:00Z", "2026-02-12", "2026-02-12T24:00:00Z", "2026-02-12T02:00:01.Z",
                        "2026-02-12T02:00:01", "2026-02-12T02:00:01Zx", "2026-2-12T02:00:01Z"})
    EXPECT_FALSE(parse_rfc3339(s)) << s;
  EXPECT_FALSE(parse_date("2026-13-01"));
  EXPECT_FALSE(parse_db_time("yesterday"));
}

TEST(TraceId, LaterIdsSortLater) {
  const TraceId a = make_trace_id(1'700'000'000'000'000'000);
  const TraceId b = make_trace_id(1'700'000'000'002'000'000);
  EXPECT_LT(a, b);
}

TEST(TraceId, SortsByTheNanosecondAndDiffersWithinIt) {
  constexpr std::int64_t kStart = 1'700'000'000'000'999'990;  // ends behind the next millisecond
  TraceId before{};
  for (std::int64_t ns = kStart; ns < kStart + 40; ++ns) {
    const TraceId id = make_trace_id(ns);
    EXPECT_LT(before, id) << ns;
    EXPECT_NE(id, make_trace_id(ns)) << ns;
    before = id;
  }
}

TEST(TraceId, BeginsWithTheMilliseconds) {
  const TraceId id = make_trace_id(0x0123456789abLL * 1'000'000 + 999'999);
  EXPECT_EQ(to_hex({reinterpret_cast<const char*>(id.data()), 8}), "0123456789abf423") << "999,999 ns in 20 bits";
}

/// Clocks that a test sets; each reading takes what is said.
struct SetClock {
  static inline std::int64_t mono = 0, distance = 0;
  static inline std::array<std::int64_t, 9> takes{};
  static inline std::size_t readings = 0;

  static std::int64_t step() { return mono += readings < takes.size() ? takes[readings++] : 0; }
  static std::int64_t mono_ns() { return step(); }
  static std::int64_t wall_ns() { return step() + distance; }
  static void set(std::int64_t to, std::array<std::int64_t, 9> each) {
    mono = to;
    takes = each;
    readings = 0;
  }
};

TEST(WallClock, IsAsFarFromTheOtherClockAsItWasWithinTheMillisecond) {
  WallClock clock({.wall_ns = SetClock::wall_ns, .mono_ns = SetClock::mono_ns});
  SetClock::distance = 1'000'000;
  SetClock::set(500, {});
  EXPECT_EQ(clock.at(500), 1'000'500);
  SetClock::distance = 7'000'000;
  EXPECT_EQ(clock.at(501), 1'000'501) << "it is not looked at again";
  EXPECT_EQ(clock.at(500 + kMs - 1), 1'000'500 + kMs - 1);
  SetClock::set(500 + kMs, {});
  EXPECT_EQ(clock.at(500 + kMs), 7'000'500 + kMs) << "one that was set is followed a millisecond later";
  SetClock::distance = -3;
  SetClock::set(500 + 3 * kMs, {});
  EXPECT_EQ(clock.at(500 + 3 * kMs), 497 + 3 * kMs) << "also back";
}

TEST(WallClock, TakesTheReadingsThatLieClosestTogether) {
  WallClock clock({.wall_ns = SetClock::wall_ns, .mono_ns = SetClock::mono_ns});
  SetClock::distance = 1'000'000;
  SetClock::set(0, {0, 0, 4 * kMs, 0, 10, 10, 0, 9 * kMs, 0});
  EXPECT_EQ(clock.at(100), 1'000'100) << "the second of three, where nothing came between";
}

TEST(WallClock, IsTheOneOfTheMachine) {
  WallClock clock;
  const std::int64_t before = wall_now_ns();
  const std::int64_t at = clock.at(mono_now_ns());
  EXPECT_GT(at, before - kSecondNs);
  EXPECT_LT(at, wall_now_ns() + kSecondNs);
}

TEST(ShortWord, HasEveryByteOfTheTextAndNoOther) {
  const std::string text =
      "\x01"
      "2\x7f"
      "4\xff"
      "67";
  for (std::size_t n = 0; n < 8; ++n) {
    const std::uint64_t word = short_word(text.data(), n, 'z');
    for (std::size_t i = 0; i < 8; ++i) {
      const char byte = static_cast<char>(word >> 8 * i);
      EXPECT_TRUE(byte == 'z' ? n < 4 : text.substr(0, n).find(byte) != std::string::npos) << n << " " << i;
    }
    for (const char c : text.substr(0, n)) {
      bool there = false;
      for (std::size_t i = 0; i < 8; ++i) there = there || static_cast<char>(word >> 8 * i) == c;
      EXPECT_TRUE(there) << n << ": byte " << static_cast<int>(c) << " is not looked at";
    }
  }
}

TEST(Sha256, KnownAnswer) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace gw
