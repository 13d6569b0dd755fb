#include "app/control_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

#include "base/strings.h"
#include "config/effective.h"
#include "store/sqlite/files.h"

namespace gw::app {
namespace {

constexpr int kWaiting = 8;
constexpr timeval kTellPatience{.tv_sec = 1, .tv_usec = 0};
constexpr timeval kAskPatience{.tv_sec = 60, .tv_usec = 0};  // the counters of many tenants may be read anew
constexpr std::size_t kMostAnswer = 1 << 20;
constexpr std::string_view kEnd = "end\n";

/// An address holds some hundred bytes of a path. A longer one is reached through its folder.
struct Address {
  sockaddr_un value{};
  UniqueFd folder;

  bool set(const std::string& path) {
    value.sun_family = AF_UNIX;
    std::string name = path;
    if (name.size() >= sizeof value.sun_path) {
      const std::size_t slash = path.rfind('/');
      if (slash == std::string::npos) return false;
      folder.reset(::open(path.substr(0, slash + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
      name = "/proc/self/fd/" + std::to_string(folder.get()) + path.substr(slash);
      if (!folder || name.size() >= sizeof value.sun_path) return false;
    }
    std::memcpy(value.sun_path, name.c_str(), name.size() + 1);
    return true;
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&value); }
};

UniqueFd make_socket() { return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

tl::unexpected<Error> failed(std::string_view what, const std::string& path) {
  return fail(std::string(what) + " " + in_quotes(path) + ": " + std::strerror(errno));
}

/// Nothing: it is not whole.
Result<cli::ReloadReport> parse(std::string_view text) {
  if (!text.ends_with(kEnd)) return fail("the gateway did not say what came of it; its log does");
  text.remove_suffix(kEnd.size());
  constexpr std::string_view kRefused = "refused\n";
  if (text.starts_with(kRefused)) return fail(std::string(trim(text.substr(kRefused.size()))));
  cli::ReloadReport report;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t blank = line.find(' ');
    const std::string_view word = line.substr(0, blank);
    const std::string_view value = blank == std::string_view::npos ? std::string_view() : line.substr(blank + 1);
    if (word == "reloaded") std::from_chars(value.data(), value.data() + value.size(), report.pid);
    if (word == "applied") report.applied.emplace_back(value);
    if (word == "restart") report.needs_restart.emplace_back(value);
  }
  return report;
}

}  // namespace

std::string control_path(const config::Config& config) {
  return store::sqlite::canonical_path(config::effective_lock_path(config)) + ".control";
}

Result<ControlSocket> ControlSocket::open(const std::string& path) {
  Address address;
  if (!address.set(path)) return failed("open control socket", path);
  UniqueFd fd = make_socket();
  if (!fd) return failed("open control socket", path);
  ::unlink(path.c_str());  // we hold the lock: what is there belongs to nobody
  if (::bind(fd.get(), address.get(), sizeof address.value) != 0) return failed("bind control socket", path);
  ControlSocket made(std::move(fd), path);
  // Before anybody can connect.
  if (::chmod(path.c_str(), 0600) != 0 || ::listen(made.fd(), kWaiting) != 0)
    return failed("open control socket", path);
  ::fcntl(made.fd(), F_SETFL, O_NONBLOCK);
  return made;
}

ControlSocket::~ControlSocket() {
  if (fd_) ::unlink(path_.c_str());
}

UniqueFd ControlSocket::accept() const { return UniqueFd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }

void ControlSocket::tell(int client, const Result<cli::ReloadReport>& outcome) {
  std::string text;
  if (outcome) {
    text = "reloaded " + std::to_string(outcome->pid) + '\n';
    for (const std::string& key : outcome->applied) text += "applied " + key + '\n';
    for (const std::string& key : outcome->needs_restart) text += "restart " + key + '\n';
  } else {
    text = "refused\n" + outcome.error().message + '\n';
  }
  text += kEnd;
  ::setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &kTellPatience, sizeof kTellPatience);
  for (std::string_view left = text; !left.empty();) {
    const ssize_t n = ::send(client, left.data(), left.size(), MSG_NOSIGNAL);
    if (n <= 0) return;  // nobody reads: the log has it too
    left.remove_prefix(static_cast<std::size_t>(n));
  }
}

Result<cli::ReloadReport> ask_to_reload(const config::Config& config) {
  const std::string path = control_path(config);
  Address address;
  const UniqueFd fd = make_socket();
  if (!fd || !address.set(path) || ::connect(fd.get(), address.get(), sizeof address.value) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED)
      return fail("no gateway is running on " + in_quotes(config::effective_lock_path(config)));
    return failed("connect to the gateway at", path);
  }
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kAskPatience, sizeof kAskPatience);
  std::string text;
  char part[4096];
  for (;;) {
    const ssize_t n = ::recv(fd.get(), part, sizeof part, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 || text.size() > kMostAnswer) break;
    text.append(part, static_cast<std::size_t>(n));
  }
  return parse(text);
}

}  // namespace gw::app
