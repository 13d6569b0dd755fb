#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace gw::cli {

/// Where a long answer goes: stdout, or a file that has its name only once it is complete. Errors are for people.
class OutputFile {
 public:
  /// `-`: the descriptor of stdout. A regular file is written beside its final name (mode 0600) and takes the place of
  /// what is there when it is complete; pipes and devices are written to directly.
  static Result<OutputFile> open(const std::string& path, int stdout_fd = 1);
  OutputFile(OutputFile&&) noexcept = default;
  OutputFile& operator=(OutputFile&&) = delete;
  /// Removes what was not completed.
  ~OutputFile();

  Result<void> write(std::string_view bytes);
  /// The last write failed because nobody reads any more.
  bool reader_gone() const { return reader_gone_; }
  /// Everything is on the disk, under the final name.
  Result<void> complete();

 private:
  OutputFile() = default;

  UniqueFd own_;
  int fd_ = -1;
  std::string path_;       ///< final name
  std::string temporary_;  ///< empty: written directly, or completed
  bool reader_gone_ = false;
};

}  // namespace gw::cli
