#pragma once
// For tests: a Redis server of one's own, on a socket in a folder of its own.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "base/clock.h"
#include "store/redis/client.h"

namespace gw::store::redis {

inline std::int64_t soon() { return mono_now_ns() + 10'000'000'000; }

class TestServer {
 public:
  explicit TestServer(std::vector<std::string> more = {}) : more_(std::move(more)) {
    std::string pattern = testing::TempDir() + "gw_redis_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    start();
  }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;
  ~TestServer() {
    kill();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  config::RedisUrl url() const {
    config::RedisUrl url;
    url.path = folder_ + "/redis.sock";
    return url;
  }
  void start() {
    std::vector<std::string> words{"redis-server", "--port", "0",     "--unixsocket", url().path,  "--save",        "",
                                   "--appendonly", "no",     "--dir", folder_,        "--logfile", folder_ + "/log"};
    words.insert(words.end(), more_.begin(), more_.end());
    std::vector<char*> argv;
    for (std::string& w : words) argv.push_back(w.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
    const std::int64_t until = mono_now_ns() + 20'000'000'000;
    while (mono_now_ns() < until) {
      Client client(url());
      const Command ping{"PING"};
      if (const auto r = client.run({&ping, 1}, soon()); r || r.error().message.find("NOAUTH") != std::string::npos)
        return;
      ::usleep(5'000);  // lint: allow(sleep) between looks at a server that starts
    }
    ADD_FAILURE() << "redis-server did not start; its package is redis-server";
  }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  /// By another client.
  Reply ask(const Command& command) const {
    Client client(url());
    auto r = client.run({&command, 1}, soon());
    EXPECT_TRUE(r) << r.error().message;
    return r ? r->front() : Reply{};
  }

 private:
  std::vector<std::string> more_;
  std::string folder_;
  pid_t pid_ = -1;
};

}  // namespace gw::store::redis
