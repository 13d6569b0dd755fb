#pragma once
// Whether a file is still the one that was read. One that is replaced by rename or rewritten in place is noticed by its
// time, size or inode.
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <string>

namespace gw::app {

struct FileStamp {
  bool exists = false;
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  std::int64_t changed_ns = 0;  ///< the later of mtime and ctime

  /// As it is on the disk; take it before reading, so that a change while reading is seen the next time.
  static FileStamp of(const std::string& path) {
    const auto ns = [](const timespec& t) { return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec; };
    struct stat info{};
    if (path.empty() || ::stat(path.c_str(), &info) != 0) return {};
    return {true, info.st_dev, info.st_ino, info.st_size, std::max(ns(info.st_mtim), ns(info.st_ctim))};
  }
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

}  // namespace gw::app
