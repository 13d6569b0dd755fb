#include "trace/spill_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>

namespace gw::trace {
namespace {

bool write_all(int fd, const char* data, std::uint64_t bytes, std::uint64_t offset) {
  while (bytes != 0) {
    const ssize_t n = ::pwrite(fd, data, bytes, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n;
    bytes -= static_cast<std::uint64_t>(n);
    offset += static_cast<std::uint64_t>(n);
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<SpillFile>> SpillFile::create(const std::string& dir, const std::string& name,
                                                     std::uint64_t bytes, const Preallocate& preallocate) {
  const std::string path = fmt::format("{}/{}", dir, name);
  const std::string unfinished = path + ".tmp";
  auto fd = create_locked(unfinished);
  if (!fd) return tl::make_unexpected(fd.error());
  auto file = std::make_unique<SpillFile>();
  file->fd_ = std::move(*fd);
  file->path_ = path;
  file->size_ = bytes;
  SpillHeader header{};
  std::memcpy(header.magic, kSpillMagic, sizeof header.magic);
  header.format = kSpillFormat;
  header.header_bytes = kSpillHeaderBytes;
  header.end = kSpillHeaderBytes;
  int rc = preallocate(file->fd_.get(), static_cast<std::int64_t>(bytes));
  if (rc == 0 && !write_all(file->fd_.get(), reinterpret_cast<const char*>(&header), sizeof header, 0)) rc = errno;
  if (rc == 0 && ::rename(unfinished.c_str(), path.c_str()) != 0) rc = errno;
  if (rc != 0) {
    ::unlink(unfinished.c_str());
    return fail(fmt::format("no overflow file {} of {} bytes: {}", path, bytes, errno_text(rc)));
  }
  return file;
}

SpillFile::Adoption SpillFile::adopt(const std::string& path, std::uint32_t newest_format) {
  using Adopted = RingFile::Adopted;
  Adoption out;
  bool gone = false;
  auto file = std::make_unique<SpillFile>();
  file->path_ = path;
  file->fd_ = open_locked(path, gone);
  if (!file->fd_) {
    out.status = gone ? Adopted::gone : errno == EWOULDBLOCK ? Adopted::locked : Adopted::failed;
    out.error = errno_text(errno);
    return out;
  }
  struct stat st{};
  SpillHeader header{};
  const bool readable = ::fstat(file->fd_.get(), &st) == 0 &&
                        ::pread(file->fd_.get(), &header, sizeof header, 0) == static_cast<ssize_t>(sizeof header) &&
                        std::memcmp(header.magic, kSpillMagic, sizeof header.magic) == 0;
  const auto size = static_cast<std::uint64_t>(st.st_size);
  if (!readable || header.format == 0) {
    out.status = Adopted::damaged;
  } else if (header.format > newest_format) {
    out.status = Adopted::newer;
  } else if (header.header_bytes < sizeof header || header.end < header.header_bytes || header.end > size) {
    out.status = Adopted::damaged;
  } else {
    file->begin_ = header.header_bytes;
    file->end_ = header.end;
    file->size_ = size;
    out.status = Adopted::ok;
  }
  out.file = std::move(file);
  return out;
}

bool SpillFile::append(const char* frames, std::uint64_t bytes) {
  if (bytes > room()) return false;
  if (!write_all(fd_.get(), frames, bytes, end_)) return false;
  const std::uint64_t end = end_ + bytes;
  if (!write_all(fd_.get(), reinterpret_cast<const char*>(&end), sizeof end, offsetof(SpillHeader, end))) return false;
  end_ = end;
  return true;
}

bool SpillFile::read(std::uint64_t offset, char* out, std::uint64_t bytes) const {
  while (bytes != 0) {
    const ssize_t n = ::pread(fd_.get(), out, bytes, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    out += n;
    bytes -= static_cast<std::uint64_t>(n);
    offset += static_cast<std::uint64_t>(n);
  }
  return true;
}

void SpillFile::sync() const { ::fdatasync(fd_.get()); }

void SpillFile::remove() { ::unlink(path_.c_str()); }

void SpillFile::set_aside() { ::rename(path_.c_str(), (path_ + ".corrupt").c_str()); }

}  // namespace gw::trace
