// The YAML rules of the contract, and what hostile or broken text must not do.
#include <algorithm>
#include <string>
#include <vector>

#include "config/bind.h"
#include "config/test_support.h"
#include "config/yaml_document.h"

namespace gw::config {
namespace {

using testing::contains;
using testing::parsed;
using testing::refused;

TEST(EmptyFile, MeansAllDefaults) {
  for (const char* text : {"", "\n\n", "# only a comment\n", "---\n", "---\n...\n", "null\n", "~", "\xEF\xBB\xBF",
                           "%YAML 1.2\n---\n", "   \n  # x\n"})
    EXPECT_EQ(parsed(text).server.port, 8080) << text;
}

TEST(UnknownKeys, AreAllListedWithLineLabelAndPath) {
  EXPECT_EQ(
      refused("server:\n  hots: x\n  port: 80\nstoraeg:\n  path: y\npii:\n  scopes:\n    - mode: off\n      pii: {}\n"),
      "yaml: unmarshal errors:\n"
      "  line 2: field hots not found in type config.ServerConfig (server.hots is not a known key; did you mean "
      "server.host?)\n"
      "  line 4: field storaeg not found in type config.Config (storaeg is not a known key; did you mean storage?)\n"
      "  line 9: field pii not found in type config.PIIScopeConfig (pii.scopes[0].pii is not a known key)");
}

TEST(UnknownKeys, SuggestWhereTheKeyBelongs) {
  EXPECT_TRUE(contains(refused("capture_bodies: true"), "did you mean tracing.capture_bodies?"));
  EXPECT_TRUE(contains(refused("server: {ring_bytes: 1}"), "did you mean trace.ring_bytes?"));
  EXPECT_EQ(refused("prefix: /x").find("did you mean"), std::string::npos) << "two providers have one: no guess";
  EXPECT_TRUE(contains(refused("server: {Max-Header-Bytes: 1}"), "did you mean server.max_header_bytes?"));
}

TEST(UnknownKeys, AreBoundedInNumberAndLength) {
  std::string many;
  for (int i = 0; i < 5'000; ++i) many += "unknown" + std::to_string(i) + ": 1\n";
  const std::string error = refused(many);
  EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), static_cast<std::ptrdiff_t>(kMaxReportedProblems));
  EXPECT_LT(refused("? " + std::string(900, 'x') + "\n: 1\n").size(), 400u);
  EXPECT_TRUE(contains(refused("\"a\\nb\": 1"), "field a\\nb not found")) << "control characters stay escaped";
}

TEST(WrongTypes, NameTagValueTypePathAndExpectation) {
  EXPECT_EQ(
      refused("server:\n  port: eighty\n"),
      "yaml: unmarshal errors:\n  line 2: cannot unmarshal !!str `eighty` into int (server.port: expected an integer)");
  const std::pair<std::string, std::string> cases[] = {
      {"server: {port: \"80\"}",
       "cannot unmarshal !!str `80` into int (server.port: expected an integer, without quotes)"},
      {"server: {port: '80'}", "cannot unmarshal !!str `80` into int"},
      {"server: {port: true}", "cannot unmarshal !!bool `true` into int"},
      {"server: {port: {}}", "cannot unmarshal !!map into int"},
      {"server: {port: []}", "cannot unmarshal !!seq into int"},
      {"server: {port: .inf}", "cannot unmarshal !!float `.inf` into int"},
      {"server: {port: .nan}", "cannot unmarshal !!float `.nan` into int"},
      {"server: {port: 1e30}", "cannot unmarshal !!float `1e30` into int"},
      {"server: {port: 99999999999999999999}", " `9999999...` into int"},
      {"server: {port: !!str 80}", "cannot unmarshal !!str `80` into int"},
      {"limits: {per_key: {max_tokens_per_day: x}}",
       "cannot unmarshal !!str `x` into int64 (limits.per_key.max_tokens_per_day: expected an integer)"},
      {"limits: {per_key: {max_cost_usd_per_day: '1'}}", "cannot unmarshal !!str `1` into float64"},
      {"observability: {otel: {sampling_ratio: on}}",
       "cannot unmarshal !!str `on` into float64 (observability.otel.sampling_ratio: expected a number)"},
      {"auth: {enabled: \"true\"}",
       "cannot unmarshal !!str `true` into bool (auth.enabled: expected true or false, without quotes)"},
      {"auth: {enabled: \"yes\"}", "cannot unmarshal !!str `yes` into bool"},
      {"auth: {enabled: 1}", "cannot unmarshal !!int `1` into bool"},
      {"auth: {enabled: maybe}", "cannot unmarshal !!str `maybe` into bool"},
      {"auth: {header: [x]}", "cannot unmarshal !!seq into string (auth.header: expected a text)"},
      {"auth: {keys: {}}",
       "cannot unmarshal !!map into []config.GatewayKeyConfig (auth.keys: expected a list of mappings)"},
      {"auth: {keys: [x]}",
       "cannot unmarshal !!str into config.GatewayKeyConfig (auth.keys[0]: expected a mapping of keys)"},
      {"pii: {scopes: x}", "cannot unmarshal !!str into []config.PIIScopeConfig"},
      {"pii: {headers: {denylist: x}}",
       "cannot unmarshal !!str into []string (pii.headers.denylist: expected a list of texts)"},
      {"pii: {headers: {denylist: [a, {b: c}]}}",
       "cannot unmarshal !!map into string (pii.headers.denylist[1]: expected a text)"},
      {"server: []", "cannot unmarshal !!seq into config.ServerConfig (server: expected a mapping of keys)"},
      {"server: 5", "cannot unmarshal !!int into config.ServerConfig"},
      {"server: \"\"", "cannot unmarshal !!str into config.ServerConfig"},
      {"foo", "line 1: cannot unmarshal !!str `foo` into config.Config (the file: expected a mapping of keys)"},
      {"- a", "line 1: cannot unmarshal !!seq into config.Config"},
      {"host: !vault x", "tag \"!vault\" is not supported"},
      {"server: {port: !!binary aGk=}", "is not supported"},
  };
  for (const auto& [yaml, expected] : cases) EXPECT_TRUE(contains(refused(yaml), expected)) << yaml;
}

TEST(WrongTypes, DoNotShowWhatMayBeASecret) {
  for (const char* yaml :
       {"auth: s3cr3t-token", "auth: {keys: s3cr3t-token}", "auth: {keys: [s3cr3t-token]}", "storage: s3cr3t-dsn",
        "pii: {replacement: s3cr3t}", "auth: {keys: [{permissions: s3cr3t}]}"})
    EXPECT_EQ(refused(yaml).find("s3cr3t"), std::string::npos) << yaml;
}

TEST(SeveralFaults, AreReportedTogetherOrderedByLine) {
  const std::string error = refused("auth: {enabled: 1}\nserver:\n  port: x\n  port: 1\n  nope: 1\n");
  EXPECT_TRUE(contains(error, "line 1: cannot unmarshal !!int `1` into bool"));
  EXPECT_TRUE(contains(error, "line 3: cannot unmarshal !!str `x` into int"));
  EXPECT_TRUE(contains(error, "line 4: mapping key \"port\" already defined at line 3"));
  EXPECT_TRUE(contains(error, "line 5: field nope not found"));
  EXPECT_LT(error.find("line 3"), error.find("line 4"));
}

TEST(Integers, TakeEveryBaseAndCutFloats) {
  const std::pair<std::string, std::int64_t> cases[] = {
      {"8081", 8081},   {"+81", 81},    {"-3", -3},           {"0x1F90", 8080},  {"0o17620", 8080},
      {"017620", 8080}, {"0b1010", 10}, {"8_080", 8080},      {"8080.9", 8080},  {"-1.9", -1},
      {"1e3", 1000},    {"08", 8},      {"!!int \"80\"", 80}, {"!!float 80", 80}};
  for (const auto& [text, expected] : cases)
    EXPECT_EQ(parsed("server: {port: " + text + "}").server.port, expected) << text;
}

TEST(Floats, TakeIntegersAndTheDottedWords) {
  const auto ratio = [](const std::string& s) {
    return parsed("observability: {otel: {sampling_ratio: " + s + "}}").observability.otel.sampling_ratio;
  };
  EXPECT_DOUBLE_EQ(ratio("1"), 1);
  EXPECT_DOUBLE_EQ(ratio("2.5e-1"), 0.25);
  EXPECT_DOUBLE_EQ(ratio("0x10"), 16);
  EXPECT_TRUE(ratio(".NaN") != ratio(".NaN"));
}

TEST(Booleans, TakeTheOldSpellings) {
  for (const char* yes : {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})
    EXPECT_TRUE(parsed(std::string("auth: {enabled: ") + yes + "}").auth.enabled) << yes;
  for (const char* no : {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})
    EXPECT_FALSE(parsed(std::string("pii: {stages: {request_body: ") + no + "}}").pii.stages.request_body) << no;
}

TEST(Texts, AreTheSourceOfAnyScalar) {
  const auto host = [](const std::string& s) { return parsed("server:\n  host: " + s + "\n").server.host; };
  EXPECT_EQ(host("123"), "123");
  EXPECT_EQ(host("0x1F"), "0x1F");
  EXPECT_EQ(host("1.50"), "1.50");
  EXPECT_EQ(host("true"), "true");
  EXPECT_EQ(host("off"), "off");
  EXPECT_EQ(host("2001-01-01"), "2001-01-01");
  EXPECT_EQ(host("\"\""), "");
  EXPECT_EQ(host("'null'"), "null");
  EXPECT_EQ(host("null"), "0.0.0.0");
  EXPECT_EQ(host("!!str null"), "null");
  EXPECT_EQ(host("!!null null"), "0.0.0.0");
  EXPECT_EQ(host("\"a\\tb\\u00e9\""), "a\tb\xC3\xA9");
  EXPECT_EQ(host("'it''s' # comment"), "it's");
  EXPECT_EQ(host("a#b"), "a#b");
  EXPECT_EQ(host("https://h:1/p?q=1"), "https://h:1/p?q=1");
  EXPECT_EQ(host("|-\n    block"), "block");
  EXPECT_EQ(host(">-\n    folded\n    text"), "folded text");
  EXPECT_EQ(parsed("providers: {openai: {upstream: https://h:1/p}}").providers.openai.upstream, "https://h:1/p");
}

TEST(Lists, ReplaceTheDefaultCompletely) {
  const auto list = [](const std::string& s) {
    return parsed("pii:\n  headers:\n    denylist: " + s + "\n").pii.headers.denylist;
  };
  using Texts = std::vector<std::string>;
  EXPECT_EQ(list("[a, 1, true]"), (Texts{"a", "1", "true"}));
  EXPECT_EQ(list("[]"), Texts{});
  EXPECT_EQ(list(""), Texts{});
  EXPECT_EQ(list("\n    - a\n    - b"), (Texts{"a", "b"}));
  EXPECT_EQ(list("[a, null, '']"), (Texts{"a", ""})) << "a null element is skipped";
  EXPECT_EQ(parsed("auth: {keys: [{id: a}, null, {id: b}]}").auth.keys.size(), 2u);
}

TEST(Lists, OfMappingsReplaceWhatIsThere) {
  Config config;
  config.auth.keys.resize(3);
  const auto document = read_yaml("auth: {keys: [{id: only}]}");
  ASSERT_TRUE(document);
  EXPECT_TRUE(bind(*document, "test.yaml", config).empty());
  ASSERT_EQ(config.auth.keys.size(), 1u);
  EXPECT_EQ(config.auth.keys[0].id, "only");
}

TEST(DuplicateKeys, AreRefusedAtAnyDepth) {
  EXPECT_EQ(refused("server: {}\nstorage: {}\nserver: {}\n"),
            "yaml: unmarshal errors:\n  line 3: mapping key \"server\" already defined at line 1");
  EXPECT_TRUE(contains(refused("auth:\n  keys:\n    - id: a\n      id: b\n"),
                       "line 4: mapping key \"id\" already defined at line 3"));
  EXPECT_TRUE(contains(refused("server: {port: 1, \"port\": 2}"), "mapping key \"port\" already defined"));
  EXPECT_TRUE(contains(refused("x: &x port\nserver: {port: 1, *x : 2}"), "mapping key \"port\" already defined"));
  EXPECT_TRUE(contains(refused("a: &a {}\nserver: {<<: *a, <<: *a}"), "mapping key \"<<\" already defined"));
}

TEST(Documents, MayBeFollowedOnlyByNull) {
  for (const char* text :
       {"server: {port: 81}\n---\n", "server: {port: 81}\n--- null\n", "server: {port: 81}\n--- # c\n",
        "server: {port: 81}\n...\n", "---\nserver: {port: 81}\n---\n---\n"})
    EXPECT_EQ(parsed(text).server.port, 81) << text;
  for (const char* text : {"server: {}\n---\nserver: {}\n", "server: {}\n---\nfoo\n", "---\n---\nserver: {}\n",
                           "server: {}\n...\nserver: {}\n", "server: {}\n---\n---\n[]\n"})
    EXPECT_EQ(refused(text), "multiple yaml documents are not supported") << text;
  EXPECT_TRUE(contains(refused("server: {}\n---\na: b: c\n"), "yaml: line 3: "))
      << "a malformed second document has an error of its own";
}

TEST(Anchors, AreResolved) {
  const Config c = parsed(
      "server: {host: &h 1.2.3.4}\nstorage: {path: *h}\npii:\n  headers: {denylist: &l [a]}\n  body: {key_denylist: "
      "*l}\n");
  EXPECT_EQ(c.storage.path, "1.2.3.4");
  EXPECT_EQ(c.pii.body.key_denylist, std::vector<std::string>{"a"});
  EXPECT_EQ(parsed("auth: {header: &a X}\nserver: {host: &a Y}\nstorage: {path: *a}").storage.path, "Y")
      << "a later anchor of the same name wins";
}

TEST(MergeKeys, FillInWhatTheMappingDoesNotSay) {
  const Config c = parsed(
      "auth:\n  keys:\n    - &base {id: one, token: t1, role: viewer}\n    - <<: *base\n      id: two\n      token: "
      "t2\n"
      "    - id: three\n      <<: [{role: admin, org_id: o}, *base]\n");
  ASSERT_EQ(c.auth.keys.size(), 3u);
  EXPECT_EQ(c.auth.keys[1].id, "two");
  EXPECT_EQ(c.auth.keys[1].role, "viewer");
  EXPECT_EQ(c.auth.keys[2].id, "three") << "own keys win wherever they stand";
  EXPECT_EQ(c.auth.keys[2].role, "admin") << "of a list the first mapping wins";
  EXPECT_EQ(c.auth.keys[2].token, "t1");
  EXPECT_EQ(c.auth.keys[2].org_id, "o");
}

TEST(MergeKeys, MergeWholeValuesAndChains) {
  const Config c = parsed(
      "limits:\n  per_key: &a {requests_per_minute: 5, max_tokens_per_day: 9}\n  per_workspace: &b\n    <<: *a\n    "
      "requests_per_minute: null\n");
  EXPECT_EQ(c.limits.per_workspace.requests_per_minute, 0) << "an own null wins and means the default";
  EXPECT_EQ(c.limits.per_workspace.max_tokens_per_day, 9);
  EXPECT_EQ(
      parsed(
          "pii:\n  scopes:\n    - match: &m {org_id: o}\n    - match: &n {<<: *m, key_id: k}\n    - match: {<<: *n}\n")
          .pii.scopes.at(2)
          .match.org_id,
      "o");
  EXPECT_TRUE(
      contains(refused("server:\n  <<: {nope: 1}\n"), "line 2: field nope not found in type config.ServerConfig"));
  EXPECT_TRUE(contains(refused("server: {<<: 5}"), "line 1: map merge requires map or sequence of maps as the value"));
  EXPECT_TRUE(contains(refused("server: {<<: [{}, 5]}"), "map merge requires"));
  EXPECT_TRUE(contains(refused("server: {<<: null}"), "map merge requires"));
  EXPECT_TRUE(contains(refused("server: {\"<<\": {}}"), "field << not found")) << "a quoted << is a key like any other";
}

TEST(SyntaxErrors, NameTheLine) {
  const std::pair<std::string, std::string> cases[] = {
      {"server:\n\tport: 80\n", "yaml: line 2: found a tab in the indentation: use spaces"},
      {"server:\n  port: 80\n\thost: x\n", "yaml: line 3: found a tab in the indentation"},
      {"a: [1, 2\n", "yaml: line 1: did not find expected ',' or ']'"},
      {"a: {b: 1\n", "yaml: line 1: did not find expected ',' or '}'"},
      {"a: b: c\n", "yaml: line 1: did not expect ':' here"},
      {"server:\n  port: 80\n   host: x\n", "yaml: line 3: did not expect ':' here"},
      {"server:\n  port: 80\n foo: 1\n", "yaml: line 3: did not find expected key"},
      {"a: 1\n- b\n", "yaml: line 2: did not find expected key"},
      {"a: @x\n", "yaml: line 1: found character that cannot start any token"},
      {"a: *nope\n", "yaml: line 1: alias of an anchor that is not defined before it"},
      {"a: &x {b: *x}\n", "yaml: line 1: an alias must not lie inside the value of its own anchor"},
      {"? [a]\n: b\n", "yaml: line 1: a mapping key must be a plain or quoted text"},
      {"&k {a: 1}: b\n", "yaml: line 1: "},
      {"[a] b\n", "yaml: line 1: content outside of the top-level mapping"},
      {"  a: 1\nb: 2\n", "yaml: line 2: content outside of the top-level mapping"},
      {"- a\nb: 1\n", "yaml: line 2: content outside of the top-level mapping"},
      {"%YAML 3.0\n---\na: 1\n", "yaml: line 1: "},
      {"%YAML x\n---\na: 1\n", "yaml: "},
  };
  for (const auto& [yaml, expected] : cases) EXPECT_TRUE(contains(refused(yaml), expected)) << yaml;
}

TEST(CutFiles, AreRefusedNotHalfRead) {
  EXPECT_TRUE(contains(refused("server:\n  host: \"127.0.0.1\n"),
                       "yaml: line 2: a quoted text that begins here is not closed"));
  EXPECT_TRUE(
      contains(refused("server:\n  host: '127.0.0.1"), "yaml: line 2: a quoted text that begins here is not closed"));
  EXPECT_TRUE(contains(refused("\"server"), "is not closed"));
  EXPECT_TRUE(contains(refused("storage:\n  path: x\n  dsn\n"), "yaml: line 3: did not find expected key"));
  EXPECT_TRUE(contains(refused("storage:\n  path: x\n  dsn"), "yaml: line 3: did not find expected key"));
  EXPECT_EQ(parsed("storage:\n  dsn:\n  path : x\nserver: {port, host: y}\n? auth\n").storage.path, "x")
      << "null values stay allowed";
}

TEST(Bytes, OfOtherEncodingsAndControlCharactersAreRefused) {
  using std::string_literals::operator""s;
  EXPECT_EQ(refused("server:\n  host: \xFFx\n"), "yaml: line 2: invalid UTF-8: save the file as UTF-8 text");
  EXPECT_TRUE(contains(refused("\xFF\xFE"
                               "a\0"s),
                       "yaml: line 1: "));
  EXPECT_TRUE(contains(refused("\xED\xA0\x80: 1"), "invalid UTF-8"));
  EXPECT_TRUE(contains(refused("a: 1\n# \x04 ends the text for a careless parser\nb: 2\n"),
                       "yaml: line 2: control characters are not allowed"));
  EXPECT_TRUE(contains(refused("a: x\0y\n"s), "control characters are not allowed"));
  EXPECT_TRUE(contains(refused("a: \x7f\n"), "control characters are not allowed"));
  EXPECT_TRUE(contains(refused("a: \xC2\x80\n"), "control characters are not allowed"));
  EXPECT_TRUE(contains(refused("server: {host: \"a\\0b\"}"), "NUL"));
  EXPECT_EQ(parsed("server: {host: a\xC2\x85"
                   "b}")
                .server.host,
            "a\xC2\x85"
            "b")
      << "U+0085 is no control character to YAML";
  EXPECT_EQ(parsed("\xEF\xBB\xBFserver:\r\n  port: 81\r\n  host: \xC3\xA9\r\n").server.port, 81);
  EXPECT_EQ(parsed("server:\r  port: 81\r").server.port, 81);
}

TEST(HostileText, IsRefusedWithinBounds) {
  EXPECT_TRUE(contains(refused(std::string(kMaxYamlBytes + 1, '#')), "yaml: larger than 4194304 bytes"));
  for (const std::string unit : {"[", "{", "{a: ", "- ", "? ", "a:\n "}) {
    std::string deep;
    for (int i = 0; i < 20'000; ++i) deep += unit;
    EXPECT_TRUE(contains(refused(deep), "yaml: ")) << unit;
  }
  std::string nested;
  for (int i = 0; i < 100; ++i) nested += "[";
  nested += std::string(100, ']');
  EXPECT_TRUE(contains(refused("a: " + nested), "yaml: line 1: nested deeper than 64 levels"));
}

TEST(HostileText, ThatTheParserCannotPassIsRefusedNotRetried) {
  EXPECT_TRUE(contains(refused("a: b\n...\n, c: d\n"), "yaml: line 3: content outside of the top-level mapping"));
  EXPECT_TRUE(contains(refused(", a\n"), "yaml: line 1: content outside of the top-level mapping"));
}

TEST(HostileText, CannotGrowThroughAliases) {
  std::string lists = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  std::string maps = "b0: &b0 {k0: 1}\n";
  for (int i = 1; i < 12; ++i) {
    const std::string n = std::to_string(i);
    const std::string p = std::to_string(i - 1);
    lists += "a" + n + ": &a" + n + " [*a" + p + ",*a" + p + ",*a" + p + ",*a" + p + ",*a" + p + ",*a" + p + ",*a" + p +
             ",*a" + p + "]\n";
    maps += "b" + n + ": &b" + n + " {<<: [*b" + p + ",*b" + p + ",*b" + p + "], k" + n + ": 1}\n";
  }
  const auto document = read_yaml(lists + maps);
  ASSERT_TRUE(document) << testing::error_of(document);
  EXPECT_LT(document->nodes.size(), 1'000u);

  std::string wide = "base: &base {";
  for (int i = 0; i < 1'000; ++i) wide += "k" + std::to_string(i) + ": 1, ";
  wide += "}\nlist:\n";
  for (int i = 0; i < 1'000; ++i) wide += "  - <<: *base\n";
  EXPECT_TRUE(contains(refused(wide), "values, counting merged ones"));
}

}  // namespace
}  // namespace gw::config
