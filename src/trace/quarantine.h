#pragma once
// Rows that the store can never take, one JSON object per line in <ring_dir>/quarantine.jsonl (0600), for people to
// look at and to import by hand. Bounded in bytes: a row that would pass the bound is written without its bodies, or
// not at all (it is counted either way). One thread (storage).
#include <cstdint>
#include <string>
#include <string_view>

#include "model/trace.h"

namespace gw::trace {

class Quarantine {
 public:
  Quarantine(std::string path, std::uint64_t max_bytes) : path_(std::move(path)), max_bytes_(max_bytes) {}

  /// False when nothing could be written.
  bool add(const Trace& row, std::string_view error_class, std::string_view message, std::int64_t now_ns);

 private:
  std::string path_;
  std::uint64_t max_bytes_;
};

}  // namespace gw::trace
