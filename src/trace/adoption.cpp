#include "trace/adoption.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>

#include "trace/frame.h"

namespace gw::trace {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> files_with(const std::string& dir, std::string_view extension) {
  std::vector<std::string> out;
  std::error_code ec;
  for (fs::directory_iterator it(dir, ec), end; !ec && it != end; it.increment(ec))
    if (it->path().extension().string() == extension) out.push_back(it->path().string());
  std::sort(out.begin(), out.end());  // names of overflow files begin with their time: oldest first
  return out;
}

struct Sound {
  std::uint64_t end = 0;
  std::int64_t records = 0;
  bool damaged = false;
};

Sound check_ring(const RingFile& file) {
  const std::uint64_t head = file.head().load(std::memory_order_acquire);
  Sound sound{.end = file.tail().load(std::memory_order_acquire)};
  while (sound.end < head) {
    Frame frame;
    if (!read_frame(file.at(sound.end), head - sound.end, Verify::checksum, frame) || frame.position != sound.end) {
      sound.damaged = true;
      break;
    }
    sound.end += frame.bytes;
    if (!frame.skip()) ++sound.records;
  }
  return sound;
}

Sound check_spill(const SpillFile& file) {
  Sound sound{.end = file.begin()};
  std::vector<char> buffer(1 << 20);
  while (sound.end < file.end() && !sound.damaged) {
    std::uint64_t n = std::min<std::uint64_t>(buffer.size(), file.end() - sound.end);
    FrameHeader header{};
    const bool headed = n >= sizeof header && file.read(sound.end, reinterpret_cast<char*>(&header), sizeof header);
    if (headed && frame_bytes(header.length) > n) n = std::min(frame_bytes(header.length), file.end() - sound.end);
    if (buffer.size() < n) buffer.resize(n);
    const bool readable = headed && file.read(sound.end, buffer.data(), n);
    std::uint64_t at = 0;
    Frame frame;
    while (readable && at < n && read_frame(buffer.data() + at, n - at, Verify::checksum, frame) && !frame.skip()) {
      at += frame.bytes;
      ++sound.records;
    }
    sound.damaged = at == 0;
    sound.end += at;
  }
  return sound;
}

class Adopter {
 public:
  Adopter(const PipelineOptions& options, const PipelineEvents& events, std::uint64_t capacity, Ledger& ledger)
      : options_(options), events_(events), capacity_(capacity), ledger_(ledger) {}

  void spill(const std::string& path) {
    auto found = SpillFile::adopt(path);
    if (!usable(found.status, path, found.error)) {
      if (found.status == RingFile::Adopted::damaged) found.file->set_aside();
      return;
    }
    const Sound sound = check_spill(*found.file);
    if (sound.damaged) ledger_.count_corrupt();
    if (sound.records == 0) {
      if (sound.damaged)
        found.file->set_aside();
      else
        found.file->remove();
    } else {
      auto use = std::make_shared<SpillUse>();
      use->file = std::move(found.file);
      use->damaged = sound.damaged;
      ledger_.add_adopted_chunk(std::move(use), sound.end, sound.records);
    }
    tell({.path = path, .records = sound.records, .corrupt = sound.damaged, .left_alone = false, .reason = {}});
  }

  void ring(const std::string& path) {
    auto found = RingFile::adopt(path);
    if (!usable(found.status, path, found.error)) {
      if (found.status == RingFile::Adopted::damaged) found.file.set_aside();
      return;
    }
    const Sound sound = check_ring(found.file);
    if (sound.damaged) ledger_.count_corrupt();
    tell({.path = path, .records = sound.records, .corrupt = sound.damaged, .left_alone = false, .reason = {}});
    auto slot = std::make_unique<RingSlot>();
    slot->file = std::make_unique<RingFile>(std::move(found.file));
    slot->adopted_end = sound.end;
    slot->adopted_records = sound.records;
    slot->damaged = sound.damaged;
    if (!sound.damaged && slot->file->capacity() == capacity_ && slot->file->current_format() &&
        static_cast<int>(for_workers.size()) < options_.workers) {
      for_workers.push_back(std::move(slot));
    } else {
      ledger_.add_ring(std::move(slot));
    }
  }

  std::vector<std::unique_ptr<RingSlot>> for_workers;

 private:
  bool usable(RingFile::Adopted status, const std::string& path, const std::string& error) {
    using Adopted = RingFile::Adopted;
    switch (status) {
      case Adopted::ok:
        return true;
      case Adopted::gone:
        return false;
      case Adopted::locked:
        return left_alone(path, "another process uses it");
      case Adopted::newer:
        return left_alone(path, "a newer version wrote it");
      case Adopted::failed:
        return left_alone(path, error);
      case Adopted::damaged:
        ledger_.count_corrupt();
        tell({.path = path, .records = 0, .corrupt = true, .left_alone = false, .reason = {}});
        return false;
    }
    return false;
  }
  bool left_alone(const std::string& path, std::string_view reason) {
    tell({.path = path, .records = 0, .corrupt = false, .left_alone = true, .reason = reason});
    return false;
  }
  void tell(const AdoptedFile& what) {
    if (events_.adopted) events_.adopted(what);
  }

  const PipelineOptions& options_;
  const PipelineEvents& events_;
  std::uint64_t capacity_;
  Ledger& ledger_;
};

/// Files that a starter was killed over before they were complete. Nobody else creates any: we hold the folder's lock.
void remove_unfinished(const std::string& dir) {
  for (const std::string& path : files_with(dir, ".tmp")) {
    bool gone = false;
    const UniqueFd fd = open_locked(path, gone);
    if (fd) ::unlink(path.c_str());
  }
}

}  // namespace

Result<UniqueFd> lock_ring_dir(const std::string& dir) {
  std::error_code ec;
  if (!fs::exists(dir, ec)) {
    fs::create_directories(dir, ec);
    if (!ec) fs::permissions(dir, fs::perms::owner_all, ec);
  }
  const std::string path = dir + "/.lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd)
    return fail(fmt::format("cannot use the trace ring folder {}: {} (check trace.ring_path and its permissions)", dir,
                            errno_text(errno)));
  int rc = 0;
  do {
    rc = ::flock(fd.get(), LOCK_EX);  // held by a starter for the moment of its start
  } while (rc != 0 && errno == EINTR);
  if (rc != 0) return fail(fmt::format("cannot lock the trace ring folder {}: {}", dir, errno_text(errno)));
  return fd;
}

std::vector<std::unique_ptr<RingSlot>> adopt_left_behind(const PipelineOptions& options, const PipelineEvents& events,
                                                         std::uint64_t ring_capacity, Ledger& ledger) {
  Adopter adopter(options, events, ring_capacity, ledger);
  remove_unfinished(options.ring_dir);
  for (const std::string& path : files_with(options.ring_dir, ".spill")) adopter.spill(path);
  for (const std::string& path : files_with(options.ring_dir, ".ring")) adopter.ring(path);
  return std::move(adopter.for_workers);
}

}  // namespace gw::trace
