#include "store/sqlite/key_notice.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "store/sqlite/files.h"

namespace gw::store::sqlite {
namespace {

UniqueFd open_notice(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
}

}  // namespace

KeyNotice::KeyNotice(const std::string& db_path) : path_(canonical_path(db_path) + ".keys") {}

void KeyNotice::create() const { open_notice(path_); }

Result<void> KeyNotice::add() const {
  const UniqueFd file = open_notice(path_);
  if (file && ::write(file.get(), "\n", 1) == 1) return {};
  return fail("write " + in_quotes(path_) + ": " + std::strerror(errno));
}

std::optional<KeyNotice::State> KeyNotice::state() const {
  struct stat info{};
  if (::lstat(path_.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return State{{info.st_dev, info.st_ino}, info.st_size};
}

}  // namespace gw::store::sqlite
