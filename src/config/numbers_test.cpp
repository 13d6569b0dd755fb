#include "config/numbers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace gw::config {
namespace {

template <class T>
std::string shown(const Parsed<T>& parsed) {
  if (parsed) return std::to_string(*parsed);
  return parsed.error() == NumberError::range ? "range" : "syntax";
}

TEST(EnvironmentIntegers, AreSignedDecimalsAndNothingElse) {
  const std::pair<std::string_view, std::string> cases[] = {{"0", "0"},
                                                            {"8080", "8080"},
                                                            {"-5", "-5"},
                                                            {"+7", "7"},
                                                            {"007", "7"},
                                                            {"", "syntax"},
                                                            {" 1", "syntax"},
                                                            {"1 ", "syntax"},
                                                            {"1.0", "syntax"},
                                                            {"0x10", "syntax"},
                                                            {"1_000", "syntax"},
                                                            {"--1", "syntax"},
                                                            {"+-1", "syntax"},
                                                            {"-", "syntax"},
                                                            {"1e3", "syntax"},
                                                            {"9223372036854775807", "9223372036854775807"},
                                                            {"9223372036854775808", "range"},
                                                            {"-9223372036854775808", "-9223372036854775808"},
                                                            {"-9223372036854775809", "range"},
                                                            {"99999999999999999999999", "range"}};
  for (const auto& [text, expected] : cases) EXPECT_EQ(shown(parse_decimal_int(text)), expected) << '"' << text << '"';
}

TEST(EnvironmentFloats, AreDecimalHexInfinityOrNan) {
  const std::pair<std::string_view, double> good[] = {
      {"0", 0},        {"0.25", 0.25},   {".5", 0.5},      {"1.", 1},       {"-2e3", -2000},
      {"+1E-2", 0.01}, {"0x1p-2", 0.25}, {"0X1.8P1", 3.0}, {"1e-400", 0.0}, {"0.0e5", 0}};
  for (const auto& [text, expected] : good) {
    const auto parsed = parse_float(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_DOUBLE_EQ(*parsed, expected) << text;
  }
  EXPECT_TRUE(std::isnan(*parse_float("NaN")));
  EXPECT_EQ(*parse_float("-Infinity"), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(*parse_float("+inf"), std::numeric_limits<double>::infinity());
  for (std::string_view bad : {"", "abc", "1e", "e5", ".", "+", "-", "1.2.3", " 1", "1 ", "0x10", "0x", "0x-1p2",
                               "-nan", "nan(1)", "1_0", "--1", "infin"})
    EXPECT_EQ(shown(parse_float(bad)), "syntax") << '"' << bad << '"';
  EXPECT_EQ(shown(parse_float("1e999")), "range");
  EXPECT_EQ(shown(parse_float("-1e999")), "range");
  EXPECT_EQ(shown(parse_float("0x1p99999")), "range");
}

TEST(EnvironmentBooleans, AreTheTwelveSpellings) {
  for (std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"}) EXPECT_EQ(parse_bool(yes), true) << yes;
  for (std::string_view no : {"0", "f", "F", "FALSE", "false", "False"}) EXPECT_EQ(parse_bool(no), false) << no;
  for (std::string_view bad : {"", "yes", "no", "on", "off", "tRUE", " true", "2", "y"})
    EXPECT_FALSE(parse_bool(bad)) << bad;
}

TEST(YamlIntegers, KnowEveryBase) {
  const std::pair<std::string_view, std::string> cases[] = {{"80", "80"},
                                                            {"-80", "-80"},
                                                            {"+80", "80"},
                                                            {"0x1F90", "8080"},
                                                            {"0o17620", "8080"},
                                                            {"017620", "8080"},
                                                            {"0b11", "3"},
                                                            {"8_080", "8080"},
                                                            {"0", "0"},
                                                            {"-0x10", "-16"},
                                                            {"08", "syntax"},
                                                            {"0x", "syntax"},
                                                            {"_1", "syntax"},
                                                            {"1_", "syntax"},
                                                            {"", "syntax"},
                                                            {"1.5", "syntax"},
                                                            {"abc", "syntax"},
                                                            {"0x-1", "syntax"},
                                                            {"9223372036854775808", "range"}};
  for (const auto& [text, expected] : cases) EXPECT_EQ(shown(parse_yaml_int(text)), expected) << '"' << text << '"';
}

TEST(YamlFloats, AreDecimalsAndTheDottedWords) {
  EXPECT_DOUBLE_EQ(*parse_yaml_float("8080.9"), 8080.9);
  EXPECT_DOUBLE_EQ(*parse_yaml_float("-1e3"), -1000);
  EXPECT_TRUE(std::isnan(*parse_yaml_float(".nan")));
  EXPECT_EQ(*parse_yaml_float("-.inf"), -std::numeric_limits<double>::infinity());
  for (std::string_view bad : {"nan", "inf", "", ".", "0x1p2", "1e", "--1.5", "-.nan", "1.5x"})
    EXPECT_EQ(shown(parse_yaml_float(bad)), "syntax") << '"' << bad << '"';
}

TEST(YamlBooleans, KnowTheOldSpellingsOnlyWhenAsked) {
  for (std::string_view yes : {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"})
    EXPECT_EQ(parse_yaml_bool(yes, true), true) << yes;
  for (std::string_view no : {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"})
    EXPECT_EQ(parse_yaml_bool(no, true), false) << no;
  EXPECT_EQ(parse_yaml_bool("true", false), true);
  for (std::string_view bad : {"yes", "off", "", "1", "tRUE"}) EXPECT_FALSE(parse_yaml_bool(bad, false)) << bad;
  for (std::string_view bad : {"", "1", "0", "yEs", "enabled"}) EXPECT_FALSE(parse_yaml_bool(bad, true)) << bad;
}

}  // namespace
}  // namespace gw::config
