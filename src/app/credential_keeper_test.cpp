#include "app/credential_keeper.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace gw::app {
namespace {

class KeepingCredentials : public ::testing::Test {
 protected:
  KeepingCredentials() {
    std::string pattern = testing::TempDir() + "gw_credential_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    groq_.credential_file = folder_ + "/key";
    claude_.credential_env = "K";
    claude_.credential = "fixed";
    write("first\n");
  }
  ~KeepingCredentials() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& text) {
    std::ofstream(folder_ + "/new") << text;
    std::filesystem::rename(folder_ + "/new", groq_.credential_file);
  }
  std::string lines(std::size_t route) { return std::string(worker_.of(held_, route).lines()); }

  std::string folder_;
  static config::ProviderConfig provider(const std::string& name, const std::string& kind) {
    return {.name = name, .kind = kind, .upstream = {}, .prefix = {}};
  }

  config::ProviderConfig bare_ = provider("openai", "openai"), groq_ = provider("groq", "openai"),
                         claude_ = provider("claude", "anthropic");
  pipeline::HeldCredentials held_;
  pipeline::WorkerCredentials worker_;
  CredentialKeeper keeper_{{&bare_, &groq_, &claude_}, held_};
};

TEST_F(KeepingCredentials, AtTheStartEachRouteHasItsOwn) {
  ASSERT_TRUE(keeper_.read());
  EXPECT_EQ(lines(0), "");
  EXPECT_EQ(lines(1), "Authorization: Bearer first\r\n");
  EXPECT_EQ(lines(2), "X-API-Key: fixed\r\n");
  for (const char* name : {"authorization", "x-api-key", "API-KEY", "x-goog-api-key"}) {
    EXPECT_FALSE(worker_.of(held_, 0).replaces(name));
    EXPECT_TRUE(worker_.of(held_, 1).replaces(name));
  }
  EXPECT_TRUE(keeper_.poll().empty());
}

TEST_F(KeepingCredentials, ANewFileIsTakenOnceItStaysTheSame) {
  ASSERT_TRUE(keeper_.read());
  write("sec");
  EXPECT_TRUE(keeper_.poll().empty()) << "it may be in the middle of being written";
  write("second\n");
  EXPECT_TRUE(keeper_.poll().empty());
  EXPECT_EQ(lines(1), "Authorization: Bearer first\r\n");
  const auto changes = keeper_.poll();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].provider, "groq");
  EXPECT_EQ(changes[0].error, "");
  EXPECT_EQ(lines(1), "Authorization: Bearer second\r\n");
  EXPECT_EQ(lines(2), "X-API-Key: fixed\r\n");
  EXPECT_TRUE(keeper_.poll().empty());
}

TEST_F(KeepingCredentials, ABadOrMissingFileLeavesTheLastGoodOneAndIsToldOnce) {
  ASSERT_TRUE(keeper_.read());
  const auto told = [&] {
    std::string error;
    for (int look = 0; look < 4; ++look)
      for (const auto& change : keeper_.poll()) error += change.error;
    return error;
  };
  write("two words");
  EXPECT_EQ(told(),
            "providers.groq.credential_file: the key must be one word of visible ASCII characters, without a scheme "
            "like Bearer before it");
  std::filesystem::remove(groq_.credential_file);
  EXPECT_EQ(told(), "providers.groq.credential_file: the file that it names cannot be read: No such file or directory");
  EXPECT_EQ(lines(1), "Authorization: Bearer first\r\n");
  write("third");
  EXPECT_EQ(told(), "");
  EXPECT_EQ(lines(1), "Authorization: Bearer third\r\n");
}

/// No descriptor can be opened while it lives.
struct NoDescriptors {
  rlimit before{};
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before);
    const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before); }
};

TEST_F(KeepingCredentials, AFileThatCouldNotBeReadIsReadAgainAlthoughItDidNotChange) {
  ASSERT_TRUE(keeper_.read());
  write("second");
  {
    const NoDescriptors none;
    EXPECT_TRUE(keeper_.poll().empty());
    EXPECT_EQ(keeper_.poll().size(), 1U);
    EXPECT_TRUE(keeper_.poll().empty()) << "it was told";
  }
  EXPECT_EQ(keeper_.poll().size(), 1U);
  EXPECT_EQ(lines(1), "Authorization: Bearer second\r\n");
}

TEST_F(KeepingCredentials, AtTheStartWhatCannotBeReadIsAFault) {
  std::filesystem::remove(groq_.credential_file);
  const auto done = keeper_.read();
  ASSERT_FALSE(done);
  EXPECT_TRUE(done.error().message.starts_with("providers.groq.credential_file: ")) << done.error().message;
}

}  // namespace
}  // namespace gw::app
