#pragma once
// What the commands have in common: their entry in the one table that dispatch, usage text and shell completion are
// made from, and what they are run with.
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/flags.h"
#include "cli/run.h"
#include "cli/terminal.h"
#include "config/load.h"

namespace gw::cli {

using Args = std::span<const std::string>;

/// Of a command's question to the store: a person waits, and can stop it.
inline constexpr int kReadDeadlineMs = 600'000;

/// The streams and the environment, resolved once. Lives as long as the command runs.
struct Context {
  const Handlers& handlers;
  std::ostream& out;
  std::ostream& err;
  config::EnvLookup env;
  Terminal out_terminal, err_terminal;

  int fail(std::string_view text) const;
  int wrong_usage(std::string_view text) const;
  /// A whole answer on `out`. A reader that has gone is no news to anybody: the failure is silent then, otherwise
  /// `failed to write <what>: …`.
  int print(std::string_view text, std::string_view what) const;
};

struct Command {
  std::string_view name;                       ///< one word, or two: `config validate`
  std::string_view usage;                      ///< the line behind `ongoingai `
  std::string_view about;                      ///< in a few words, for completion
  int (*run)(const Context&, Args);            ///< the arguments behind the name
  std::vector<FlagSet::Described> (*flags)();  ///< null: none
  std::string_view words{};                    ///< what its positional argument can be, separated by blanks
  bool files = false;                          ///< its positional argument is a path
};

/// In the order of the usage text.
std::span<const Command> all_commands();

/// The flag that every command but version and demo has. Flags point into it: it stays where it is.
struct CommandFlags {
  std::string path{config::kDefaultPath};
  FlagSet flags;

  explicit CommandFlags(std::string set_name);
  CommandFlags(const CommandFlags&) = delete;
  CommandFlags& operator=(const CommandFlags&) = delete;

  Result<config::Config> load(const Context& c) const;
  /// For commands that only read the store: loaded, and valid as far as they are concerned. Errors are whole messages.
  Result<config::Config> load_valid(const Context& c) const;
};

template <class Flags>
std::vector<FlagSet::Described> described() {
  return Flags().flags.described();
}

/// `text` or `json` from a --format value; nothing when it is neither.
std::optional<std::string> output_format(std::string_view raw);
std::string invalid_format(std::string_view command, std::string_view raw);

/// RFC3339, or a day: its first nanosecond, or with `end` its last.
std::optional<std::int64_t> parse_time(std::string_view text, bool end);

struct TimeRange {
  std::optional<std::int64_t> from_ns, to_ns;  ///< inclusive
};
/// Blank: no bound. Errors as in the contract of `report`.
Result<TimeRange> parse_range(std::string_view from, std::string_view to);

Command serve_command();
Command reload_command();
Command version_command();
Command config_validate_command();
Command shell_init_command();
Command wrap_command();
Command report_command();
Command debug_command();
Command doctor_command();
Command diagnostics_command();
Command reprice_command();
Command erase_command();
Command keys_command();
Command guard_test_command();
Command demo_command();
Command export_command();
Command backup_command();
Command import_command();
Command completion_command();

}  // namespace gw::cli
