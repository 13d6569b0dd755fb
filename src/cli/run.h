#pragma once
// The command line: which command the arguments name, its flags, and what it prints. Texts and exit codes are those of
// the CLI contract.
#include <functional>
#include <iosfwd>
#include <span>
#include <string>

#include "config/config.h"
#include "config/environment.h"
#include "store/reprice.h"

namespace gw::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

/// What the commands need from outside. `serve` and `demo` block until the gateway has ended and return the exit code;
/// they are called on the caller's thread, before any other thread was started by this layer.
struct Handlers {
  /// The configuration is loaded and validated; the path is the one that was looked at, given or default.
  std::function<int(const config::Config& config, const std::string& config_path)> serve;
  std::function<int(bool once)> demo;
  /// Computes stored costs again; a dry run changes nothing. Errors are whole messages.
  std::function<Result<store::RepriceReport>(const config::Config& config, const store::RepriceRange& range,
                                             bool dry_run)>
      reprice{};
  /// What `serve` would refuse beyond validation; asked by `config validate`. May be empty.
  std::function<Result<void>(const config::Config& config)> check;
  std::string version;          ///< the version line: dev (none, unknown)
  std::ostream* out = nullptr;  ///< null: std::cout
  std::ostream* err = nullptr;  ///< null: std::cerr
  config::EnvLookup env{};      ///< empty: the process's environment
};

/// `args` without the program's name. Returns the exit code.
int run(std::span<const std::string> args, const Handlers& handlers);

}  // namespace gw::cli
