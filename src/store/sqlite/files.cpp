#include "store/sqlite/files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "base/strings.h"
#include "base/unique_fd.h"

namespace gw::store::sqlite {
namespace {

std::string real_path(const std::string& path) {
  char* p = ::realpath(path.c_str(), nullptr);
  if (p == nullptr) return {};
  std::string out(p);
  std::free(p);
  return out;
}

}  // namespace

std::string canonical_path(const std::string& path) {
  if (std::string whole = real_path(path); !whole.empty()) return whole;
  const std::string folder = real_path(parent_folder(path));
  const std::size_t slash = path.rfind('/');
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  return folder.empty() ? path : folder + (folder.ends_with('/') ? "" : "/") + name;
}

std::string parent_folder(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<bool> make_parent_folder(const std::string& path) {
  const std::string folder = parent_folder(path);
  struct stat st{};
  if (::stat(folder.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return true;
  for (std::size_t end = folder.find('/', 1);; end = folder.find('/', end + 1)) {
    const std::string part = folder.substr(0, end);
    if (::mkdir(part.c_str(), 0755) != 0 && errno != EEXIST)
      return fail("create sqlite directory " + in_quotes(folder) + ": " + std::strerror(errno));
    if (end == std::string::npos) break;
  }
  if (::stat(folder.c_str(), &st) != 0 || !S_ISDIR(st.st_mode))
    return fail("create sqlite directory " + in_quotes(folder) + ": " + std::strerror(ENOTDIR));
  return true;
}

Result<bool> create_private_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (fd || errno == EEXIST) return true;
  return fail("open sqlite database " + in_quotes(path) + ": " + std::strerror(errno));
}

}  // namespace gw::store::sqlite
