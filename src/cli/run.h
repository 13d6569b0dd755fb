#pragma once
// The command line: which command the arguments name, its flags, and what it prints. Texts and exit codes are those of
// the CLI contract.
#include <functional>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/terminal.h"
#include "config/config.h"
#include "config/environment.h"
#include "store/backup.h"
#include "store/erase.h"
#include "store/key_store.h"
#include "store/reprice.h"
#include "store/trace_store.h"

namespace gw::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

/// A store that takes traces; nobody else writes to it while this lives.
struct WritableStore {
  std::shared_ptr<void> lock;  ///< given back after the writer
  std::unique_ptr<store::TraceWriter> writer;
};

/// What came of a changed configuration. Keys by their paths, in the file's order.
struct ReloadReport {
  int pid = 0;
  std::vector<std::string> applied;
  std::vector<std::string> needs_restart;  ///< these go on as they were
};

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

  using Reader = Result<std::unique_ptr<store::TraceReader>>;
  /// The configured store, read-only and left as it is. One call of the reader takes at most the deadline.
  std::function<Reader(const config::Config& config, int deadline_ms)> open_store{};
  /// Whether `serve` will make the tables of the configured store, which is a database that is there; an error: it
  /// could not. May be empty.
  std::function<Result<bool>(const config::Config& config, int deadline_ms)> without_tables{};
  /// A database that is not the configured one, read-only, by its path.
  std::function<Reader(const std::string& path)> open_source{};
  /// The configured store for writing; created or migrated where needed. `source` is refused when it is the same one.
  std::function<Result<WritableStore>(const config::Config& config, const std::string& source)> open_target{};
  std::function<Result<store::BackupReport>(const config::Config& config, const store::BackupJob& job)> backup{};
  /// A dry run changes nothing.
  std::function<Result<store::EraseReport>(const config::Config& config, const store::EraseSelector& selector,
                                           bool dry_run)>
      erase{};

  /// The configured store's gateway keys; `change`: created or migrated where needed.
  std::function<Result<std::unique_ptr<store::KeyStore>>(const config::Config& config, bool change)> open_keys{};

  /// Has the gateway that runs with this configuration read it again. Errors say that nothing has changed, and why.
  std::function<Result<ReloadReport>(const config::Config& config)> reload{};

  std::string version;          ///< the version line: dev (none, unknown)
  std::istream* in = nullptr;   ///< null: std::cin
  std::ostream* out = nullptr;  ///< null: std::cout
  std::ostream* err = nullptr;  ///< null: std::cerr
  int out_fd = 1;               ///< where long answers go
  Terminal terminal{};          ///< what `out` and `err` are when they are given
  config::EnvLookup env{};      ///< empty: the process's environment
  Clock clock{};
};

/// `args` without the program's name. Returns the exit code.
int run(std::span<const std::string> args, const Handlers& handlers);

}  // namespace gw::cli
