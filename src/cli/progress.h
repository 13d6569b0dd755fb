#pragma once
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "cli/terminal.h"

namespace gw::cli {

/// One line on stderr that is written over again, ten times a second at most; nothing when stderr is no terminal. Main
/// thread.
class Progress {
 public:
  Progress(std::ostream& err, const Terminal& terminal, Clock clock);
  /// Clears the line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `of` 0: the end is not known. `note` stands behind the bar.
  void show(std::string_view what, std::int64_t done, std::int64_t of, std::string_view note = {});
  void clear();

  /// The line itself, without control characters.
  static std::string line(std::string_view what, std::int64_t done, std::int64_t of, std::string_view note,
                          std::int64_t elapsed_ns, int columns);

 private:
  std::ostream& err_;
  const Terminal terminal_;
  const Clock clock_;
  std::int64_t started_ns_;
  std::int64_t next_ns_ = 0;
  bool shown_ = false;
};

/// 1234567 as 1,234,567.
std::string grouped(std::int64_t n);
/// 1.5 GiB, 12.0 MiB, 345 B.
std::string byte_size(std::int64_t bytes);

}  // namespace gw::cli
