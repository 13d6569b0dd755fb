#include "cli/doctor.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "cli/fixture.h"

namespace gw::cli {
namespace {

class DoctorTest : public Cli {
 protected:
  void SetUp() override {
    Cli::SetUp();
    database_ = file("db", "x");
  }
  Handlers handlers() override {
    Handlers h = Cli::handlers();
    h.check = [this](const config::Config&) -> Result<void> {
      return refusal_.empty() ? Result<void>() : gw::fail(refusal_);
    };
    return h;
  }
  /// A configuration whose database is there.
  std::string config(const std::string& rest = "") {
    return file("c.yaml", "storage:\n  path: " + database_ + "\n" + rest);
  }
  int doctor(const std::string& path) { return run({"doctor", "--config", path}); }
  bool has(const std::string& text) const { return out().find(text) != std::string::npos; }

  std::string database_, refusal_;
};

constexpr const char* kAuth =
    "auth:\n  enabled: true\n  keys:\n    - id: k1\n      token: a-long-enough-token-123\n      role: owner\n";

TEST_F(DoctorTest, TextHasTheContractsLayout) {
  const std::string path = config(kAuth);
  ASSERT_EQ(doctor(path), kExitOk) << err();
  EXPECT_EQ(out(),
            "OngoingAI Doctor\n"
            "Generated at    2026-02-18T14:00:00Z\n"
            "Config path     " +
                path +
                "\n"
                "Overall status  PASS\n"
                "\n"
                "Checks\n"
                "- [PASS] config: loaded and validated configuration\n"
                "  config path: " +
                path +
                "\n"
                "- [PASS] storage: connected to sqlite trace storage\n"
                "  path: " +
                database_ +
                "\n"
                "- [PASS] route_wiring: provider and API route wiring looks valid\n"
                "  openai: /openai -> https://api.openai.com\n"
                "  anthropic: /anthropic -> https://api.anthropic.com\n"
                "  api routes: /api/*\n"
                "- [PASS] auth_posture: gateway auth posture is healthy\n"
                "  auth header: X-OngoingAI-Gateway-Key\n"
                "  active gateway keys: 1\n"
                "  protected authorization rules: 5\n");
}

TEST_F(DoctorTest, JsonHasTheContractsFieldsInOrder) {
  const std::string path = config();
  ASSERT_EQ(run({"doctor", "--config", " " + path + " ", "--format", "json"}), kExitOk) << err();
  EXPECT_TRUE(out().starts_with("{\n  \"generated_at\": \"2026-02-18T14:00:00.5Z\",\n  \"config_path\": \"" + path +
                                "\",\n  \"overall_status\": \"warn\",\n  \"checks\": [\n    {\n      \"name\": "
                                "\"config\",\n      \"status\": \"pass\",\n      \"summary\": \"loaded and validated "
                                "configuration\",\n      \"details\": ["))
      << out();
  EXPECT_TRUE(
      has("\"name\": \"auth_posture\",\n      \"status\": \"warn\",\n      \"summary\": \"gateway auth is "
          "disabled\",\n      \"details\": [\n        \"auth.enabled=false (header: "
          "X-OngoingAI-Gateway-Key)\",\n        \"5 protected authorization rules are bypassed\"\n"))
      << out();
}

TEST_F(DoctorTest, SettingsWithoutEffectAreAWarning) {
  EXPECT_EQ(doctor(file("idle.yaml", "limits:\n  per_key: {requests_per_minute: 5}\n")), kExitOk) << out() << err();
  EXPECT_TRUE(has("- [WARN] config: valid, but some settings have no effect\n  config path: ")) << out();
  EXPECT_TRUE(has("\n  limits.per_key limits nobody: auth.enabled is false\n")) << out();
}

TEST_F(DoctorTest, AConfigurationThatCannotBeLoadedSkipsTheOthers) {
  EXPECT_EQ(doctor(file("bad.yaml", "server:\n  prot: 1\n")), kExitFailure);
  EXPECT_TRUE(has("Overall status  FAIL\n"));
  EXPECT_TRUE(has("- [FAIL] config: failed to load config\n  "));
  for (const char* name : {"storage", "route_wiring", "auth_posture"})
    EXPECT_TRUE(has(std::string("- [SKIP] ") + name + ": skipped: config failed to load\n")) << out();
  EXPECT_EQ(doctor(dir_ + "/none.yaml"), kExitFailure) << "a path that was given must be there";
  EXPECT_FALSE(opened_);
}

TEST_F(DoctorTest, EachThingThatIsWrongWithAConfigurationHasItsLine) {
  const std::string bad = file("bad.yaml", "server:\n  prot: 1\nnonsense: 2\n");
  EXPECT_EQ(doctor(bad), kExitFailure);
  EXPECT_TRUE(has("\n    line 2: field prot not found")) << out();
  EXPECT_TRUE(has("\n    line 3: field nonsense not found")) << out();
  EXPECT_FALSE(has("errors:?")) << out();
  EXPECT_EQ(run({"doctor", "--config", bad, "--format", "json"}), kExitFailure);
  EXPECT_TRUE(has("\n        \"  line 2: field prot not found")) << out();
  EXPECT_TRUE(has("\n        \"  line 3: field nonsense not found")) << out();
  EXPECT_FALSE(has("\\n")) << out();
}

TEST_F(DoctorTest, AnInvalidConfigurationSkipsTheOthers) {
  EXPECT_EQ(doctor(file("bad.yaml", "server:\n  port: 0\n")), kExitFailure);
  EXPECT_TRUE(has("- [FAIL] config: config is invalid\n  server.port must be between 1 and 65535 (got 0) at "))
      << out();
  EXPECT_TRUE(has("- [SKIP] storage: skipped: config validation failed\n"));
}

TEST_F(DoctorTest, WhateverElseServeRefusesMakesTheConfigurationInvalid) {
  refusal_ = "limits are not available";
  EXPECT_EQ(doctor(config()), kExitFailure);
  EXPECT_TRUE(has("- [FAIL] config: config is invalid\n  limits are not available\n")) << out();
  refusal_.clear();
  EXPECT_EQ(doctor(config("server:\n  tls:\n    cert: /no/such.pem\n    key: /no/such.key\n")), kExitFailure);
  EXPECT_TRUE(has("- [FAIL] config: config is invalid\n  server.tls.cert")) << out();
}

TEST_F(DoctorTest, RoutesThatCannotWorkAreNamedAsSuch) {
  const auto prefixes = [&](const std::string& openai, const std::string& anthropic) {
    return config("providers:\n  openai:\n    prefix: " + openai + "\n  anthropic:\n    prefix: " + anthropic + "\n");
  };
  EXPECT_EQ(doctor(prefixes("/", "/b")), kExitFailure);
  EXPECT_TRUE(has("- [FAIL] route_wiring: provider prefixes must not be root ('/')\n  openai=\"/\" anthropic=\"/b\"\n"))
      << out();
  EXPECT_TRUE(has("- [PASS] config: ")) << "told once, where it belongs";
  EXPECT_EQ(doctor(prefixes("/a/", "/a/b")), kExitFailure);
  EXPECT_TRUE(has("- [FAIL] route_wiring: provider route prefixes overlap\n  openai=\"/a\" anthropic=\"/a/b\"\n"));
  EXPECT_EQ(doctor(prefixes("/api/x", "/b")), kExitFailure);
  EXPECT_TRUE(
      has("- [FAIL] route_wiring: provider prefixes must not overlap with /api routes\n  openai=\"/api/x\" "
          "anthropic=\"/b\" api=\"/api\"\n"));
}

TEST_F(DoctorTest, AuthPostureSaysWhatIsWrong) {
  EXPECT_EQ(doctor(config("auth:\n  header: authorization\n")), kExitFailure);
  EXPECT_TRUE(
      has("- [FAIL] auth_posture: auth header conflicts with provider credential headers\n  "
          "auth.header=\"authorization\" conflicts with Authorization/X-API-Key\n"))
      << out();
  EXPECT_EQ(doctor(config("auth:\n  enabled: true\n  keys:\n    - id: a\n      token: same-token-0123456789\n    - id: "
                          "b\n      token: same-token-0123456789\n")),
            kExitFailure);
  EXPECT_TRUE(
      has("- [FAIL] auth_posture: gateway auth configuration is not runnable\n  duplicate gateway key token in "
          "auth config (auth.keys[1].token)\n"))
      << out();
  EXPECT_EQ(out().find("same-token"), std::string::npos);
  EXPECT_EQ(doctor(config("auth:\n  enabled: true\n")), kExitOk);
  EXPECT_TRUE(has("- [WARN] auth_posture: gateway auth is enabled without any key; everything is denied\n"));
}

TEST_F(DoctorTest, StorageIsAskedAndLeftAlone) {
  open_failure_ = "it is no database";
  EXPECT_EQ(doctor(config()), kExitFailure);
  EXPECT_TRUE(has("- [FAIL] storage: failed to initialize trace storage\n  it is no database\n"));
  open_failure_.clear();
  stored_.failure = "locked";
  EXPECT_EQ(doctor(config()), kExitFailure);
  EXPECT_TRUE(has("- [FAIL] storage: trace storage connectivity check failed\n  locked\n"));
}

TEST_F(DoctorTest, ADatabaseThatServeWillCreateIsAWarning) {
  database_ = dir_ + "/new/folder/db";
  EXPECT_EQ(doctor(config()), kExitOk);
  EXPECT_TRUE(has("- [WARN] storage: trace storage does not exist yet; serve creates it\n  path: " + database_ + "\n"))
      << out();
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/new")) << "nothing is created";
  EXPECT_FALSE(opened_);
}

TEST_F(DoctorTest, ADatabaseInAFolderThatCannotBeMadeIsAFailure) {
  std::filesystem::create_symlink(dir_ + "/nowhere", dir_ + "/link");
  for (const auto& [path, why] : {std::pair{dir_ + "/link/data/db", "No such file or directory"},
                                  {std::string("/proc/none/db"), "Operation not permitted"}}) {
    database_ = path;
    EXPECT_EQ(doctor(config()), kExitFailure) << path;
    EXPECT_TRUE(has("- [FAIL] storage: failed to initialize trace storage\n  the database \"" + path + "\"")) << out();
    EXPECT_TRUE(has(why)) << out();
  }
}

TEST_F(DoctorTest, ADatabaseWithoutTablesIsAWarningWhereServeMayMakeThem) {
  Handlers h = handlers();
  h.open_store = [](const config::Config&, int) -> Handlers::Reader { return fail("it has no tables"); };
  config::Config c;
  c.storage.driver = "postgres";
  c.storage.dsn = "postgres://u@h/d";
  const auto storage = [&](Result<bool> without) {
    h.without_tables = [&](const config::Config&, int) { return without; };
    const DoctorReport r = examine(h, c, "c.yaml");
    for (const DoctorCheck& check : r.checks)
      if (check.name == "storage") return check;
    return DoctorCheck{};
  };
  const DoctorCheck made = storage(true);
  EXPECT_EQ(made.status, DoctorCheck::Status::warn);
  EXPECT_EQ(made.summary, "trace storage has no tables yet; serve creates them");
  EXPECT_EQ(storage(false).details, std::vector<std::string>{"it has no tables"}) << "the reader says what is wrong";
  const DoctorCheck refused = storage(gw::fail("it may not"));
  EXPECT_EQ(refused.status, DoctorCheck::Status::fail);
  EXPECT_EQ(refused.details, std::vector<std::string>{"it may not"});
}

TEST_F(DoctorTest, SecretsAreNotPrinted) {
  environment_["ONGOINGAI_STORAGE_DRIVER"] = "postgres";
  open_failure_ = "storage.driver postgres is not available in this version: use sqlite";
  const std::string path =
      file("c.yaml",
           "storage:\n  driver: postgres\n  dsn: postgres://u:geheim@db/x\nproviders:\n  openai:\n    upstream: "
           "https://me:geheim@host.example/v1?key=geheim\n" +
               std::string(kAuth));
  EXPECT_EQ(doctor(path), kExitFailure);
  EXPECT_TRUE(has("  openai: /openai -> https://***@host.example/v1?***\n")) << out();
  EXPECT_EQ(out().find("geheim"), std::string::npos) << out();
  EXPECT_EQ(out().find("a-long-enough-token"), std::string::npos) << out();
}

TEST_F(DoctorTest, KeysInWrongPlacesAreTakenOutOfWhatIsWrong) {
  EXPECT_EQ(doctor(file("bad.yaml", "log:\n  level: sk-proj-0123456789abcdef\n")), kExitFailure);
  EXPECT_TRUE(has("(got \"[CREDENTIAL_REDACTED]\")")) << out();
  EXPECT_EQ(run({"doctor", "--config", file("bad.yaml", "sk-proj-0123456789abcdef: 1\n"), "--format", "json"}),
            kExitFailure);
  EXPECT_EQ(out().find("0123456789abcdef"), std::string::npos) << out();
}

TEST_F(DoctorTest, StatusesAreColouredOnATerminal) {
  terminal_ = {.interactive = true, .columns = 80, .colour = true};
  ASSERT_EQ(doctor(config()), kExitOk);
  EXPECT_TRUE(has("Overall status  \x1b[33mWARN\x1b[0m\n")) << out();
  EXPECT_TRUE(has("- [\x1b[32mPASS\x1b[0m] config: ")) << out();
}

TEST_F(DoctorTest, WrongArgumentsAreUsageErrors) {
  EXPECT_EQ(run({"doctor", "--format", "x", "y"}), kExitUsage);
  EXPECT_EQ(err(), "doctor does not accept positional arguments\n");
  EXPECT_EQ(run({"doctor", "--format", "x"}), kExitUsage);
  EXPECT_EQ(err(), "invalid doctor format \"x\": expected text or json\n");
}

TEST_F(DoctorTest, KeysOfProvidersAreCheckedAndNeverShown) {
  const std::string secret = "sk-held-0123456789";
  const std::string key = file("key", secret + "\n");
  ASSERT_EQ(::chmod(key.c_str(), 0600), 0);
  const std::string held = "providers:\n  openai:\n    credential_file: " + key + "\n";
  ASSERT_EQ(doctor(config(held)), kExitFailure);
  EXPECT_TRUE(has("providers.openai.credential_file lets everybody who reaches the gateway use your key")) << out();
  ASSERT_EQ(doctor(config(held + kAuth)), kExitOk) << out();
  EXPECT_TRUE(has("  openai: /openai -> https://api.openai.com (the gateway holds its key)\n")) << out();
  EXPECT_TRUE(has("[PASS] auth_posture")) << out();
  ASSERT_EQ(::chmod(key.c_str(), 0644), 0);
  ASSERT_EQ(doctor(config(held + kAuth)), kExitOk) << out();
  EXPECT_TRUE(has("[WARN] auth_posture: a file with a provider's key can be read by others\n")) << out();
  EXPECT_EQ((out() + err()).find(secret), std::string::npos);
}

}  // namespace
}  // namespace gw::cli
