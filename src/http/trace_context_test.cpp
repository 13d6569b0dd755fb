#include "http/trace_context.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/strings.h"

namespace gw::http {
namespace {

const std::string kId = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string kSpan = "00f067aa0ba902b7";
const std::string kGood = "00-" + kId + "-" + kSpan + "-01";

std::string text(const TraceParent& p) {
  std::string out(kTraceParentSize, '?');
  write_traceparent(out.data(), p);
  return out;
}

RemoteContext read(const std::vector<std::pair<std::string, std::string>>& lines) {
  Fields fields;
  for (const auto& [name, value] : lines) fields.push_back({name, value, classify(name)});
  return read_trace_context(fields);
}

RemoteContext with_state(const std::vector<std::string>& lines) {
  std::vector<std::pair<std::string, std::string>> fields{{"TraceParent", kGood}};
  for (const std::string& line : lines) fields.emplace_back("Tracestate", line);
  return read(fields);
}

TEST(TraceParent, IsReadAndWrittenAlike) {
  for (const char* flags : {"00", "01"}) {
    const std::string value = "00-" + kId + "-" + kSpan + "-" + flags;
    const auto parsed = parse_traceparent(value);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(text(*parsed), value);
  }
}

TEST(TraceParent, OnlyTheSampledFlagIsKept) {
  EXPECT_TRUE(parse_traceparent("00-" + kId + "-" + kSpan + "-ff")->sampled);
  EXPECT_FALSE(parse_traceparent("00-" + kId + "-" + kSpan + "-fe")->sampled);
  EXPECT_EQ(text(*parse_traceparent("00-" + kId + "-" + kSpan + "-09")), kGood);
}

TEST(TraceParent, OfALaterVersionIsReadAsFarAsItIsKnown) {
  for (const char* more : {"", "-", "-what-the-future-will-be-like"})
    EXPECT_TRUE(parse_traceparent("cc-" + kId + "-" + kSpan + "-01" + more)) << more;
  for (const char* more : {".", "0", "x-", " "})
    EXPECT_FALSE(parse_traceparent("cc-" + kId + "-" + kSpan + "-01" + more)) << more;
}

TEST(TraceParent, MalformedIsNone) {
  std::string upper = kId;
  upper[0] = 'F';
  const std::vector<std::string> bad = {
      "",
      "00",
      kGood + "-",
      kGood + "-00",
      kGood + "0",
      " " + kGood,
      "ff-" + kId + "-" + kSpan + "-01",
      "0-" + kId + "-" + kSpan + "-01",
      "0x-" + kId + "-" + kSpan + "-01",
      "00-" + upper + "-" + kSpan + "-01",
      "00-" + std::string(32, '0') + "-" + kSpan + "-01",
      "00-" + kId + "-" + std::string(16, '0') + "-01",
      "00-" + kId + "-" + kSpan + "-0",
      "00-" + kId + "-" + kSpan + "-0A",
      "00-" + kId + "-" + kSpan + "-.1",
      "00_" + kId + "-" + kSpan + "-01",
      "00-" + kId + "_" + kSpan + "-01",
      "00-" + kId + "-" + kSpan + "_01",
      "00-" + kId.substr(1) + "--" + kSpan + "-01",
  };
  for (const std::string& value : bad) EXPECT_FALSE(parse_traceparent(value)) << value;
}

TEST(TraceParent, EveryByteMatters) {
  for (std::size_t i = 0; i < kGood.size(); ++i) {
    std::string bad = kGood;
    bad[i] = '.';
    EXPECT_FALSE(parse_traceparent(bad)) << bad;
    EXPECT_FALSE(parse_traceparent(kGood.substr(0, i))) << i;
  }
}

TEST(RemoteContext, ARepeatedTraceparentIsNone) {
  EXPECT_TRUE(read({{"traceparent", kGood}}).parent);
  EXPECT_FALSE(read({{"traceparent", kGood}, {"TRACEPARENT", kGood}}).parent);
}

TEST(RemoteContext, StateNeedsASoundParent) {
  EXPECT_TRUE(with_state({"a=1"}).has_state);
  EXPECT_FALSE(read({{"tracestate", "a=1"}}).has_state);
  EXPECT_FALSE(read({{"traceparent", "junk"}, {"tracestate", "a=1"}}).has_state);
}

TEST(RemoteContext, StateIsOneListOverAllLines) {
  EXPECT_TRUE(with_state({"a=1,b=2", "c=3"}).has_state);
  EXPECT_FALSE(with_state({"a=1,b=2", "a=3"}).has_state) << "a key twice";
  EXPECT_FALSE(with_state({"a=1", "junk"}).has_state);
  std::string many;
  for (int i = 0; i < 32; ++i) many += "k" + std::to_string(i) + "=v,";
  EXPECT_TRUE(with_state({many}).has_state);
  EXPECT_FALSE(with_state({many, "one=more"}).has_state);
}

TEST(RemoteContext, StateIsReadStrictly) {
  for (const std::string good :
       {"foo=1", "foo=1 \t,\t bar=2", "foo=1,,bar=2", "0t@system=v", "t-_*/@s-_*/=v", "a= leading blank", "a=!#~", ","})
    EXPECT_EQ(with_state({good}).has_state, good != ",") << good;
  for (const std::string& bad :
       {std::string("foo"), std::string("=1"), std::string("foo="), std::string("FOO=1"), std::string("0foo=1"),
        std::string("foo@=1"), std::string("@foo=1"), std::string("a@0b=1"), std::string("a@b@c=1"),
        std::string("foo =1"), std::string("foo.bar=1"), std::string("foo=1=2"), std::string("foo=b\x7f"),
        std::string("foo=b\x80"), std::string("foo=\x01x"), std::string(257, 'k') + "=1", "k=" + std::string(257, 'v'),
        std::string(242, 't') + "@v=1", "t@" + std::string(15, 'v') + "=1"})
    EXPECT_FALSE(with_state({bad}).has_state) << bad;
  EXPECT_TRUE(with_state({std::string(256, 'k') + "=" + std::string(256, 'v')}).has_state);
  EXPECT_TRUE(with_state({std::string(241, 't') + "@" + std::string(14, 'v') + "=1"}).has_state);
}

std::array<std::uint8_t, 16> id_with_low(std::uint64_t low) {
  std::array<std::uint8_t, 16> id{};
  for (int i = 15; i >= 8; --i, low >>= 8) id[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(low);
  return id;
}

TEST(TraceRatio, DecidesByTheLow63BitsButOne) {
  const auto all = id_with_low(~std::uint64_t{0}), none = id_with_low(0);
  EXPECT_TRUE(TraceRatio(1).takes(all));
  EXPECT_TRUE(TraceRatio(2).takes(all));
  EXPECT_FALSE(TraceRatio(0).takes(none));
  EXPECT_FALSE(TraceRatio(-1).takes(none));
  EXPECT_FALSE(TraceRatio(__builtin_nan("")).takes(none));
  EXPECT_TRUE(TraceRatio(0.5).takes(id_with_low(0x7fff'ffff'ffff'ffff)));
  EXPECT_FALSE(TraceRatio(0.5).takes(id_with_low(0x8000'0000'0000'0000)));
  EXPECT_TRUE(TraceRatio(0.25).takes(id_with_low(0x3fff'ffff'ffff'ffff)));
  EXPECT_FALSE(TraceRatio(0.25).takes(id_with_low(0x4000'0000'0000'0000)));
}

}  // namespace
}  // namespace gw::http
