#include "cli/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/strings.h"

namespace gw::cli {
namespace {

tl::unexpected<Error> failed(std::string_view what, const std::string& path) {
  return fail(std::string(what) + " " + in_quotes(path) + ": " + std::strerror(errno));
}

/// What a link points to: replacing the link would leave the file that it stands for as it was.
std::string followed(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return path;
  std::string out(real);
  std::free(real);
  return out;
}

void sync_folder(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) ::fsync(fd.get());
}

}  // namespace

Result<OutputFile> OutputFile::open(const std::string& path, int stdout_fd) {
  OutputFile out;
  if (path == "-") {
    out.fd_ = stdout_fd;
    out.path_ = "stdout";
    return out;
  }
  out.path_ = followed(path);
  struct stat st{};
  const bool there = ::stat(out.path_.c_str(), &st) == 0;
  if (there && S_ISDIR(st.st_mode)) {
    errno = EISDIR;
    return failed("open", path);
  }
  if (there && !S_ISREG(st.st_mode)) {
    out.own_.reset(::open(out.path_.c_str(), O_WRONLY | O_CLOEXEC));
  } else {
    const std::string temporary = out.path_ + ".partial-" + std::to_string(::getpid());
    out.own_.reset(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (out.own_) out.temporary_ = temporary;
  }
  if (!out.own_) return failed("open", path);
  out.fd_ = out.own_.get();
  return out;
}

OutputFile::~OutputFile() {
  if (own_ && !temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<void> OutputFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      reader_gone_ = errno == EPIPE;
      return failed("write", path_);
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> OutputFile::complete() {
  if (temporary_.empty()) return {};
  if (::fsync(fd_) != 0) return failed("write", path_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return failed("rename to", path_);
  temporary_.clear();
  sync_folder(path_);
  return {};
}

}  // namespace gw::cli
