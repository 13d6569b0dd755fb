#include "cli/run.h"

#include <gtest/gtest.h>

#include <array>

#include "cli/base_url.h"
#include "cli/fixture.h"

namespace gw::cli {
namespace {

constexpr std::string_view kUsage =
    "Usage:\n"
    "  ongoingai serve [--config path/to/ongoingai.yaml]\n"
    "  ongoingai version\n"
    "  ongoingai config validate [--config path/to/ongoingai.yaml]\n"
    "  ongoingai shell-init [--config path/to/ongoingai.yaml]\n"
    "  ongoingai wrap [--config path/to/ongoingai.yaml] -- <command> [args...]\n"
    "  ongoingai report [--config path/to/ongoingai.yaml] [--format text|json] [--from RFC3339|YYYY-MM-DD] "
    "[--to RFC3339|YYYY-MM-DD] [--provider NAME] [--model NAME] [--limit N]\n"
    "  ongoingai debug [last] [--config path/to/ongoingai.yaml] [--trace-id ID] [--trace-group-id ID] "
    "[--thread-id ID] [--run-id ID] [--format text|json] [--limit N] [--diff] [--bundle-out PATH] "
    "[--include-headers] [--include-bodies]\n"
    "  ongoingai doctor [--config path/to/ongoingai.yaml] [--format text|json]\n"
    "  ongoingai diagnostics [trace-pipeline] [--config path/to/ongoingai.yaml] [--base-url URL] "
    "[--gateway-key TOKEN] [--auth-header HEADER] [--format text|json] [--timeout DURATION]\n"
    "  ongoingai export ";

class RunTest : public Cli {
 protected:
  Handlers handlers() override {
    served_.reset();
    repriced_.clear();
    demo_once_.reset();
    reloaded_.clear();
    Handlers h = Cli::handlers();
    h.serve = [this](const config::Config& config, const std::string& path) {
      served_ = std::to_string(config.server.port) + " " + path;
      return 5;
    };
    h.reload = [this](const config::Config& config) -> Result<ReloadReport> {
      reloaded_ = config.storage.path;
      if (config.storage.path == "none.db") return fail("no gateway is running\non\x1b \"none.db\"");
      return ReloadReport{.pid = 7, .applied = {"a.b", "c"}, .needs_restart = {"server.port"}};
    };
    h.demo = [this](bool once) {
      demo_once_ = once;
      return 6;
    };
    h.reprice = [this](const config::Config& config, const store::RepriceRange& range,
                       bool dry_run) -> Result<store::RepriceReport> {
      repriced_ = config.storage.path + " " + std::to_string(range.from_ns) + " " + std::to_string(range.until_ns) +
                  (dry_run ? " dry" : "");
      if (range.from_ns == 0) return fail("failed to reprice: no");
      store::RepriceReport r;
      r.add({.provider = "openai", .model = "gpt\n4o", .cost_nano_usd = 45'000, .metadata = {}},
            store::RepriceOutcome::changed, 1);
      r.add({.provider = "openai", .model = "x", .cost_nano_usd = 7, .metadata = {}}, store::RepriceOutcome::unpriced,
            7);
      return r;
    };
    return h;
  }

  std::optional<std::string> served_;
  std::string repriced_;
  std::optional<bool> demo_once_;
  std::string reloaded_;
};

TEST_F(RunTest, AnythingUnknownPrintsTheUsageAndIsAUsageError) {
  for (const char* arg : {"help", "-h", "--help", "--config", "nope", "", "Serve", "-V"}) {
    EXPECT_EQ(run({arg}), 2) << arg;
    EXPECT_TRUE(err().starts_with(kUsage)) << arg << "\n" << err();
    EXPECT_EQ(out(), "") << arg;
  }
}

TEST_F(RunTest, ReloadSaysWhatWasAppliedAndWhatNeedsARestart) {
  EXPECT_EQ(run({"reload", "--config", file("c.yaml", "storage: {path: my.db}")}), 0) << err();
  EXPECT_EQ(reloaded_, "my.db");
  EXPECT_EQ(out(),
            "configuration reloaded (pid 7)\napplied:\n  a.b\n  c\nnot applied, needs a restart:\n  server.port\n");
}

TEST_F(RunTest, ReloadSaysWhyNothingHasChanged) {
  EXPECT_EQ(run({"reload", "--config", file("n.yaml", "storage: {path: none.db}")}), 1);
  EXPECT_EQ(err(), "configuration not reloaded: no gateway is running\non? \"none.db\"\n");
  EXPECT_EQ(run({"reload", "--config", file("b.yaml", "colour: red")}), 1);
  EXPECT_TRUE(err().starts_with("configuration not reloaded: failed to load config: parse yaml")) << err();
  EXPECT_EQ(reloaded_, "") << "no gateway is asked to read what cannot be read";
  EXPECT_EQ(run({"reload", "now"}), 2);
}

TEST_F(RunTest, VersionPrintsTheVersionLineWhateverFollows) {
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"version"}, {"--version"}, {"-v"}, {"version", "--nope"}}) {
    EXPECT_EQ(run(args), 0);
    EXPECT_EQ(out(), "dev (none, unknown)\n");
    EXPECT_EQ(err(), "");
  }
}

TEST_F(RunTest, NoArgumentsServe) {
  EXPECT_EQ(run({}), 5);
  EXPECT_EQ(served_, "8080 ongoingai.yaml");
}

TEST_F(RunTest, ServeHandsOverTheConfigurationItsPathAndTheExitCode) {
  const std::string path = file("c.yaml", "server:\n  port: 9000\n");
  EXPECT_EQ(run({"serve", "--config", path, "ignored"}), 5);
  EXPECT_EQ(served_, "9000 " + path);
  environment_["ONGOINGAI_PORT"] = "9001";
  EXPECT_EQ(run({"serve", "-config=" + path}), 5);
  EXPECT_EQ(served_, "9001 " + path);
}

TEST_F(RunTest, ServeTellsWhatIsWrongWithTheConfiguration) {
  const std::string bad = file("bad.yaml", "server:\n  prot: 1\n");
  EXPECT_EQ(run({"serve", "--config", bad}), 1);
  EXPECT_EQ(err().rfind("failed to load config: ", 0), 0U) << err();
  EXPECT_FALSE(served_);
  const std::string invalid = file("invalid.yaml", "server:\n  port: 70000\n");
  EXPECT_EQ(run({"serve", "--config", invalid}), 1);
  EXPECT_EQ(err(), "config is invalid: server.port must be between 1 and 65535 (got 70000)\n  at " + invalid + ":2\n");
  EXPECT_FALSE(served_);
}

TEST_F(RunTest, AConfigurationFileThatWasNamedMustExist) {
  const std::string missing = dir_ + "/none.yaml";
  EXPECT_EQ(run({"serve", "--config", missing}), 1);
  EXPECT_EQ(err().rfind("failed to load config: ", 0), 0U) << err();
  EXPECT_NE(err().find(missing), std::string::npos) << err();
  EXPECT_EQ(run({"config", "validate", "--config", missing}), 1);
  EXPECT_EQ(err().rfind("config is invalid: ", 0), 0U) << err();
  EXPECT_EQ(run({"shell-init", "--config", missing}), 1);
  EXPECT_EQ(err().rfind("failed to load config: ", 0), 0U) << err();
  EXPECT_EQ(run({"wrap", "--config", missing, "--", "true"}), 1);
  EXPECT_EQ(err().rfind("failed to load config: ", 0), 0U) << err();
}

TEST_F(RunTest, ConfigValidateSaysYesWithThePathAsGiven) {
  const std::string path = file("c.yaml", "server:\n  port: 9000\n");
  EXPECT_EQ(run({"config", "validate", "--config", path}), 0);
  EXPECT_EQ(out(), "config is valid: " + path + "\n");
  EXPECT_EQ(err(), "");
}

TEST_F(RunTest, ConfigValidateAndServeTellEveryFaultAndWhereItIs) {
  const std::string invalid = file("invalid.yaml", "server:\n  port: 70000\nstorage:\n  driver: oracle\n");
  const std::string expected = "config is invalid: server.port must be between 1 and 65535 (got 70000)\n  at " +
                               invalid + ":2\nstorage.driver must be one of sqlite, postgres (got \"oracle\")\n  at " +
                               invalid + ":4\n";
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"config", "validate", "--config", invalid}, {"serve", "--config", invalid}}) {
    EXPECT_EQ(run(args), 1);
    EXPECT_EQ(err(), expected);
  }
  EXPECT_FALSE(served_);
}

TEST_F(RunTest, ConfigValidateSaysNoInOneLineAndThePlace) {
  const std::string invalid = file("invalid.yaml", "storage:\n  driver: oracle\n");
  EXPECT_EQ(run({"config", "validate", "--config", invalid}), 1);
  EXPECT_EQ(err(), "config is invalid: storage.driver must be one of sqlite, postgres (got \"oracle\")\n  at " +
                       invalid + ":2\n");
  EXPECT_EQ(out(), "");
}

TEST_F(RunTest, ConfigWithoutAKnownSubcommandPrintsItsUsage) {
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"config"}, {"config", "show"}, {"config", "-h"}}) {
    EXPECT_EQ(run(args), 2);
    EXPECT_EQ(err(), "Usage:\n  ongoingai config validate [--config path/to/ongoingai.yaml]\n");
  }
}

TEST_F(RunTest, CommandsThatTakeNoPositionalArgumentsRefuseThem) {
  EXPECT_EQ(run({"config", "validate", "x"}), 2);
  EXPECT_EQ(err(), "config validate does not accept positional arguments\n");
  EXPECT_EQ(run({"shell-init", "x"}), 2);
  EXPECT_EQ(err(), "shell-init does not accept positional arguments\n");
  for (const std::string command : {"demo", "report", "doctor", "export"}) {
    EXPECT_EQ(run({command, "x"}), 2);
    EXPECT_EQ(err(), command + " does not accept positional arguments\n");
  }
}

TEST_F(RunTest, WrongFlagsAreUsageErrorsWithTheHelpOfTheirCommand) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> table{
      {{"serve", "-x"}, "serve"},
      {{"config", "validate", "-x"}, "config validate"},
      {{"shell-init", "-x"}, "shell-init"},
      {{"wrap", "-x"}, "wrap"},
      {{"report", "-x"}, "report"},
      {{"debug", "-x"}, "debug"},
      {{"debug", "last", "-x"}, "debug"},
      {{"doctor", "-x"}, "doctor"},
      {{"diagnostics", "-x"}, "diagnostics"},
      {{"export", "-x"}, "export"},
      {{"backup", "-x"}, "backup"},
      {{"import", "-x"}, "import"},
      {{"demo", "-x"}, "demo"}};
  for (const auto& [args, set] : table) {
    EXPECT_EQ(run(args), 2) << set;
    EXPECT_EQ(err().rfind("flag provided but not defined: -x\nUsage of " + set + ":\n  -", 0), 0U) << err();
  }
  EXPECT_EQ(run({"serve", "--help"}), 2);
  EXPECT_EQ(err().rfind("Usage of serve:\n  -config string\n    \t", 0), 0U) << err();
  EXPECT_TRUE(err().ends_with("(default \"ongoingai.yaml\")\n")) << err();
}

TEST_F(RunTest, ShellInitPrintsTwoExports) {
  EXPECT_EQ(run({"shell-init"}), 0);
  EXPECT_EQ(out(),
            "export OPENAI_BASE_URL=http://localhost:8080/openai/v1\nexport "
            "ANTHROPIC_BASE_URL=http://localhost:8080/anthropic\n");
}

TEST_F(RunTest, ShellInitDoesNotValidate) {
  const std::string path = file("c.yaml", "server:\n  port: 99999\n");
  EXPECT_EQ(run({"shell-init", "--config", path}), 0);
  EXPECT_NE(out().find("http://localhost:99999/openai/v1"), std::string::npos) << out();
}

TEST(BaseUrl, FollowsHostAndPort) {
  const std::vector<std::pair<std::string, std::string>> table{
      {"", "http://localhost:8080"},     {"0.0.0.0", "http://localhost:8080"},    {"::", "http://localhost:8080"},
      {"[::]", "http://localhost:8080"}, {" 10.0.0.1 ", "http://10.0.0.1:8080"},  {"::1", "http://[::1]:8080"},
      {"[::1]", "http://[::1]:8080"},    {"gw.example", "http://gw.example:8080"}};
  for (const auto& [host, url] : table) {
    config::Config c;
    c.server.host = host;
    EXPECT_EQ(base_url(c), url) << host;
  }
  config::Config tls;
  tls.server.tls.cert = "cert.pem";
  EXPECT_EQ(base_url(tls), "https://localhost:8080");
}

TEST(BaseUrl, FollowsThePrefixes) {
  const std::vector<std::array<std::string, 3>> table{{"/openai", "/openai/v1", "/openai"},
                                                      {"openai/", "/openai/v1", "/openai"},
                                                      {"/", "/v1", "/"},
                                                      {"", "/v1", "/"},
                                                      {"/x/v1", "/x/v1", "/x/v1"},
                                                      {" /x/v1// ", "/x/v1", "/x/v1"},
                                                      {"/v1", "/v1", "/v1"}};
  for (const auto& [prefix, openai, anthropic] : table) {
    EXPECT_EQ(openai_path(prefix), openai) << prefix;
    EXPECT_EQ(anthropic_path(prefix), anthropic) << prefix;
  }
}

TEST(ShellWord, QuotesOnlyWhatAShellWouldRead) {
  EXPECT_EQ(shell_word("http://[::1]:8080/openai/v1"), "http://[::1]:8080/openai/v1");
  EXPECT_EQ(shell_word("/a b"), "'/a b'");
  EXPECT_EQ(shell_word("/$(x)'y"), "'/$(x)'\\''y'");
}

TEST_F(RunTest, RepricePrintsExactTotalsPerModel) {
  ASSERT_EQ(run({"reprice", "--from", "2026-11-01", "--to", "2026-11-02"}), kExitOk) << err();
  EXPECT_EQ(repriced_, "./data/ongoingai.db 1793491200000000000 1793664000000000000") << "the whole last day";
  EXPECT_EQ(out(),
            "PROVIDER  MODEL   TRACES      OLD USD      NEW USD    DIFFERENCE\n"
            "openai    gpt?4o       1  0.000000001     0.000045  +0.000044999\n"
            "openai    x            1  0.000000007  0.000000007             0\n"
            "total                  2  0.000000008  0.000045007  +0.000044999\n"
            "1 traces changed; 1 have no price in the table and keep their cost\n");
  ASSERT_EQ(run({"reprice", "--from=2026-11-01T00:00:00Z", "--dry-run", "--format", "JSON"}), kExitOk) << err();
  EXPECT_EQ(repriced_, "./data/ongoingai.db 1793491200000000000 9223372036854775807 dry");
  EXPECT_EQ(out(),
            "{\"dry_run\":true,\"rows\":2,\"changed\":1,\"unpriced\":1,\"old_cost_usd\":0.000000008,"
            "\"new_cost_usd\":0.000045007,\"difference_usd\":0.000044999,\"items\":["
            "{\"provider\":\"openai\",\"model\":\"gpt\\n4o\",\"rows\":1,\"changed\":1,\"unpriced\":0,"
            "\"old_cost_usd\":0.000000001,\"new_cost_usd\":0.000045,\"difference_usd\":0.000044999},"
            "{\"provider\":\"openai\",\"model\":\"x\",\"rows\":1,\"changed\":0,\"unpriced\":1,"
            "\"old_cost_usd\":0.000000007,\"new_cost_usd\":0.000000007,\"difference_usd\":0}]}\n");
}

TEST_F(RunTest, RepriceNeedsARangeThatMakesSense) {
  EXPECT_EQ(run({"reprice"}), kExitUsage);
  EXPECT_EQ(err().rfind("usage: ongoingai reprice ", 0), 0U) << err();
  EXPECT_EQ(run({"reprice", "--from", "soon"}), kExitUsage);
  EXPECT_EQ(err(), "invalid reprice --from \"soon\": expected RFC3339 or YYYY-MM-DD\n");
  EXPECT_EQ(run({"reprice", "--from", "2026-11-02", "--to", "2026-11-01"}), kExitUsage);
  EXPECT_EQ(run({"reprice", "--from", "2026-11-02", "--format", "xml"}), kExitUsage);
  EXPECT_EQ(err(), "invalid reprice format \"xml\": expected text or json\n");
  EXPECT_EQ(run({"reprice", "--from", "1970-01-01"}), kExitFailure);
  EXPECT_EQ(err(), "failed to reprice: no\n");
}

TEST_F(RunTest, WrapWithoutACommandPrintsItsUsage) {
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"wrap"}, {"wrap", "--"}, {"wrap", "--", "--"}}) {
    EXPECT_EQ(run(args), 2);
    EXPECT_EQ(err(), "usage: ongoingai wrap [--config path/to/ongoingai.yaml] -- <command> [args...]\n");
  }
}

TEST_F(RunTest, WrapRunsTheCommandWithTheTwoVariablesAndReturnsItsCode) {
  const std::string path = file("c.yaml", "server:\n  port: 9000\nproviders:\n  openai:\n    prefix: /o\n");
  const std::string result = dir_ + "/result";
  const std::string script = "printf '%s %s' \"$OPENAI_BASE_URL\" \"$ANTHROPIC_BASE_URL\" > \"$1\"; exit 3";
  EXPECT_EQ(run({"wrap", "--config", path, "--", "sh", "-c", script, "sh", result}), 3) << err();
  EXPECT_EQ(read(result), "http://localhost:9000/o/v1 http://localhost:9000/anthropic");
  EXPECT_EQ(run({"wrap", "--config", path, "sh", "-c", script, "sh", result}), 3) << "also without the two dashes";
}

TEST_F(RunTest, WrapTellsWhenTheCommandCannotBeStarted) {
  EXPECT_EQ(run({"wrap", "--", "no-such-command-here"}), 1);
  EXPECT_EQ(err(), "failed to start command: exec: \"no-such-command-here\": executable file not found in $PATH\n");
  EXPECT_EQ(run({"wrap", "--", "/no/such/command"}), 1);
  EXPECT_EQ(err(), "failed to start command: fork/exec /no/such/command: No such file or directory\n");
}

TEST_F(RunTest, DemoTakesOneFlag) {
  EXPECT_EQ(run({"demo"}), 6);
  EXPECT_EQ(demo_once_, false);
  EXPECT_EQ(run({"demo", "--once"}), 6);
  EXPECT_EQ(demo_once_, true);
}

}  // namespace
}  // namespace gw::cli
