#include "trace/ring_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace gw::trace {
namespace {

// Apart from each other and from the rest: the producer and the consumers write them all the time.
constexpr std::uint32_t kHeadOffset = 256;
constexpr std::uint32_t kTailOffset = 512;
constexpr std::uint64_t kMaxHeaderBytes = 1024 * 1024;

bool plausible(const RingHeader& h, std::uint64_t file_bytes) {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const auto slot_fits = [&](std::uint32_t offset) {
    return offset % 8 == 0 && offset >= sizeof(RingHeader) && offset + 8ULL <= h.header_bytes;
  };
  return h.header_bytes % page == 0 && h.header_bytes != 0 && h.header_bytes <= kMaxHeaderBytes &&
         h.capacity % page == 0 && h.capacity != 0 && h.capacity <= kMaxRingBytes && slot_fits(h.head_offset) &&
         slot_fits(h.tail_offset) && h.head_offset != h.tail_offset && file_bytes >= h.header_bytes + h.capacity;
}

}  // namespace

std::string errno_text(int error) { return std::generic_category().message(error); }

int preallocate_file(int fd, std::int64_t bytes) {
  int rc = 0;
  do {
    rc = ::posix_fallocate(fd, 0, bytes);
  } while (rc == EINTR);
  return rc;
}

std::uint64_t ring_header_checksum(const RingHeader& header) {
  return XXH3_64bits(&header, offsetof(RingHeader, checksum));
}

UniqueFd open_locked(const std::string& path, bool& gone) {
  gone = false;
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) {
    gone = errno == ENOENT;
    return {};
  }
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return {};
  struct stat st{};
  if (::fstat(fd.get(), &st) != 0 || st.st_nlink == 0) {  // its owner removed it between our open and our lock
    gone = true;
    errno = ENOENT;
    return {};
  }
  return fd;
}

Result<UniqueFd> create_locked(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
    return fail(
        fmt::format("cannot create {}: {} (check trace.ring_path and its permissions)", path, errno_text(errno)));
  return fd;
}

RingFile& RingFile::operator=(RingFile&& o) noexcept {
  if (this == &o) return *this;
  if (map_ != nullptr) ::munmap(map_, map_bytes_);
  fd_ = std::move(o.fd_);
  path_ = std::move(o.path_);
  map_ = std::exchange(o.map_, nullptr);
  map_bytes_ = std::exchange(o.map_bytes_, 0);
  data_ = std::exchange(o.data_, nullptr);
  capacity_ = std::exchange(o.capacity_, 0);
  format_ = o.format_;
  head_ = std::exchange(o.head_, nullptr);
  tail_ = std::exchange(o.tail_, nullptr);
  return *this;
}

RingFile::~RingFile() {
  if (map_ != nullptr) ::munmap(map_, map_bytes_);
}

bool RingFile::map(std::uint64_t header_bytes, std::uint64_t capacity, std::uint32_t head_offset,
                   std::uint32_t tail_offset) {
  map_bytes_ = header_bytes + 2 * capacity;
  void* base = ::mmap(nullptr, map_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return false;
  map_ = static_cast<char*>(base);
  const auto place = [&](char* where, std::uint64_t bytes, std::uint64_t offset) {
    return ::mmap(where, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd_.get(),
                  static_cast<off_t>(offset)) != MAP_FAILED;
  };
  if (!place(map_, header_bytes + capacity, 0) || !place(map_ + header_bytes + capacity, capacity, header_bytes))
    return false;
  ::madvise(map_, map_bytes_, MADV_DONTDUMP);  // a core dump must not hold what clients sent
  data_ = map_ + header_bytes;
  capacity_ = capacity;
  head_ = reinterpret_cast<std::uint64_t*>(map_ + head_offset);
  tail_ = reinterpret_cast<std::uint64_t*>(map_ + tail_offset);
  return true;
}

Result<RingFile> RingFile::create(const std::string& dir, std::string_view name, std::uint64_t capacity,
                                  const Preallocate& preallocate) {
  const std::string path = fmt::format("{}/{}", dir, name);
  const std::string unfinished = path + ".tmp";
  auto fd = create_locked(unfinished);
  if (!fd) return tl::make_unexpected(fd.error());
  RingFile file;
  file.fd_ = std::move(*fd);
  file.path_ = path;
  const auto abandon = [&](std::string message) {
    ::unlink(unfinished.c_str());
    return fail(std::move(message));
  };
  const std::uint64_t total = kRingHeaderBytes + capacity;
  if (const int rc = preallocate(file.fd_.get(), static_cast<std::int64_t>(total)); rc != 0)
    return abandon(
        fmt::format("no room for the trace ring {} of {} bytes: {} (free some space, or lower trace.ring_bytes)", path,
                    total, errno_text(rc)));
  if (!file.map(kRingHeaderBytes, capacity, kHeadOffset, kTailOffset))
    return abandon(fmt::format("cannot map the trace ring {}: {}", path, errno_text(errno)));
  RingHeader header{};
  std::memcpy(header.magic, kRingMagic, sizeof header.magic);
  header.format = kRingFormat;
  header.header_bytes = kRingHeaderBytes;
  header.capacity = capacity;
  header.head_offset = kHeadOffset;
  header.tail_offset = kTailOffset;
  header.checksum = ring_header_checksum(header);
  std::memcpy(file.map_, &header, sizeof header);
  file.format_ = kRingFormat;
  if (::rename(unfinished.c_str(), path.c_str()) != 0)
    return abandon(fmt::format("cannot name the trace ring {}: {}", path, errno_text(errno)));
  return file;
}

RingFile::Adoption RingFile::adopt(const std::string& path, std::uint32_t newest_format) {
  Adoption out;
  bool gone = false;
  out.file.path_ = path;
  out.file.fd_ = open_locked(path, gone);
  if (!out.file.fd_) {
    out.status = gone ? Adopted::gone : errno == EWOULDBLOCK ? Adopted::locked : Adopted::failed;
    out.error = errno_text(errno);
    return out;
  }
  struct stat st{};
  RingHeader header{};
  const int fd = out.file.fd_.get();
  if (::fstat(fd, &st) != 0 || ::pread(fd, &header, sizeof header, 0) != static_cast<ssize_t>(sizeof header) ||
      std::memcmp(header.magic, kRingMagic, sizeof header.magic) != 0) {
    out.status = Adopted::damaged;
    return out;
  }
  if (header.format > newest_format) {
    out.status = Adopted::newer;
    return out;
  }
  if (header.format == 0 || header.checksum != ring_header_checksum(header) ||
      !plausible(header, static_cast<std::uint64_t>(st.st_size))) {
    out.status = Adopted::damaged;
    return out;
  }
  if (!out.file.map(header.header_bytes, header.capacity, header.head_offset, header.tail_offset)) {
    out.error = errno_text(errno);
    return out;
  }
  out.file.format_ = header.format;
  const std::uint64_t head = out.file.head().load(std::memory_order_acquire);
  const std::uint64_t tail = out.file.tail().load(std::memory_order_acquire);
  const bool sane = head >= tail && head - tail <= header.capacity && head % 8 == 0 && tail % 8 == 0;
  out.status = sane ? Adopted::ok : Adopted::damaged;
  return out;
}

void RingFile::remove() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

void RingFile::set_aside() {
  if (!path_.empty()) ::rename(path_.c_str(), (path_ + ".corrupt").c_str());
}

}  // namespace gw::trace
