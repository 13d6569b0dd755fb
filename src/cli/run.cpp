#include "cli/run.h"

#include <unistd.h>

#include <iostream>

#include "cli/command.h"

namespace gw::cli {
namespace {

int print_usage(const Context& c) {
  c.err << "Usage:\n";
  for (const Command& command : all_commands()) c.err << "  ongoingai " << command.usage << '\n';
  return kExitUsage;
}

/// How many of the arguments are the command's name; 0: they name another.
std::size_t words_of(const Command& command, Args args) {
  const std::size_t blank = command.name.find(' ');
  if (blank == std::string_view::npos) return command.name == args[0] ? 1 : 0;
  const bool both =
      args.size() > 1 && command.name.substr(0, blank) == args[0] && command.name.substr(blank + 1) == args[1];
  return both ? 2 : 0;
}

int dispatch(const Context& c, Args args) {
  if (args.empty()) return serve_command().run(c, {});
  for (const Command& command : all_commands())
    if (const std::size_t n = words_of(command, args); n > 0) return command.run(c, args.subspan(n));
  if (args[0] == "--version" || args[0] == "-v") return version_command().run(c, {});
  if (args[0] != "config") return print_usage(c);
  c.err << "Usage:\n  ongoingai " << config_validate_command().usage << '\n';
  return kExitUsage;
}

}  // namespace

std::span<const Command> all_commands() {
  static const std::vector<Command> commands{serve_command(),      version_command(),    config_validate_command(),
                                             shell_init_command(), wrap_command(),       report_command(),
                                             debug_command(),      doctor_command(),     diagnostics_command(),
                                             export_command(),     backup_command(),     import_command(),
                                             reprice_command(),    erase_command(),      keys_command(),
                                             reload_command(),     guard_test_command(), demo_command(),
                                             completion_command()};
  return commands;
}

int run(std::span<const std::string> args, const Handlers& handlers) {
  Context c{.handlers = handlers,
            .out = handlers.out != nullptr ? *handlers.out : std::cout,
            .err = handlers.err != nullptr ? *handlers.err : std::cerr,
            .env = handlers.env ? handlers.env : config::process_environment(),
            .out_terminal = handlers.terminal,
            .err_terminal = handlers.terminal};
  if (handlers.out == nullptr) c.out_terminal = terminal_of(STDOUT_FILENO, c.env);
  if (handlers.err == nullptr) c.err_terminal = terminal_of(STDERR_FILENO, c.env);
  return dispatch(c, args);
}

}  // namespace gw::cli
