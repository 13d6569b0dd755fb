#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/strings.h"
#include "store/sqlite/files.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::store {
namespace {

std::string holder(int fd) {
  char text[32] = {};
  const ssize_t n = ::pread(fd, text, sizeof text - 1, 0);
  const std::string_view pid = trim(std::string_view(text, n > 0 ? static_cast<std::size_t>(n) : 0));
  return pid.empty() ? "another process" : "the process with pid " + std::string(pid);
}

}  // namespace

Result<FolderLock> lock_data_folder(const std::string& db_path, const LockWords& words) {
  if (trim(db_path).empty()) return fail("sqlite path cannot be empty");
  if (auto made = sqlite::make_parent_folder(db_path); !made) return tl::make_unexpected(made.error());
  const std::string path = sqlite::canonical_path(db_path) + ".lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return fail("open lock file " + in_quotes(path) + ": " + std::strerror(errno));
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return fail("lock " + in_quotes(path) + ": " + std::strerror(errno));
    return fail(std::string(words.what) + " " + in_quotes(db_path) + " is in use by " + holder(fd.get()) +
                " (it holds " + in_quotes(path) + "); stop that process or " + words.instead);
  }
  // The pid is for people; the lock does not depend on it, so a full disk does not keep us from starting.
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd.get(), 0) == 0) [[maybe_unused]]
    const ssize_t written = ::pwrite(fd.get(), pid.data(), pid.size(), 0);
  return FolderLock(std::move(fd));
}

}  // namespace gw::store
