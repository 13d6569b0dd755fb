#include "cli/flags.h"

#include <gtest/gtest.h>

#include <sstream>

#include "cli/values.h"

namespace gw::cli {
namespace {

/// The flags of the contract's diagnostics and debug commands together: every kind.
struct Everything {
  std::string config = "ongoingai.yaml";
  std::string base_url;
  std::int64_t limit = 200;
  std::int64_t offset = 0;
  std::int64_t timeout = 5'000'000'000;
  bool diff = false;
  bool color = true;
  FlagSet flags{"everything"};
  std::ostringstream err;

  Everything() {
    flags.add("timeout", timeout, "how long to wait");
    flags.add_duration("wait", timeout, "how long to wait");
    flags.add("limit", limit, "how many");
    flags.add("offset", offset, "where to start");
    flags.add("diff", diff, "show differences");
    flags.add("color", color, "with colours");
    flags.add("base-url", base_url, "where");
    flags.add("config", config, "configuration file");
  }
  bool parse(const std::vector<std::string>& args) { return flags.parse(args, err) == FlagSet::Outcome::ok; }
  std::string first_line() const { return err.str().substr(0, err.str().find('\n')); }
};

TEST(FlagSet, TakesOneOrTwoDashesWithTheValueBehindOrBehindAnEqualsSign) {
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"-config", "a.yaml"},
                                             {"--config", "a.yaml"},
                                             {"-config=a.yaml"},
                                             {"--config=a.yaml"},
                                             {"--config", "b", "-config", "a.yaml"}}) {
    Everything e;
    EXPECT_TRUE(e.parse(args)) << args[0];
    EXPECT_EQ(e.config, "a.yaml") << args[0];
    EXPECT_TRUE(e.flags.given("config"));
    EXPECT_FALSE(e.flags.given("limit"));
    EXPECT_TRUE(e.flags.positional().empty());
    EXPECT_EQ(e.err.str(), "");
  }
}

TEST(FlagSet, MixedFlagsAndWordsComeInAnyOrderUntilTwoDashes) {
  using Words = std::vector<std::string>;
  for (const Words& args : std::vector<Words>{{"--limit", "3", "--diff", "a", "b"},
                                              {"a", "--limit", "3", "b", "--diff"},
                                              {"a", "b", "-diff", "-limit=3"},
                                              {"--limit", "3", "a", "--diff", "--", "b"}}) {
    Everything e;
    EXPECT_EQ(e.flags.parse_mixed(args, e.err), FlagSet::Outcome::ok) << e.err.str();
    EXPECT_EQ(e.flags.positional(), (Words{"a", "b"}));
    EXPECT_EQ(e.limit, 3);
    EXPECT_TRUE(e.diff);
  }
  Everything e;
  EXPECT_EQ(e.flags.parse_mixed(Words{"-", "--", "--diff", "x"}, e.err), FlagSet::Outcome::ok);
  EXPECT_EQ(e.flags.positional(), (Words{"-", "--diff", "x"}));
  EXPECT_FALSE(e.diff);
  EXPECT_EQ(e.flags.parse_mixed(Words{"a", "--nope"}, e.err), FlagSet::Outcome::failed);
  EXPECT_EQ(e.first_line(), "flag provided but not defined: -nope");
  Everything plain;
  EXPECT_TRUE(plain.parse({"a", "--diff"}));
  EXPECT_EQ(plain.flags.positional(), (Words{"a", "--diff"})) << "what a wrapped command is given is its own";
}

TEST(FlagSet, AValueMayLookLikeAFlagOrHoldEqualsSignsOrBeEmpty) {
  Everything e;
  EXPECT_TRUE(e.parse({"-config", "--limit", "-base-url=http://h/?a=b"}));
  EXPECT_EQ(e.config, "--limit");
  EXPECT_EQ(e.base_url, "http://h/?a=b");
  EXPECT_TRUE(e.parse({"-config="}));
  EXPECT_EQ(e.config, "");
}

TEST(FlagSet, StopsAtTheFirstArgumentThatIsNoFlag) {
  Everything e;
  EXPECT_TRUE(e.parse({"-diff", "last", "-limit", "3"}));
  EXPECT_TRUE(e.diff);
  EXPECT_EQ(e.limit, 200);
  EXPECT_EQ(e.flags.positional(), (std::vector<std::string>{"last", "-limit", "3"}));

  Everything dash;
  EXPECT_TRUE(dash.parse({"-", "-limit"}));
  EXPECT_EQ(dash.flags.positional(), (std::vector<std::string>{"-", "-limit"}));
}

TEST(FlagSet, TwoDashesEndTheFlagsAndAreTakenAway) {
  Everything e;
  EXPECT_TRUE(e.parse({"-diff", "--", "-limit", "3"}));
  EXPECT_EQ(e.flags.positional(), (std::vector<std::string>{"-limit", "3"}));
}

TEST(FlagSet, ABooleanTakesItsValueOnlyBehindAnEqualsSign) {
  Everything e;
  EXPECT_TRUE(e.parse({"-color=F", "-diff", "false"}));
  EXPECT_FALSE(e.color);
  EXPECT_TRUE(e.diff);
  EXPECT_EQ(e.flags.positional(), (std::vector<std::string>{"false"}));
}

TEST(FlagSet, TellsEveryProblemInTheContractsWords) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> table{
      {{"-nope"}, "flag provided but not defined: -nope"},
      {{"--nope=1"}, "flag provided but not defined: -nope"},
      {{"-config"}, "flag needs an argument: -config"},
      {{"--limit"}, "flag needs an argument: -limit"},
      {{"-limit", "x"}, "invalid value \"x\" for flag -limit: parse error"},
      {{"-limit="}, "invalid value \"\" for flag -limit: parse error"},
      {{"-limit", "1.5"}, "invalid value \"1.5\" for flag -limit: parse error"},
      {{"-limit", "9223372036854775808"}, "invalid value \"9223372036854775808\" for flag -limit: value out of range"},
      {{"-wait", "5"}, "invalid value \"5\" for flag -wait: parse error"},
      {{"-wait=5 s"}, "invalid value \"5 s\" for flag -wait: parse error"},
      {{"-diff=maybe"}, "invalid boolean value \"maybe\" for -diff: parse error"},
      {{"-diff="}, "invalid boolean value \"\" for -diff: parse error"},
      {{"---config"}, "bad flag syntax: ---config"},
      {{"-=x"}, "bad flag syntax: -=x"},
      {{"--=x"}, "bad flag syntax: --=x"},
      {{"-diff", "-nope"}, "flag provided but not defined: -nope"},
  };
  for (const auto& [args, message] : table) {
    Everything e;
    EXPECT_FALSE(e.parse(args)) << message;
    EXPECT_EQ(e.first_line(), message);
    EXPECT_NE(e.err.str().find("\nUsage of everything:\n"), std::string::npos) << "the help follows the message";
  }
}

TEST(FlagSet, HelpAloneIsPrintedWhenAskedFor) {
  for (const char* flag : {"-h", "--h", "-help", "--help", "-h=1"}) {
    Everything e;
    EXPECT_FALSE(e.parse({flag}));
    EXPECT_EQ(e.first_line(), "Usage of everything:") << flag;
  }
}

TEST(FlagSet, HelpListsFlagsInAlphabeticalOrderWithTypesAndDefaults) {
  Everything e;
  std::ostringstream out;
  e.flags.print_help(out);
  EXPECT_EQ(out.str(),
            "Usage of everything:\n"
            "  -base-url string\n    \twhere\n"
            "  -color\n    \twith colours (default true)\n"
            "  -config string\n    \tconfiguration file (default \"ongoingai.yaml\")\n"
            "  -diff\n    \tshow differences\n"
            "  -limit int\n    \thow many (default 200)\n"
            "  -offset int\n    \twhere to start\n"
            "  -timeout int\n    \thow long to wait (default 5000000000)\n"
            "  -wait duration\n    \thow long to wait (default 5s)\n");
}

TEST(Values, Integers) {
  const std::vector<std::pair<std::string, std::int64_t>> good{{"0", 0},
                                                               {"10", 10},
                                                               {"-7", -7},
                                                               {"+7", 7},
                                                               {"0x1F", 31},
                                                               {"0b101", 5},
                                                               {"0o17", 15},
                                                               {"017", 15},
                                                               {"9223372036854775807", INT64_MAX},
                                                               {"-9223372036854775808", INT64_MIN}};
  for (const auto& [text, value] : good) {
    std::int64_t v = 99;
    EXPECT_EQ(parse_int(text, v), "") << text;
    EXPECT_EQ(v, value) << text;
  }
  for (const char* text : {"", "-", "+", "x", "1x", " 1", "1 ", "08", "0x", "0b2", "1e3", "--1"}) {
    std::int64_t v = 99;
    EXPECT_EQ(parse_int(text, v), "parse error") << text;
    EXPECT_EQ(v, 99) << "an error leaves the value alone";
  }
  for (const char* text : {"9223372036854775808", "-9223372036854775809", "99999999999999999999999"}) {
    std::int64_t v = 99;
    EXPECT_EQ(parse_int(text, v), "value out of range") << text;
  }
}

TEST(Values, Durations) {
  const std::vector<std::pair<std::string, std::int64_t>> good{{"0", 0},
                                                               {"500ms", 500'000'000},
                                                               {"5s", 5'000'000'000},
                                                               {"1m30s", 90'000'000'000},
                                                               {"1h2m3.5s", 3'723'500'000'000},
                                                               {"-2s", -2'000'000'000},
                                                               {".5s", 500'000'000},
                                                               {"1.s", 1'000'000'000},
                                                               {"10us", 10'000},
                                                               {"10\xC2\xB5s", 10'000},
                                                               {"7ns", 7}};
  for (const auto& [text, value] : good) {
    std::int64_t v = 99;
    EXPECT_EQ(parse_duration(text, v), "") << text;
    EXPECT_EQ(v, value) << text;
  }
  for (const char* text : {"", "5", "s", ".s", "5 s", "5x", "1m30", "-", "1e3s", "9999999h"}) {
    std::int64_t v = 99;
    EXPECT_EQ(parse_duration(text, v), "parse error") << text;
    EXPECT_EQ(v, 99);
  }
}

TEST(Values, DurationsAsText) {
  const std::vector<std::pair<std::int64_t, std::string>> table{{0, "0s"},
                                                                {1, "1ns"},
                                                                {1'500, "1.5\xC2\xB5s"},
                                                                {500'000'000, "500ms"},
                                                                {5'000'000'000, "5s"},
                                                                {90'000'000'000, "1m30s"},
                                                                {3'600'000'000'000, "1h0m0s"},
                                                                {-1'500'000'000, "-1.5s"}};
  for (const auto& [ns, text] : table) EXPECT_EQ(format_duration(ns), text);
}

TEST(Values, Booleans) {
  for (const char* text : {"1", "t", "T", "TRUE", "true", "True"}) {
    bool v = false;
    EXPECT_EQ(parse_bool(text, v), "");
    EXPECT_TRUE(v) << text;
  }
  for (const char* text : {"0", "f", "F", "FALSE", "false", "False"}) {
    bool v = true;
    EXPECT_EQ(parse_bool(text, v), "");
    EXPECT_FALSE(v) << text;
  }
  for (const char* text : {"", "yes", "tRUE", "2", " 1"}) {
    bool v = true;
    EXPECT_EQ(parse_bool(text, v), "parse error") << text;
  }
}

}  // namespace
}  // namespace gw::cli
