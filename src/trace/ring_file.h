#pragma once
// A ring in a file: one header block, then the data area, mapped twice back to back so that a frame never wraps.
//
// Positions count bytes for ever; a position's place is position % capacity. `head` is written by the producer only,
// `tail` by the consumers under the ledger's mutex. Both live in the file: what lies between them survives the process.
// Owner: the pipeline. The file is 0600, close-on-exec, its space is allocated before it is mapped (a sparse page on a
// full disk would be a SIGBUS), and it is flock'ed for as long as the object lives.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace gw::trace {

/// posix_fallocate's contract: 0, or an errno value. Replaced by tests that play a full disk.
using Preallocate = std::function<int(int fd, std::int64_t bytes)>;
int preallocate_file(int fd, std::int64_t bytes);

inline constexpr std::uint32_t kRingFormat = 1;
/// A multiple of every page size in use, so that a ring can be mapped on all of them; only its first 4 KiB are touched.
inline constexpr std::uint32_t kRingHeaderBytes = 64 * 1024;
inline constexpr std::uint64_t kRingGranularity = 64 * 1024;
inline constexpr std::uint64_t kMaxRingBytes = std::uint64_t{1} << 31;

/// The first bytes of a ring file. The layout is self-describing, so that other versions' rings can be read.
struct RingHeader {
  char magic[8];
  std::uint32_t format;
  std::uint32_t header_bytes;
  std::uint64_t capacity;
  std::uint32_t head_offset;
  std::uint32_t tail_offset;
  std::uint64_t checksum;  ///< of the bytes before it
};
inline constexpr char kRingMagic[8] = {'G', 'W', 'T', 'R', 'I', 'N', 'G', '\0'};
std::uint64_t ring_header_checksum(const RingHeader& header);

class RingFile {
 public:
  RingFile() = default;
  RingFile(RingFile&& o) noexcept { *this = std::move(o); }
  RingFile& operator=(RingFile&& o) noexcept;
  ~RingFile();

  /// A new, empty ring under its final name, complete and locked. `capacity` is a multiple of kRingGranularity.
  static Result<RingFile> create(const std::string& dir, std::string_view name, std::uint64_t capacity,
                                 const Preallocate& preallocate);

  enum class Adopted : std::uint8_t {
    ok,
    locked,   ///< another process owns it
    gone,     ///< removed while we looked
    newer,    ///< written by a newer version: left alone
    damaged,  ///< no ring, or its header cannot be true
    failed,   ///< opening or mapping failed; `error` says why
  };
  struct Adoption;
  /// Locks and maps the ring that an earlier process left.
  static Adoption adopt(const std::string& path, std::uint32_t newest_format = kRingFormat);

  std::atomic_ref<std::uint64_t> head() const { return std::atomic_ref<std::uint64_t>(*head_); }
  std::atomic_ref<std::uint64_t> tail() const { return std::atomic_ref<std::uint64_t>(*tail_); }
  char* at(std::uint64_t position) const { return data_ + position % capacity_; }
  char* data() const { return data_; }
  std::uint64_t capacity() const { return capacity_; }
  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }
  /// Laid out as create() does: a producer may go on in it.
  bool current_format() const { return format_ == kRingFormat && data_ == map_ + kRingHeaderBytes; }

  void remove();
  /// Keeps the file for people: adopters do not look at *.corrupt.
  void set_aside();

 private:
  bool map(std::uint64_t header_bytes, std::uint64_t capacity, std::uint32_t head_offset, std::uint32_t tail_offset);

  UniqueFd fd_;
  std::string path_;
  char* map_ = nullptr;
  std::size_t map_bytes_ = 0;
  char* data_ = nullptr;
  std::uint64_t capacity_ = 0;
  std::uint32_t format_ = 0;
  std::uint64_t* head_ = nullptr;
  std::uint64_t* tail_ = nullptr;
};

struct RingFile::Adoption {
  Adopted status = Adopted::failed;
  RingFile file;
  std::string error;
};

/// Opens `path` and takes its lock without waiting. Nothing when another process holds it or it is gone (`gone` says
/// which); errno otherwise.
UniqueFd open_locked(const std::string& path, bool& gone);
/// Creates the file `path`, 0600 and locked. Used with a name that adopters ignore, renamed once the content is
/// complete.
Result<UniqueFd> create_locked(const std::string& path);
std::string errno_text(int error);

}  // namespace gw::trace
