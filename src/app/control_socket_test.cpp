#include "app/control_socket.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <thread>

namespace gw::app {
namespace {

class ControlSocketTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "gw-control-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    config_.storage.path = folder_ / "traces.db";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Result<cli::ReloadReport> ask(const Result<cli::ReloadReport>& answer) {
    auto socket = ControlSocket::open(control_path(config_));
    EXPECT_TRUE(socket) << socket.error().message;
    Result<cli::ReloadReport> got;
    std::thread client([&] { got = ask_to_reload(config_); });
    bool answered = false;
    while (!answered) socket->answer([&] { return answered = true, answer; });
    client.join();
    return got;
  }

  std::filesystem::path folder_;
  config::Config config_;
};

TEST_F(ControlSocketTest, TellsWhatWasAppliedAndWhatNeedsARestart) {
  const auto got = ask(cli::ReloadReport{.pid = 42, .applied = {"a.b", "c"}, .needs_restart = {"server.port"}});
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->pid, 42);
  EXPECT_EQ(got->applied, (std::vector<std::string>{"a.b", "c"}));
  EXPECT_EQ(got->needs_restart, std::vector<std::string>{"server.port"});
}

TEST_F(ControlSocketTest, TellsAllLinesOfARefusal) {
  const auto got = ask(fail("config is invalid: one\n  at file:3\ntwo"));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().message, "config is invalid: one\n  at file:3\ntwo");
}

TEST_F(ControlSocketTest, IsFoundUnderAPathThatIsTooLongForAnAddress) {
  const std::filesystem::path deep = folder_ / std::string(120, 'x');
  std::filesystem::create_directories(deep);
  config_.storage.path = deep / "traces.db";
  EXPECT_TRUE(ask(cli::ReloadReport{}));
}

TEST_F(ControlSocketTest, IsForItsUserOnlyAndLeavesNothingBehind) {
  const std::string path = control_path(config_);
  {
    const auto socket = ControlSocket::open(path);
    ASSERT_TRUE(socket) << socket.error().message;
    struct stat info{};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600U);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(ControlSocketTest, ReplacesOneThatAKilledProcessLeft) {
  auto left = ControlSocket::open(control_path(config_));
  EXPECT_TRUE(ask(cli::ReloadReport{}));
}

TEST_F(ControlSocketTest, SaysThatNoGatewayIsRunning) {
  const auto got = ask_to_reload(config_);
  ASSERT_FALSE(got);
  EXPECT_NE(got.error().message.find("no gateway is running on"), std::string::npos) << got.error().message;
}

}  // namespace
}  // namespace gw::app
