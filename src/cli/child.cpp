#include "cli/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "base/strings.h"
#include "base/unique_fd.h"

namespace gw::cli {
namespace {

bool is_executable_file(const std::string& path) {
  struct stat st{};
  return ::stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

std::vector<char*> pointers(std::span<const std::string> strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));  // exec's signature predates const
  out.push_back(nullptr);
  return out;
}

/// The signals that decide about the child's life, held back from this process while it lives.
struct HeldSignals {
  sigset_t held{};
  sigset_t before{};
  struct sigaction child_before{};

  HeldSignals() {
    struct sigaction dfl{};
    dfl.sa_handler = SIG_DFL;
    ::sigaction(SIGCHLD, &dfl, &child_before);  // were it ignored, the exit code would be lost
    ::sigemptyset(&held);
    for (const int s : {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGCHLD}) ::sigaddset(&held, s);
    ::sigprocmask(SIG_BLOCK, &held, &before);
  }
  ~HeldSignals() {
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    ::sigaction(SIGCHLD, &child_before, nullptr);
  }
};

[[noreturn]] void exec_in_child(const char* file, char* const* argv, char* const* env, const sigset_t& mask,
                                int report) {
  ::signal(SIGPIPE, SIG_DFL);
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  ::execve(file, argv, env);
  const int error = errno;
  [[maybe_unused]] const ssize_t n = ::write(report, &error, sizeof error);
  ::_exit(127);
}

int exit_code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 255; }

/// Waits for the end, passing on what other processes send to us.
int wait_for(pid_t child, const sigset_t& held) {
  for (;;) {
    int status = 0;
    const pid_t done = ::waitpid(child, &status, WNOHANG);
    if (done == child) return exit_code(status);
    if (done < 0 && errno != EINTR) return 255;
    siginfo_t info{};
    const int signal = ::sigwaitinfo(&held, &info);
    if (signal <= 0 || signal == SIGCHLD) continue;
    if (info.si_code != SI_KERNEL) ::kill(child, signal);  // SI_KERNEL: from the terminal, to the child as well
  }
}

}  // namespace

std::vector<std::string> child_environment(std::span<const std::string> current,
                                           std::span<const ClientVariable> changes) {
  std::map<std::string, std::string> variables;
  for (const std::string& entry : current) {
    const std::size_t equals = entry.find('=');
    if (equals == std::string::npos || equals == 0) continue;
    variables[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  for (const ClientVariable& v : changes) variables[v.name] = v.value;
  std::vector<std::string> out;
  out.reserve(variables.size());
  for (const auto& [name, value] : variables) out.push_back(name + "=" + value);
  return out;
}

Result<std::string> find_executable(const std::string& command, const std::optional<std::string>& path) {
  if (command.find('/') != std::string::npos) return command;
  const std::string where = path.value_or("");
  bool only_relative = false;
  for (std::size_t at = 0; !command.empty() && at <= where.size();) {
    const std::size_t end = std::min(where.find(':', at), where.size());
    const std::string folder = where.substr(at, end - at);
    at = end + 1;
    const std::string file = (folder.empty() ? "." : folder) + "/" + command;
    if (!is_executable_file(file)) continue;
    if (folder.starts_with('/')) return file;
    only_relative = true;
    break;  // going on would run another program than the one that PATH names first
  }
  if (only_relative)
    return fail("exec: " + in_quotes(command) + ": cannot run executable found relative to current directory");
  return fail("exec: " + in_quotes(command) + ": executable file not found in $PATH");
}

Result<int> run_child(const std::string& file, std::span<const std::string> argv,
                      std::span<const std::string> environment) {
  const std::vector<char*> arguments = pointers(argv);
  const std::vector<char*> env = pointers(environment);
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return fail(std::string("create a pipe: ") + std::strerror(errno));
  const UniqueFd read_end(fds[0]);
  UniqueFd write_end(fds[1]);

  const HeldSignals signals;
  const pid_t child = ::fork();
  if (child < 0) return fail(std::string("fork: ") + std::strerror(errno));
  if (child == 0) exec_in_child(file.c_str(), arguments.data(), env.data(), signals.before, write_end.get());
  write_end.reset();

  int error = 0;  // the pipe closes without a word when exec works
  ssize_t n;
  do n = ::read(read_end.get(), &error, sizeof error);
  while (n < 0 && errno == EINTR);
  const int code = wait_for(child, signals.held);
  if (n == sizeof error) return fail("fork/exec " + file + ": " + std::strerror(error));
  return code;
}

}  // namespace gw::cli
