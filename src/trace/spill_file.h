#pragma once
// An overflow file: a header block and frames copied from rings as they were. Written by the spill thread, read by the
// storage thread; `end` in the header is moved after the frames it covers are written, so that a killed process leaves
// a whole file. 0600, close-on-exec, preallocated, flock'ed for as long as the object lives.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "trace/ring_file.h"

namespace gw::trace {

inline constexpr std::uint32_t kSpillFormat = 1;
inline constexpr std::uint64_t kSpillHeaderBytes = 4096;
inline constexpr char kSpillMagic[8] = {'G', 'W', 'S', 'P', 'I', 'L', 'L', '\0'};

struct SpillHeader {
  char magic[8];
  std::uint32_t format;
  std::uint32_t header_bytes;
  std::uint64_t end;  ///< file offset after the last whole frame
};

class SpillFile {
 public:
  /// `bytes` is the file's size, header included.
  static Result<std::unique_ptr<SpillFile>> create(const std::string& dir, const std::string& name, std::uint64_t bytes,
                                                   const Preallocate& preallocate);
  struct Adoption;
  static Adoption adopt(const std::string& path, std::uint32_t newest_format = kSpillFormat);

  /// Appends whole frames and makes them part of the file. False, with nothing appended, when it has no room or the
  /// disk refuses.
  bool append(const char* frames, std::uint64_t bytes);
  /// Reads up to `bytes` from `offset`; false when not all could be read.
  bool read(std::uint64_t offset, char* out, std::uint64_t bytes) const;
  /// To disk.
  void sync() const;

  std::uint64_t begin() const { return begin_; }
  std::uint64_t end() const { return end_; }
  std::uint64_t size() const { return size_; }
  std::uint64_t room() const { return size_ - end_; }
  const std::string& path() const { return path_; }

  void remove();
  void set_aside();

 private:
  UniqueFd fd_;
  std::string path_;
  std::uint64_t begin_ = kSpillHeaderBytes;
  std::uint64_t end_ = kSpillHeaderBytes;
  std::uint64_t size_ = 0;
};

struct SpillFile::Adoption {
  RingFile::Adopted status = RingFile::Adopted::failed;
  std::unique_ptr<SpillFile> file;
  std::string error;
};

}  // namespace gw::trace
