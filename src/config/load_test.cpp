#include "config/load.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "config/test_support.h"
#include "config/validate.h"
#include "config/yaml_document.h"

namespace gw::config {
namespace {

using testing::env_of;
using testing::error_of;

/// A folder of its own for each test, removed at its end.
class Load : public ::testing::Test {
 protected:
  Load() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gw-config-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~Load() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }
  static LoadOptions options(const std::string& path, bool given,
                             std::map<std::string, std::string, std::less<>> env = {}) {
    return {path, given, env_of(std::move(env))};
  }

  std::filesystem::path folder_;
};

TEST_F(Load, TakesEnvironmentOverFileOverDefaults) {
  const std::string file = write("a.yaml", "server:\n  host: from-file\n  port: 81\n");
  const auto config = load(options(file, true, {{"ONGOINGAI_PORT", "82"}}));
  ASSERT_TRUE(config) << error_of(config);
  EXPECT_EQ(config->server.port, 82);
  EXPECT_EQ(config->server.host, "from-file");
  EXPECT_EQ(config->storage.driver, "sqlite");
}

TEST_F(Load, MissingFileIsAnErrorOnlyWhenTheUserNamedIt) {
  const std::string absent = path("absent.yaml");
  const auto quiet = load(options(absent, false, {{"ONGOINGAI_PORT", "82"}}));
  ASSERT_TRUE(quiet) << error_of(quiet);
  EXPECT_EQ(quiet->server.port, 82);
  EXPECT_EQ(error_of(load(options(absent, true))),
            "read config \"" + absent + "\": open " + absent + ": no such file or directory");
}

TEST_F(Load, EmptyPathMeansNoFile) {
  for (bool given : {false, true}) EXPECT_EQ(error_of(load(options("", given))), "(no error)");
}

TEST_F(Load, DefaultsToAFileInTheWorkingFolder) {
  EXPECT_EQ(LoadOptions{}.path, "ongoingai.yaml");
  EXPECT_FALSE(LoadOptions{}.path_given);
}

TEST_F(Load, OtherReadErrorsAreReported) {
  const std::string folder = folder_.string();
  for (bool given : {false, true}) {
    EXPECT_EQ(error_of(load(options(folder, given))),
              "read config \"" + folder + "\": read " + folder + ": is a directory");
    const std::string below = write("plain", "") + "/x.yaml";
    EXPECT_EQ(error_of(load(options(below, given))),
              "read config \"" + below + "\": open " + below + ": not a directory");
  }
  if (::geteuid() == 0) return;  // root may read everything
  const std::string secret = write("secret.yaml", "");
  ASSERT_EQ(::chmod(secret.c_str(), 0), 0);
  EXPECT_EQ(error_of(load(options(secret, false))),
            "read config \"" + secret + "\": open " + secret + ": permission denied");
}

TEST_F(Load, ReadsAPipeToItsEnd) {
  const std::string fifo = path("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(fifo) << "server: {port: 81}\n" << std::flush << "storage: {path: p}\n"; });
  const auto config = load(options(fifo, true));
  writer.join();
  ASSERT_TRUE(config) << error_of(config);
  EXPECT_EQ(config->storage.path, "p");
}

TEST_F(Load, NamesTheFileInEveryFault) {
  const std::string file = write("odd \"name\".yaml", "nope: 1\n");
  const std::string shown = "\"" + path("odd \\\"name\\\".yaml") + "\"";
  EXPECT_TRUE(error_of(load(options(file, true)))
                  .starts_with("parse yaml " + shown + ": yaml: unmarshal errors:\n  line 1: field nope "))
      << error_of(load(options(file, true)));
  const std::string huge = write("huge.yaml", std::string(kMaxYamlBytes * 2, '#'));
  EXPECT_EQ(error_of(load(options(huge, true))), "parse yaml \"" + huge + "\": yaml: larger than 4194304 bytes");
}

TEST_F(Load, StopsAtABadVariable) {
  EXPECT_EQ(
      error_of(load(options("", false, {{"ONGOINGAI_PORT", "x"}}))),
      "invalid ONGOINGAI_PORT: strconv.Atoi: parsing \"x\": invalid syntax (expected a whole number such as 8080)");
}

TEST_F(Load, DoesNotValidate) { EXPECT_EQ(load(options("", false, {{"ONGOINGAI_PORT", "0"}}))->server.port, 0); }

TEST(StarterFile, OfTheIntegrationsPageLoadsAndValidates) {
  const auto config = parse_config(R"(# The page's starter configuration.
auth:
  enabled: true
  header: X-OngoingAI-Gateway-Key

storage:
  driver: sqlite
  path: ./ongoingai.db

tracing:
  capture_bodies: false
  body_max_size: 1048576

observability:
  otel:
    enabled: true
    endpoint: localhost:4318
    insecure: true
    service_name: ongoingai-gateway
    traces_enabled: true
    metrics_enabled: true
    sampling_ratio: 1.0
    export_timeout_ms: 3000
    metric_export_interval_ms: 10000
    # prometheus_enabled: false
    # prometheus_path: /metrics
)",
                                   "ongoingai.yaml");
  ASSERT_TRUE(config) << error_of(config);
  EXPECT_EQ(error_of(validate(*config)), "(no error)");
  EXPECT_TRUE(config->auth.enabled);
  EXPECT_EQ(config->auth.header, "X-OngoingAI-Gateway-Key");
  EXPECT_EQ(config->storage.path, "./ongoingai.db");
  EXPECT_TRUE(config->observability.otel.enabled);
  EXPECT_FALSE(config->observability.otel.prometheus_enabled);
  EXPECT_DOUBLE_EQ(config->observability.otel.sampling_ratio, 1.0);
}

TEST(Examples, OfThePagesFolderLoadWhenPresent) {
  // Only a checkout that lies beside the shared folder has the page's own file.
  const char* given = std::getenv("GW_SHARED_DIR");
  const std::filesystem::path source = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
  const std::filesystem::path shared =
      given != nullptr ? std::filesystem::path(given) : source.parent_path() / "shared";
  const std::filesystem::path file = shared / "contract" / "integrations-page.yaml";
  if (!std::filesystem::exists(file)) {
    std::cout << "not there, not tested: the integrations page's file\n";
    return;
  }
  const auto config = load({file.string(), true, env_of({})});
  EXPECT_EQ(error_of(config), "(no error)");
}

}  // namespace
}  // namespace gw::config
