#include "cli/run.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <optional>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "base/time_format.h"
#include "cli/base_url.h"
#include "cli/child.h"
#include "cli/flags.h"
#include "cli/reprice_text.h"
#include "config/load.h"
#include "config/validate.h"

namespace gw::cli {
namespace {

using Args = std::span<const std::string>;

constexpr std::string_view kConfigValidateUsage = "ongoingai config validate [--config path/to/ongoingai.yaml]";
constexpr std::string_view kWrapUsage = "ongoingai wrap [--config path/to/ongoingai.yaml] -- <command> [args...]";
constexpr std::string_view kRepriceUsage =
    "ongoingai reprice [--config path/to/ongoingai.yaml] --from RFC3339|YYYY-MM-DD [--to RFC3339|YYYY-MM-DD] "
    "[--dry-run] [--format text|json]";

/// The streams and the environment, resolved once.
struct Context {
  const Handlers& handlers;
  std::ostream& out;
  std::ostream& err;
  config::EnvLookup env;

  int fail(std::string_view text) const {
    err << text << '\n';
    return kExitFailure;
  }
  int wrong_usage(std::string_view text) const {
    err << text << '\n';
    return kExitUsage;
  }
};

/// The flag that every command but version and demo has.
struct ConfigFlag {
  std::string path{config::kDefaultPath};
  FlagSet flags;

  explicit ConfigFlag(std::string set_name) : flags(std::move(set_name)) {
    flags.add("config", path, "configuration file; without one at the default path, defaults and environment apply");
  }
  Result<config::Config> load(const Context& c) const {
    return config::load({.path = path, .path_given = flags.given("config"), .env = c.env});
  }
};

int print_usage(const Context& c) {
  c.err << "Usage:\n"
           "  ongoingai serve [--config path/to/ongoingai.yaml]\n"
           "  ongoingai version\n"
           "  "
        << kConfigValidateUsage
        << "\n"
           "  ongoingai shell-init [--config path/to/ongoingai.yaml]\n"
           "  "
        << kWrapUsage
        << "\n"
           "  "
        << kRepriceUsage
        << "\n"
           "  ongoingai demo [--once]\n";
  return kExitUsage;
}

int serve(const Context& c, Args args) {
  ConfigFlag f("serve");
  if (f.flags.parse(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  const Result<config::Config> config = f.load(c);
  if (!config) return c.fail("failed to load config: " + config.error().message);
  const Result<void> valid = config::validate(*config);
  if (!valid) return c.fail("config is invalid: " + valid.error().message);
  return c.handlers.serve(*config, f.path);
}

int config_validate(const Context& c, Args args) {
  ConfigFlag f("config validate");
  if (f.flags.parse(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  if (!f.flags.positional().empty()) return c.wrong_usage("config validate does not accept positional arguments");
  const Result<config::Config> config = f.load(c);
  if (!config) return c.fail("config is invalid: " + config.error().message);
  const Result<void> valid = config::validate(*config);
  if (!valid) return c.fail("config is invalid: " + valid.error().message);
  if (c.handlers.check) {
    const Result<void> servable = c.handlers.check(*config);
    if (!servable) return c.fail("config is invalid: " + servable.error().message);
  }
  c.out << "config is valid: " << f.path << '\n';
  return kExitOk;
}

int config_command(const Context& c, Args args) {
  if (!args.empty() && args[0] == "validate") return config_validate(c, args.subspan(1));
  c.err << "Usage:\n  " << kConfigValidateUsage << '\n';
  return kExitUsage;
}

int shell_init(const Context& c, Args args) {
  ConfigFlag f("shell-init");
  if (f.flags.parse(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  if (!f.flags.positional().empty()) return c.wrong_usage("shell-init does not accept positional arguments");
  const Result<config::Config> config = f.load(c);
  if (!config) return c.fail("failed to load config: " + config.error().message);
  for (const ClientVariable& v : client_variables(*config))
    c.out << "export " << v.name << '=' << shell_word(v.value) << '\n';
  return kExitOk;
}

std::vector<std::string> process_variables() {
  std::vector<std::string> out;
  for (char** p = ::environ; p != nullptr && *p != nullptr; ++p) out.emplace_back(*p);
  return out;
}

int wrap(const Context& c, Args args) {
  ConfigFlag f("wrap");
  if (f.flags.parse(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  Args command = f.flags.positional();
  if (!command.empty() && command[0] == "--") command = command.subspan(1);
  if (command.empty()) return c.wrong_usage("usage: " + std::string(kWrapUsage));
  const Result<config::Config> config = f.load(c);
  if (!config) return c.fail("failed to load config: " + config.error().message);

  const std::vector<std::string> environment = child_environment(process_variables(), client_variables(*config));
  const Result<std::string> file = find_executable(command[0], c.env("PATH"));
  if (!file) return c.fail("failed to start command: " + file.error().message);
  c.out.flush();
  const Result<int> code = run_child(*file, command, environment);
  if (!code) return c.fail("failed to start command: " + code.error().message);
  return *code;
}

int demo(const Context& c, Args args) {
  bool once = false;
  FlagSet flags("demo");
  flags.add("once", once, "exit after the summary instead of serving until Ctrl-C");
  if (flags.parse(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  if (!flags.positional().empty()) return c.wrong_usage("demo does not accept positional arguments");
  return c.handlers.demo(once);
}

/// Nanoseconds; of a day its first or its last.
std::optional<std::int64_t> time_of(std::string_view text, bool end) {
  constexpr std::int64_t kDayNs = 86'400'000'000'000;
  if (const auto instant = parse_rfc3339(trim(text))) return instant;
  const auto day = parse_date(trim(text));
  return day && end ? *day + kDayNs - 1 : day;
}

/// The range of --from and --to, both inclusive as in the API; a message when there is none.
Result<store::RepriceRange> reprice_range(const std::string& from, const std::string& to) {
  if (trim(from).empty()) return fail("usage: " + std::string(kRepriceUsage));
  const auto first = time_of(from, false);
  if (!first) return fail("invalid reprice --from " + quoted(from) + ": expected RFC3339 or YYYY-MM-DD");
  store::RepriceRange range{.from_ns = *first};
  if (trim(to).empty()) return range;
  const auto last = time_of(to, true);
  if (!last) return fail("invalid reprice --to " + quoted(to) + ": expected RFC3339 or YYYY-MM-DD");
  if (*last < *first) return fail("--to must be greater than or equal to --from");
  range.until_ns = *last == INT64_MAX ? *last : *last + 1;
  return range;
}

int reprice(const Context& c, Args args) {
  std::string from, to, format = "text";
  bool dry_run = false;
  ConfigFlag f("reprice");
  f.flags.add("from", from, "first time of the traces, RFC3339 or YYYY-MM-DD");
  f.flags.add("to", to, "last time of the traces, RFC3339 or YYYY-MM-DD; without it all from the first");
  f.flags.add("dry-run", dry_run, "only print what would change");
  f.flags.add("format", format, "text or json");
  if (f.flags.parse(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  if (!f.flags.positional().empty()) return c.wrong_usage("reprice does not accept positional arguments");
  const std::string kind = lowercase(trim(format));
  if (!kind.empty() && kind != "text" && kind != "json")
    return c.wrong_usage("invalid reprice format " + quoted(format) + ": expected text or json");
  const auto range = reprice_range(from, to);
  if (!range) return c.wrong_usage(range.error().message);
  const Result<config::Config> config = f.load(c);
  if (!config) return c.fail("failed to load config: " + config.error().message);
  const Result<void> valid = config::validate(*config);
  if (!valid) return c.fail("config is invalid: " + valid.error().message);
  const auto report = c.handlers.reprice(*config, *range, dry_run);
  if (!report) return c.fail(report.error().message);
  c.out << (kind == "json" ? reprice_json(*report, dry_run) : reprice_text(*report, dry_run));
  return kExitOk;
}

int version(const Context& c, Args) {
  c.out << c.handlers.version << '\n';
  return kExitOk;
}

struct Command {
  std::string_view name;
  int (*run)(const Context&, Args);
};
constexpr std::array<Command, 9> kCommands{{{"serve", serve},
                                            {"version", version},
                                            {"--version", version},
                                            {"-v", version},
                                            {"config", config_command},
                                            {"shell-init", shell_init},
                                            {"wrap", wrap},
                                            {"reprice", reprice},
                                            {"demo", demo}}};
/// Part of the contract, but not of this version.
constexpr std::array<std::string_view, 4> kLater{"report", "debug", "doctor", "diagnostics"};

}  // namespace

int run(std::span<const std::string> args, const Handlers& handlers) {
  const Context c{.handlers = handlers,
                  .out = handlers.out != nullptr ? *handlers.out : std::cout,
                  .err = handlers.err != nullptr ? *handlers.err : std::cerr,
                  .env = handlers.env ? handlers.env : config::process_environment()};
  if (args.empty()) return serve(c, {});
  for (const Command& command : kCommands)
    if (command.name == args[0]) return command.run(c, args.subspan(1));
  if (std::find(kLater.begin(), kLater.end(), args[0]) != kLater.end())
    return c.fail("ongoingai " + args[0] + ": not available in this version");
  return print_usage(c);
}

}  // namespace gw::cli
