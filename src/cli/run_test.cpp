#include "cli/run.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "cli/base_url.h"

namespace gw::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kUsage =
    "Usage:\n"
    "  ongoingai serve [--config path/to/ongoingai.yaml]\n"
    "  ongoingai version\n"
    "  ongoingai config validate [--config path/to/ongoingai.yaml]\n"
    "  ongoingai shell-init [--config path/to/ongoingai.yaml]\n"
    "  ongoingai wrap [--config path/to/ongoingai.yaml] -- <command> [args...]\n"
    "  ongoingai reprice [--config path/to/ongoingai.yaml] --from RFC3339|YYYY-MM-DD [--to RFC3339|YYYY-MM-DD] "
    "[--dry-run] [--format text|json]\n"
    "  ongoingai demo [--once]\n";

/// A command line in a folder of its own, with an environment of its own.
class Cli : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(::mkdtemp(dir_.data()), nullptr); }
  void TearDown() override { fs::remove_all(dir_); }

  std::string file(const std::string& name, const std::string& text) {
    const std::string path = dir_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }
  std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  int run(const std::vector<std::string>& args) {
    out_.str("");
    err_.str("");
    served_.reset();
    repriced_.clear();
    demo_once_.reset();
    Handlers h;
    h.serve = [this](const config::Config& config, const std::string& path) {
      served_ = std::to_string(config.server.port) + " " + path;
      return 5;
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
    h.version = "dev (none, unknown)";
    h.out = &out_;
    h.err = &err_;
    h.env = [this](std::string_view name) -> std::optional<std::string> {
      const auto it = environment_.find(std::string(name));
      return it == environment_.end() ? std::nullopt : std::optional(it->second);
    };
    return cli::run(args, h);
  }
  std::string out() const { return out_.str(); }
  std::string err() const { return err_.str(); }

  std::string dir_ = (fs::temp_directory_path() / "gwcliXXXXXX").string();
  std::map<std::string, std::string> environment_{{"PATH", "/usr/bin:/bin"}};
  std::ostringstream out_, err_;
  std::optional<std::string> served_;
  std::string repriced_;
  std::optional<bool> demo_once_;
};

TEST_F(Cli, AnythingUnknownPrintsTheUsageAndIsAUsageError) {
  for (const char* arg : {"help", "-h", "--help", "--config", "nope", "", "Serve", "-V"}) {
    EXPECT_EQ(run({arg}), 2) << arg;
    EXPECT_EQ(err(), kUsage) << arg;
    EXPECT_EQ(out(), "") << arg;
  }
}

TEST_F(Cli, VersionPrintsTheVersionLineWhateverFollows) {
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"version"}, {"--version"}, {"-v"}, {"version", "--nope"}}) {
    EXPECT_EQ(run(args), 0);
    EXPECT_EQ(out(), "dev (none, unknown)\n");
    EXPECT_EQ(err(), "");
  }
}

TEST_F(Cli, NoArgumentsServe) {
  EXPECT_EQ(run({}), 5);
  EXPECT_EQ(served_, "8080 ongoingai.yaml");
}

TEST_F(Cli, ServeHandsOverTheConfigurationItsPathAndTheExitCode) {
  const std::string path = file("c.yaml", "server:\n  port: 9000\n");
  EXPECT_EQ(run({"serve", "--config", path, "ignored"}), 5);
  EXPECT_EQ(served_, "9000 " + path);
  environment_["ONGOINGAI_PORT"] = "9001";
  EXPECT_EQ(run({"serve", "-config=" + path}), 5);
  EXPECT_EQ(served_, "9001 " + path);
}

TEST_F(Cli, ServeTellsWhatIsWrongWithTheConfiguration) {
  const std::string bad = file("bad.yaml", "server:\n  prot: 1\n");
  EXPECT_EQ(run({"serve", "--config", bad}), 1);
  EXPECT_EQ(err().rfind("failed to load config: ", 0), 0U) << err();
  EXPECT_FALSE(served_);
  const std::string invalid = file("invalid.yaml", "server:\n  port: 70000\n");
  EXPECT_EQ(run({"serve", "--config", invalid}), 1);
  EXPECT_EQ(err(), "config is invalid: server.port must be between 1 and 65535 (got 70000)\n");
  EXPECT_FALSE(served_);
}

TEST_F(Cli, AConfigurationFileThatWasNamedMustExist) {
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

TEST_F(Cli, ConfigValidateSaysYesWithThePathAsGiven) {
  const std::string path = file("c.yaml", "server:\n  port: 9000\n");
  EXPECT_EQ(run({"config", "validate", "--config", path}), 0);
  EXPECT_EQ(out(), "config is valid: " + path + "\n");
  EXPECT_EQ(err(), "");
}

TEST_F(Cli, ConfigValidateSaysNoInOneLine) {
  const std::string invalid = file("invalid.yaml", "storage:\n  driver: oracle\n");
  EXPECT_EQ(run({"config", "validate", "--config", invalid}), 1);
  EXPECT_EQ(err(), "config is invalid: storage.driver must be one of sqlite, postgres (got \"oracle\")\n");
  EXPECT_EQ(out(), "");
}

TEST_F(Cli, ConfigWithoutAKnownSubcommandPrintsItsUsage) {
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"config"}, {"config", "show"}, {"config", "-h"}}) {
    EXPECT_EQ(run(args), 2);
    EXPECT_EQ(err(), "Usage:\n  ongoingai config validate [--config path/to/ongoingai.yaml]\n");
  }
}

TEST_F(Cli, CommandsThatTakeNoPositionalArgumentsRefuseThem) {
  EXPECT_EQ(run({"config", "validate", "x"}), 2);
  EXPECT_EQ(err(), "config validate does not accept positional arguments\n");
  EXPECT_EQ(run({"shell-init", "x"}), 2);
  EXPECT_EQ(err(), "shell-init does not accept positional arguments\n");
  EXPECT_EQ(run({"demo", "x"}), 2);
  EXPECT_EQ(err(), "demo does not accept positional arguments\n");
}

TEST_F(Cli, WrongFlagsAreUsageErrorsWithTheHelpOfTheirCommand) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> table{
      {{"serve", "-x"}, "serve"},
      {{"config", "validate", "-x"}, "config validate"},
      {{"shell-init", "-x"}, "shell-init"},
      {{"wrap", "-x"}, "wrap"},
      {{"demo", "-x"}, "demo"}};
  for (const auto& [args, set] : table) {
    EXPECT_EQ(run(args), 2) << set;
    EXPECT_EQ(err().rfind("flag provided but not defined: -x\nUsage of " + set + ":\n  -", 0), 0U) << err();
  }
  EXPECT_EQ(run({"serve", "--help"}), 2);
  EXPECT_EQ(err().rfind("Usage of serve:\n  -config string\n    \t", 0), 0U) << err();
  EXPECT_TRUE(err().ends_with("(default \"ongoingai.yaml\")\n")) << err();
}

TEST_F(Cli, ShellInitPrintsTwoExports) {
  EXPECT_EQ(run({"shell-init"}), 0);
  EXPECT_EQ(out(),
            "export OPENAI_BASE_URL=http://localhost:8080/openai/v1\nexport "
            "ANTHROPIC_BASE_URL=http://localhost:8080/anthropic\n");
}

TEST_F(Cli, ShellInitDoesNotValidate) {
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

TEST_F(Cli, RepricePrintsExactTotalsPerModel) {
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

TEST_F(Cli, RepriceNeedsARangeThatMakesSense) {
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

TEST_F(Cli, WrapWithoutACommandPrintsItsUsage) {
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"wrap"}, {"wrap", "--"}, {"wrap", "--", "--"}}) {
    EXPECT_EQ(run(args), 2);
    EXPECT_EQ(err(), "usage: ongoingai wrap [--config path/to/ongoingai.yaml] -- <command> [args...]\n");
  }
}

TEST_F(Cli, WrapRunsTheCommandWithTheTwoVariablesAndReturnsItsCode) {
  const std::string path = file("c.yaml", "server:\n  port: 9000\nproviders:\n  openai:\n    prefix: /o\n");
  const std::string result = dir_ + "/result";
  const std::string script = "printf '%s %s' \"$OPENAI_BASE_URL\" \"$ANTHROPIC_BASE_URL\" > \"$1\"; exit 3";
  EXPECT_EQ(run({"wrap", "--config", path, "--", "sh", "-c", script, "sh", result}), 3) << err();
  EXPECT_EQ(read(result), "http://localhost:9000/o/v1 http://localhost:9000/anthropic");
  EXPECT_EQ(run({"wrap", "--config", path, "sh", "-c", script, "sh", result}), 3) << "also without the two dashes";
}

TEST_F(Cli, WrapTellsWhenTheCommandCannotBeStarted) {
  EXPECT_EQ(run({"wrap", "--", "no-such-command-here"}), 1);
  EXPECT_EQ(err(), "failed to start command: exec: \"no-such-command-here\": executable file not found in $PATH\n");
  EXPECT_EQ(run({"wrap", "--", "/no/such/command"}), 1);
  EXPECT_EQ(err(), "failed to start command: fork/exec /no/such/command: No such file or directory\n");
}

TEST_F(Cli, DemoTakesOneFlag) {
  EXPECT_EQ(run({"demo"}), 6);
  EXPECT_EQ(demo_once_, false);
  EXPECT_EQ(run({"demo", "--once"}), 6);
  EXPECT_EQ(demo_once_, true);
}

TEST_F(Cli, CommandsOfALaterVersionSaySo) {
  for (const char* command : {"report", "debug", "doctor", "diagnostics"}) {
    EXPECT_EQ(run({command, "--help"}), 1);
    EXPECT_EQ(err(), std::string("ongoingai ") + command + ": not available in this version\n");
  }
}

}  // namespace
}  // namespace gw::cli
