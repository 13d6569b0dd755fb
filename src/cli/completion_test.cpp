#include <gtest/gtest.h>

#include <cstdio>

#include "cli/command.h"
#include "cli/fixture.h"

namespace gw::cli {
namespace {

/// What a real bash offers for the last of the words.
class CompletionTest : public Cli {
 protected:
  void SetUp() override {
    Cli::SetUp();
    ASSERT_EQ(run({"completion", "bash"}), kExitOk) << err();
    script_ = file("completion.bash", out());
  }
  std::string offered(const std::vector<std::string>& words) {
    std::string array;
    for (const std::string& w : words) array += " '" + w + "'";
    const std::string test =
        file("test.bash", "set -u\ncd " + dir_ + "\nsource " + script_ +
                              "\n"
                              "complete -p ongoingai > /dev/null || exit 9\nCOMP_WORDS=(ongoingai" +
                              array + ")\nCOMP_CWORD=" + std::to_string(words.size()) +
                              "\n_ongoingai ongoingai\nprintf '%s\\n' \"${COMPREPLY[@]-}\" | sort | paste -sd ' '\n");
    std::FILE* pipe = ::popen(("bash --norc --noprofile " + test + " 2>&1").c_str(), "r");
    std::string text;
    char buffer[4096];
    while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, n);
    EXPECT_EQ(::pclose(pipe), 0) << text;
    if (!text.empty()) text.pop_back();
    return text;
  }

  std::string script_;
};

TEST_F(CompletionTest, TheFirstWordIsACommand) {
  EXPECT_EQ(offered({"re"}), "reload report reprice");
  EXPECT_EQ(offered({"d"}), "debug demo diagnostics doctor");
  std::string all;
  std::vector<std::string> names;
  for (const Command& c : all_commands()) names.emplace_back(c.name.substr(0, c.name.find(' ')));
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) all += (all.empty() ? "" : " ") + name;
  EXPECT_EQ(offered({""}), all);
}

TEST_F(CompletionTest, EveryFlagOfEveryCommandIsOffered) {
  for (const Command& c : all_commands()) {
    if (c.flags == nullptr) continue;
    const std::size_t blank = c.name.find(' ');
    std::vector<std::string> words{std::string(c.name.substr(0, blank))};
    if (blank != std::string_view::npos) words.emplace_back(c.name.substr(blank + 1));
    words.emplace_back("-");
    std::string expected;
    for (const FlagSet::Described& f : c.flags()) expected += (expected.empty() ? "--" : " --") + f.name;
    const std::string got = offered(words);
    for (const FlagSet::Described& f : c.flags())
      EXPECT_NE((" " + got + " ").find(" --" + f.name + " "), std::string::npos) << c.name << ": " << got;
    EXPECT_EQ(std::count(got.begin(), got.end(), ' '), std::count(expected.begin(), expected.end(), ' ')) << got;
  }
}

TEST_F(CompletionTest, ValuesAreOfferedBehindABlankAndBehindAnEqualsSign) {
  EXPECT_EQ(offered({"report", "--format", ""}), "json text");
  EXPECT_EQ(offered({"report", "-format", "j"}), "json");
  EXPECT_EQ(offered({"report", "--format", "="}), "json text");
  EXPECT_EQ(offered({"report", "--format", "=", "t"}), "text");
  EXPECT_EQ(offered({"export", "--format", "c"}), "csv");
  EXPECT_EQ(offered({"report", "--model", "x"}), "") << "anything";
}

TEST_F(CompletionTest, FilesAreOfferedWhereTheyAreMeant) {
  file("my config.yaml", "");
  file("my.db", "");
  EXPECT_EQ(offered({"serve", "--config", "my"}), "my config.yaml my.db");
  EXPECT_EQ(offered({"backup", "my."}), "my.db");
  EXPECT_EQ(offered({"import", "--dry-run", "my."}), "my.db");
}

TEST_F(CompletionTest, WordsThatACommandTakesAreOffered) {
  EXPECT_EQ(offered({"config", ""}), "validate");
  EXPECT_EQ(offered({"config", "validate", "--c"}), "--config");
  EXPECT_EQ(offered({"debug", "l"}), "last");
  EXPECT_EQ(offered({"diagnostics", "t"}), "trace-pipeline");
  EXPECT_EQ(offered({"completion", ""}), "bash fish zsh");
  EXPECT_EQ(offered({"wrap", "--", "-"}), "") << "the words of another command";
}

TEST_F(CompletionTest, TheOtherShellsNameEveryCommandAndFlag) {
  for (const char* shell : {"zsh", "fish"}) {
    ASSERT_EQ(run({"completion", shell}), kExitOk) << err();
    for (const Command& c : all_commands()) {
      EXPECT_NE(out().find(c.name.substr(0, c.name.find(' '))), std::string::npos) << c.name;
      if (c.flags == nullptr) continue;
      for (const FlagSet::Described& f : c.flags())
        EXPECT_NE(out().find((shell[0] == 'z' ? "--" : "-l ") + f.name), std::string::npos) << shell << " " << f.name;
    }
  }
}

TEST_F(CompletionTest, OtherShellsAreAUsageError) {
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"completion"}, {"completion", "csh"}, {"completion", "bash", "zsh"}}) {
    EXPECT_EQ(run(args), kExitUsage);
    EXPECT_EQ(err(), "usage: ongoingai completion bash|zsh|fish\n");
  }
}

}  // namespace
}  // namespace gw::cli
