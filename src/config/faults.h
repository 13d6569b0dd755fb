#pragma once
// Everything that is wrong with a configuration, found in one go. Private to this folder.
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/config.h"

namespace gw::config {

/// Of each key the first fault counts: what is found later about it follows from that one. A fault's text names its key
/// within its first words.
class Faults {
 public:
  static constexpr std::size_t kMost = 100;  ///< that are told; of more only their number

  /// `config` is what is checked; it outlives the object.
  explicit Faults(const Config& config) : config_(&config) {}
  void add(std::string message, std::string_view key = {});  ///< `key`: where it is not the first of the text
  void add(const Result<void>& outcome) {
    if (!outcome) add(outcome.error().message);
  }
  /// A fault of this key was found.
  bool has(std::string_view key) const { return std::find(keys_.begin(), keys_.end(), key) != keys_.end(); }
  /// The error has a line for each fault, the first one first, and behind each whose key stands somewhere a line
  /// `  at <file>:<line>` or `  at <environment variable>`.
  Result<void> result() const;

 private:
  const Config* config_;
  std::vector<std::string> keys_;   ///< of those found that name one
  std::vector<std::string> found_;  ///< at most kMost
  std::size_t more_ = 0;
};

// What is wrong with values, for `serve`, and on the disk: see validate.h.
void find_in_values(const Config& config, Faults& out);
void find_for_serve(const Config& config, Faults& out);
void find_in_files(const Config& config, Faults& out);

/// Where the key that a fault's text names was set, or the section that it is missing in; empty: nowhere.
std::string place_of(const Config& config, std::string_view message);

}  // namespace gw::config
