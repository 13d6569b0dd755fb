#pragma once
// For tests: a command line in a folder of its own, with an environment and a store of its own.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "cli/run.h"
#include "store/test_reader.h"

namespace gw::cli {

using store::MemoryReader;

class Cli : public ::testing::Test {
 protected:
  static constexpr std::int64_t kNow = 1'771'423'200'500'000'000;  // 2026-02-18T14:00:00.5Z

  void SetUp() override { ASSERT_NE(::mkdtemp(dir_.data()), nullptr); }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string file(const std::string& name, const std::string& text) {
    const std::string path = dir_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }
  std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  std::vector<std::string> files() {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(dir_)) out.push_back(entry.path().filename().string());
    std::sort(out.begin(), out.end());
    return out;
  }

  /// Stores that commands find: copies of `stored_` and `source_`.
  virtual Handlers handlers() {
    Handlers h;
    h.open_store = [this](const config::Config& config, int) -> Handlers::Reader {
      opened_ = config.storage.path;
      if (!open_failure_.empty()) return gw::fail(open_failure_);
      return std::make_unique<MemoryReader>(stored_);
    };
    h.version = "dev (none, unknown)";
    h.out = &out_;
    h.err = &err_;
    h.terminal = terminal_;
    h.env = [this](std::string_view name) -> std::optional<std::string> {
      const auto it = environment_.find(std::string(name));
      return it == environment_.end() ? std::nullopt : std::optional(it->second);
    };
    h.clock.wall_ns = [] { return kNow; };
    return h;
  }
  int run(const std::vector<std::string>& args) {
    out_.str("");
    err_.str("");
    opened_.reset();
    return cli::run(args, handlers());
  }
  std::string out() const { return out_.str(); }
  std::string err() const { return err_.str(); }

  std::string dir_ = (std::filesystem::temp_directory_path() / "gwcliXXXXXX").string();
  std::map<std::string, std::string> environment_{{"PATH", "/usr/bin:/bin"}};
  std::ostringstream out_, err_;
  Terminal terminal_;
  MemoryReader stored_;
  std::string open_failure_;
  std::optional<std::string> opened_;
};

}  // namespace gw::cli
