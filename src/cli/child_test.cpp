#include "cli/child.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace gw::cli {
namespace {

namespace fs = std::filesystem;

struct Scratch {
  std::string dir = (fs::temp_directory_path() / "gwcliXXXXXX").string();
  Scratch() {
    if (::mkdtemp(dir.data()) == nullptr) std::abort();
  }
  ~Scratch() { fs::remove_all(dir); }
  std::string file(const std::string& name, const std::string& text, ::mode_t mode = 0644) const {
    const std::string path = dir + "/" + name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }
};

Result<int> shell(const std::string& script, const std::vector<std::string>& environment = {"PATH=/usr/bin:/bin"}) {
  return run_child("/bin/sh", std::vector<std::string>{"sh", "-c", script}, environment);
}

TEST(RunChild, ReturnsTheExitCode) {
  EXPECT_EQ(shell("exit 0").value(), 0);
  EXPECT_EQ(shell("exit 7").value(), 7);
  EXPECT_EQ(shell("exit 127").value(), 127) << "a code of the command, not our failure to start it";
}

TEST(RunChild, DeathByASignalIs255) { EXPECT_EQ(shell("kill -KILL $$").value(), 255); }

TEST(RunChild, TheCommandDiesOfSigpipeAlsoWhenWeIgnoreIt) {
  struct sigaction ignore{};
  struct sigaction before{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &before);
  EXPECT_EQ(shell("kill -PIPE $$; exit 3").value(), 255);
  ::sigaction(SIGPIPE, &before, nullptr);
}

TEST(RunChild, TheCommandIsBornWithTheSignalMaskThatWeHad) { EXPECT_EQ(shell("kill -INT $$; exit 3").value(), 255); }

TEST(RunChild, PassesOnTheSignalsThatAnotherProcessSendsUsAndSurvivesThem) {
  for (const char* name : {"TERM", "INT", "HUP", "QUIT"}) {
    const std::string signal = name;
    // `sleep` bounds a failing test; when the signal arrives the trap ends everything at once.
    const Result<int> code =
        shell("trap 'kill $p; exit 42' " + signal + "; sleep 20 & p=$!; kill -" + signal + " $PPID; wait; exit 1");
    EXPECT_EQ(code.value(), 42) << name;
  }
}

TEST(RunChild, KeepsTheExitCodeWhenSigchldIsIgnored) {
  struct sigaction ignore{};
  struct sigaction before{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGCHLD, &ignore, &before);
  EXPECT_EQ(shell("exit 9").value(), 9);
  struct sigaction now{};
  ::sigaction(SIGCHLD, &before, &now);
  EXPECT_EQ(now.sa_handler, SIG_IGN) << "and puts the disposition back";
}

TEST(RunChild, AFileThatCannotBeRunIsAnErrorThatNamesIt) {
  const Scratch scratch;
  const Result<int> missing = run_child(scratch.dir + "/nope", std::vector<std::string>{"nope"}, {});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "fork/exec " + scratch.dir + "/nope: No such file or directory");
  const Result<int> folder = run_child(scratch.dir, std::vector<std::string>{"x"}, {});
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().message, "fork/exec " + scratch.dir + ": Permission denied");
}

TEST(FindExecutable, TakesTheFirstExecutableFileOfThePath) {
  const Scratch a, b;
  fs::create_directory(a.dir + "/tool");                 // a folder is no command
  const std::string plain = b.file("other", "x", 0644);  // nor is a file that may not be run
  const std::string tool = b.file("tool", "#!/bin/sh\n", 0755);
  EXPECT_EQ(find_executable("tool", a.dir + ":" + b.dir).value(), tool);
  const Result<std::string> other = find_executable("other", a.dir + ":" + b.dir);
  ASSERT_FALSE(other) << plain;
  EXPECT_EQ(other.error().message, "exec: \"other\": executable file not found in $PATH");
}

TEST(FindExecutable, WithASlashThePathIsNotAsked) {
  EXPECT_EQ(find_executable("./tool", "/usr/bin").value(), "./tool");
}

TEST(FindExecutable, NothingIsFoundWithoutAPath) {
  EXPECT_FALSE(find_executable("sh", std::nullopt));
  EXPECT_FALSE(find_executable("", "/bin"));
}

TEST(FindExecutable, ARelativePathEntryIsRefused) {
  const Scratch scratch;
  scratch.file("tool", "#!/bin/sh\n", 0755);
  const std::string relative = fs::relative(scratch.dir).string();
  const Result<std::string> found = find_executable("tool", relative + ":/usr/bin");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().message, "exec: \"tool\": cannot run executable found relative to current directory");
}

TEST(ChildEnvironment, IsSortedWithoutDuplicatesAndNamelessEntriesAndWithTheChanges) {
  const std::vector<std::string> current{"B=1", "A=x=y", "=odd", "B=2", "OPENAI_BASE_URL=old", "bare", "C="};
  const std::vector<ClientVariable> changes{{"OPENAI_BASE_URL", "http://localhost:8080/openai/v1"}};
  EXPECT_EQ(child_environment(current, changes),
            (std::vector<std::string>{"A=x=y", "B=2", "C=", "OPENAI_BASE_URL=http://localhost:8080/openai/v1"}));
}

}  // namespace
}  // namespace gw::cli
