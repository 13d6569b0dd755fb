#include "config/credential.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "config/test_support.h"
#include "config/validate.h"

namespace gw::config {
namespace {

using testing::contains;
using testing::env_of;
using testing::error_of;
using testing::parsed;

const std::string kNone = "(no error)";
const std::string kSecret = "sk-held-0123456789abcdef";
constexpr const char* kLoopback = "server: {host: 127.0.0.1}\n";

class Credentials : public ::testing::Test {
 protected:
  Credentials() {
    std::string pattern = ::testing::TempDir() + "gw_credential_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~Credentials() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& content, mode_t mode = 0600) {
    const std::string path = folder_ + "/key";
    std::ofstream(path, std::ios::binary) << content;
    ::chmod(path.c_str(), mode);
    return path;
  }
  /// The configuration with these keys of the provider openai, and what validation says of it.
  static Config loaded(const std::string& keys, std::map<std::string, std::string, std::less<>> env = {},
                       const std::string& rest = kLoopback) {
    Config c = parsed("providers: {openai: {" + keys + "}}\n" + rest);
    EXPECT_EQ(error_of(apply_environment(c, env_of(std::move(env)))), kNone);
    return c;
  }
  static std::string verdict(const Config& c) {
    const std::string error = testing::without_places(error_of(validate(c)));
    EXPECT_EQ(error.find(kSecret), std::string::npos) << error;
    return error;
  }
  std::string read(const std::string& content) {
    const auto key = read_credential(loaded("credential_file: " + file(content)).providers.openai);
    EXPECT_TRUE(key) << error_of(key);
    return key ? *key : "";
  }

  std::string folder_;
};

TEST_F(Credentials, ComeFromTheNamedVariable) {
  const Config c = loaded("credential_env: MY_KEY", {{"MY_KEY", kSecret}, {"OTHER", "x"}});
  EXPECT_EQ(verdict(c), kNone);
  EXPECT_TRUE(holds_credential(c.providers.openai));
  EXPECT_FALSE(holds_credential(c.providers.anthropic));
  EXPECT_EQ(*read_credential(c.providers.openai), kSecret);
}

TEST_F(Credentials, ComeFromAFileWithoutTheEndOfItsLine) {
  EXPECT_EQ(read(kSecret), kSecret);
  EXPECT_EQ(read(kSecret + "\n"), kSecret);
  EXPECT_EQ(read(kSecret + "\r\n"), kSecret);
  const std::string longest(kMaxCredentialBytes, 'k');
  EXPECT_EQ(read(longest + "\r\n"), longest);
}

TEST_F(Credentials, AreSentAsTheKindOfTheProviderWantsIt) {
  ProviderConfig p{.name = "groq", .kind = "openai", .upstream = {}, .prefix = {}};
  EXPECT_EQ(credential_line(p, "k"), "Authorization: Bearer k\r\n");
  p.kind = "anthropic";
  EXPECT_EQ(credential_line(p, "k"), "X-API-Key: k\r\n");
  p.credential_header = "api-key";
  EXPECT_EQ(credential_line(p, "k"), "api-key: k\r\n");
  p.credential_header = "authorization";
  EXPECT_EQ(credential_line(p, "k"), "authorization: Bearer k\r\n");
}

TEST_F(Credentials, ThatAreMissingOrUnusableAreFaultsThatNameTheSettingOnly) {
  const std::string env = "providers.openai.credential_env", path = "providers.openai.credential_file";
  const std::string unset = env + ": the variable that it names is not set or empty";
  EXPECT_EQ(verdict(loaded("credential_env: MY_KEY")), unset);
  EXPECT_EQ(verdict(loaded("credential_env: MY_KEY", {{"MY_KEY", ""}})), unset);
  EXPECT_EQ(verdict(loaded("credential_env: MY_KEY", {{"MY_KEY", " \n"}})), unset);
  EXPECT_EQ(verdict(loaded("credential_env: " + kSecret)),
            env + " must be the name of an environment variable, not a key: letters, digits and '_'");
  EXPECT_EQ(verdict(loaded("credential_file: " + kSecret)),
            path + ": the file that it names cannot be read: No such file or directory");
  EXPECT_EQ(verdict(loaded("credential_file: " + folder_)),
            path + ": the file that it names cannot be read: it is not a file");
  EXPECT_EQ(verdict(loaded("credential_file: " + file("\n"))), path + ": the file that it names is empty");
  for (const std::string& bad :
       {"Bearer " + kSecret, kSecret + " ", " " + kSecret, kSecret + "\n\n", kSecret + "\n" + kSecret, kSecret + "\t",
        kSecret + "\x7f", kSecret + "\xc3\xa4", kSecret + std::string(1, '\0'), kSecret + "\r\nX-Other: 1"}) {
    const std::string why =
        ": the key must be one word of visible ASCII characters, without a scheme like Bearer before it";
    EXPECT_EQ(verdict(loaded("credential_file: " + file(bad))), path + why) << bad;
    EXPECT_EQ(verdict(loaded("credential_env: MY_KEY", {{"MY_KEY", bad}})), env + why) << bad;
  }
  for (const std::size_t more : {1U, 2U, 3U, 100'000U})
    EXPECT_EQ(verdict(loaded("credential_file: " + file(std::string(kMaxCredentialBytes + more, 'k')))),
              path + ": the key must have at most 8192 bytes")
        << more;
}

TEST_F(Credentials, FromTwoPlacesAreRefused) {
  EXPECT_EQ(verdict(loaded("credential_env: MY_KEY, credential_file: " + file(kSecret), {{"MY_KEY", kSecret}})),
            "providers.openai.credential_env and providers.openai.credential_file must not both be set");
  EXPECT_EQ(verdict(loaded("credential_file: " + file(kSecret) + ", headers: {API-Key: " + kSecret + "}")),
            "providers.openai.credential_file and providers.openai.headers.API-Key must not both be set");
  EXPECT_EQ(verdict(loaded("credential_file: " + file(kSecret) + ", headers: {X-Team: a}")), kNone);
}

TEST_F(Credentials, GoIntoHeadersThatAreKnownToHoldKeys) {
  EXPECT_EQ(verdict(loaded("credential_header: api-key, credential_file: " + file(kSecret))), kNone);
  EXPECT_EQ(verdict(loaded("credential_header: X-Mine, credential_file: " + file(kSecret))),
            "providers.openai.credential_header must be one of Authorization, X-API-Key, api-key, x-goog-api-key");
  EXPECT_EQ(verdict(loaded("credential_header: api-key")),
            "providers.openai.credential_header is for a key that credential_env or credential_file names");
}

TEST_F(Credentials, AreNotOfferedToEverybodyOnTheNetwork) {
  const auto listening = [&](const std::string& host, const std::string& rest = "") {
    return verdict(loaded("credential_env: K", {{"K", kSecret}}, "server: {host: '" + host + "'}\n" + rest));
  };
  for (const char* host : {"127.0.0.1", "127.8.8.8", "[::1]", "localhost", "LOCALHOST"})
    EXPECT_EQ(listening(host), kNone) << host;
  for (const char* host : {"", "0.0.0.0", "[::]", "10.0.0.1", "127.evil.com", "localhost.evil.com"}) {
    EXPECT_EQ(listening(host),
              "providers.openai.credential_env lets everybody who reaches the gateway use your key: set auth.enabled, "
              "or server.host to 127.0.0.1")
        << host;
    EXPECT_EQ(listening(host, "auth: {enabled: true}"), kNone) << host;
  }
}

TEST_F(Credentials, InHeadersOfAProviderAreNotOfferedToEverybodyEither) {
  const auto listening = [&](const char* header, const std::string& host, const std::string& rest = "") {
    return verdict(
        loaded(std::string("headers: {") + header + ": sk-mine}", {}, "server: {host: '" + host + "'}\n" + rest));
  };
  for (const char* header : {"Authorization", "x-api-key", "api-key"}) {
    EXPECT_EQ(listening(header, "127.0.0.1"), kNone);
    EXPECT_EQ(listening(header, "0.0.0.0", "auth: {enabled: true}"), kNone);
    EXPECT_EQ(
        listening(header, "0.0.0.0"),
        "providers.openai.headers." + std::string(header) +
            " lets everybody who reaches the gateway use your key: set auth.enabled, or server.host to 127.0.0.1");
  }
  EXPECT_EQ(listening("X-Team", "0.0.0.0"), kNone);
}

TEST_F(Credentials, AreNotLookedForByCommandsThatAskNoProvider) {
  const Config c = loaded("credential_env: MY_KEY", {}, "");
  EXPECT_NE(verdict(c), kNone);
  EXPECT_EQ(verdict(without_credentials(c)), kNone);
}

TEST_F(Credentials, OfAFileThatEverybodyCanReadAreWarnedOf) {
  EXPECT_EQ(credential_warning(loaded("credential_file: " + file(kSecret, 0640)).providers.openai), "");
  EXPECT_TRUE(contains(credential_warning(loaded("credential_file: " + file(kSecret, 0644)).providers.openai),
                       "providers.openai.credential_file: every user of this machine can read the file"));
  EXPECT_EQ(credential_warning(loaded("credential_env: K", {{"K", kSecret}}).providers.openai), "");
}

}  // namespace
}  // namespace gw::config
