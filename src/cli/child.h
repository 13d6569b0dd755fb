#pragma once
// Runs a command as `wrap` does: found through PATH, with our standard streams, until it ends.
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/base_url.h"

namespace gw::cli {

/// `current` with `changes` applied: sorted by name, the last of several definitions wins, entries without a name or
/// without `=` are dropped. `name=value` each.
std::vector<std::string> child_environment(std::span<const std::string> current,
                                           std::span<const ClientVariable> changes);

/// The file that `command` names: itself when it holds a slash, else the first executable file of that name in `path`
/// (a PATH value). What only an empty or relative PATH entry would find is refused: the folder one stands in must not
/// decide what runs.
Result<std::string> find_executable(const std::string& command, const std::optional<std::string>& path);

/// Starts `file` with `argv` and `environment` and waits. Its exit code, or 255 when a signal ended it; an error when
/// it could not be started. Blocking, for a process without other threads: while the child runs, SIGINT, SIGQUIT,
/// SIGTERM and SIGHUP are not ours but the child's. Those that the terminal sends reach it by themselves, those that
/// another process sends us are passed on. The child gets the signal mask we were started with and SIGPIPE as programs
/// expect it.
Result<int> run_child(const std::string& file, std::span<const std::string> argv,
                      std::span<const std::string> environment);

}  // namespace gw::cli
