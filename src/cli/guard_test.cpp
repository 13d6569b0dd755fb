// `guard test`: the verdict, where what was found stands, and never the value.
#include <gtest/gtest.h>

#include <sstream>

#include "cli/fixture.h"

namespace gw::cli {
namespace {

class GuardTest : public Cli {
 protected:
  Handlers handlers() override {
    Handlers h = Cli::handlers();
    h.in = &in_;
    return h;
  }
  int guard(const std::string& body, std::vector<std::string> args = {}) {
    in_.clear();
    in_.str(body);
    args.insert(args.begin(), {"guard", "test"});
    return run(args);
  }

  std::istringstream in_;
};

constexpr const char* kBody = "{\"model\":\"m\",\n \"user\":\"jane@example.org\"}";

TEST_F(GuardTest, SaysWhatWouldHappenAndWhereWhatWasFoundStands) {
  EXPECT_EQ(guard(kBody, {"--mode", "block"}), kExitFailure);
  EXPECT_EQ(out(),
            "mode:    block\npolicy:  default/v1\nrequest: refused with 403: request blocked by pii policy\n"
            "found:   1\n  line 2, byte 10: email, 16 bytes\n");
  EXPECT_EQ(guard(kBody, {"--mode", "redact_upstream"}), kExitOk);
  EXPECT_NE(out().find("forwarded with what was found replaced"), std::string::npos) << out();
  EXPECT_EQ(guard(kBody, {"--mode", "observe"}), kExitOk);
  EXPECT_NE(out().find("forwarded as it is: the mode changes nothing"), std::string::npos) << out();
  EXPECT_EQ(guard("{}", {"--mode", "block"}), kExitOk);
  EXPECT_NE(out().find("forwarded as it is\nfound:   0\n"), std::string::npos) << out();
}

TEST_F(GuardTest, NeverPrintsTheValue) {
  for (const char* mode : {"off", "redact_upstream", "block", "observe"})
    for (const char* format : {"text", "json"}) {
      guard(kBody, {"--mode", mode, "--format", format});
      EXPECT_EQ(out().find("jane"), std::string::npos) << out();
      EXPECT_NE(out().find("email"), std::string::npos) << out();
    }
}

TEST_F(GuardTest, PrintsTheBodyThatWouldGoOn) {
  ASSERT_EQ(guard(kBody, {"--mode", "redact_upstream", "--format", "body"}), kExitOk);
  EXPECT_TRUE(out().starts_with("{\"model\":\"m\",\n \"user\":\"[EMAIL_REDACTED:")) << out();
  ASSERT_EQ(guard(kBody, {"--mode", "block", "--format", "body"}), kExitFailure);
  EXPECT_EQ(out(), "");
  EXPECT_NE(err().find("request refused with 403: request blocked by pii policy"), std::string::npos) << err();
}

TEST_F(GuardTest, NamesTheModesWhenGivenAnotherOne) {
  EXPECT_EQ(guard(kBody, {"--mode", "nope"}), kExitUsage);
  EXPECT_NE(err().find("expected off, redact_storage, redact_upstream, block or observe"), std::string::npos) << err();
}

TEST_F(GuardTest, SaysWhyABodyCannotBeJudged) {
  EXPECT_EQ(guard("x", {"--mode", "block", "--content-type", "application/pdf", "--format", "json"}), kExitFailure);
  EXPECT_EQ(out(),
            "{\"schema_version\":\"guard-test.v1\",\"mode\":\"block\",\"policy_id\":\"default/v1\","
            "\"verdict\":\"uncertain\",\"refused\":true,"
            "\"error\":\"unsupported content type for pii guardrail mode: \\\"application/pdf\\\"\","
            "\"redaction_counts\":{},\"skipped\":0,\"findings\":[]}\n");
}

TEST_F(GuardTest, ResolvesThePolicyOfTheCallerAndTheRoute) {
  const std::string path =
      file("guard.yaml",
           "pii:\n  mode: block\n  scopes:\n    - match: {route_prefix: /openai/v1/embeddings}\n      mode: "
           "redact_upstream\n"
           "      policy_id: soft\n");
  EXPECT_EQ(guard(kBody, {"--config", path}), kExitFailure);
  EXPECT_EQ(guard(kBody, {"--config", path, "--path", "/openai/v1/embeddings"}), kExitOk);
  EXPECT_TRUE(out().starts_with("mode:    redact_upstream\npolicy:  soft\n")) << out();
}

TEST_F(GuardTest, RefusesACommandLineThatSaysNothing) {
  EXPECT_EQ(guard("", {"--mode", "loud"}), kExitUsage);
  EXPECT_EQ(guard("", {"--format", "xml"}), kExitUsage);
  EXPECT_EQ(guard("", {"body.json"}), kExitUsage);
}

}  // namespace
}  // namespace gw::cli
