// serve, version, config validate, shell-init, wrap and demo.
#include <unistd.h>

#include <ostream>

#include "cli/base_url.h"
#include "cli/child.h"
#include "cli/command.h"
#include "config/validate.h"

namespace gw::cli {
namespace {

constexpr std::string_view kWrapUsage = "wrap [--config path/to/ongoingai.yaml] -- <command> [args...]";

struct ServeFlags : CommandFlags {
  ServeFlags() : CommandFlags("serve") {}
};
struct ConfigValidateFlags : CommandFlags {
  ConfigValidateFlags() : CommandFlags("config validate") {}
};
struct ShellInitFlags : CommandFlags {
  ShellInitFlags() : CommandFlags("shell-init") {}
};
struct WrapFlags : CommandFlags {
  WrapFlags() : CommandFlags("wrap") {}
};
struct DemoFlags {
  bool once = false;
  FlagSet flags{"demo"};
  DemoFlags() { flags.add("once", once, "exit after the summary instead of serving until Ctrl-C"); }
  DemoFlags(const DemoFlags&) = delete;
  DemoFlags& operator=(const DemoFlags&) = delete;
};

int serve(const Context& c, Args args) {
  ServeFlags f;
  if (f.flags.parse(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  const Result<config::Config> config = f.load(c);
  if (!config) return c.fail("failed to load config: " + config.error().message);
  if (!config::validate(*config))  // else the stages of the start say what they cannot do, in words of their own
    return c.fail("config is invalid: " + config::validate(*config, c.handlers.check).error().message);
  return c.handlers.serve(*config, f.path);
}

int config_validate(const Context& c, Args args) {
  ConfigValidateFlags f;
  if (f.flags.parse(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  if (!f.flags.positional().empty()) return c.wrong_usage("config validate does not accept positional arguments");
  const Result<config::Config> config = f.load(c);
  if (!config) return c.fail("config is invalid: " + config.error().message);
  const Result<void> valid = config::validate(*config, c.handlers.check);
  if (!valid) return c.fail("config is invalid: " + valid.error().message);
  c.out << "config is valid: " << f.path << '\n';
  return kExitOk;
}

int shell_init(const Context& c, Args args) {
  ShellInitFlags f;
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
  WrapFlags f;
  if (f.flags.parse(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  Args command = f.flags.positional();
  if (!command.empty() && command[0] == "--") command = command.subspan(1);
  if (command.empty()) return c.wrong_usage("usage: ongoingai " + std::string(kWrapUsage));
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
  DemoFlags f;
  if (f.flags.parse(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  if (!f.flags.positional().empty()) return c.wrong_usage("demo does not accept positional arguments");
  return c.handlers.demo(f.once);
}

int version(const Context& c, Args) {
  c.out << c.handlers.version << '\n';
  return kExitOk;
}

}  // namespace

Command serve_command() {
  return {"serve", "serve [--config path/to/ongoingai.yaml]", "run the gateway", serve, described<ServeFlags>};
}
Command version_command() { return {"version", "version", "print the version", version, nullptr}; }
Command config_validate_command() {
  return {"config validate", "config validate [--config path/to/ongoingai.yaml]", "check a configuration",
          config_validate, described<ConfigValidateFlags>};
}
Command shell_init_command() {
  return {"shell-init", "shell-init [--config path/to/ongoingai.yaml]", "print the variables that clients need",
          shell_init, described<ShellInitFlags>};
}
Command wrap_command() {
  return {"wrap", kWrapUsage, "run a command whose requests go through the gateway", wrap, described<WrapFlags>};
}
Command demo_command() {
  return {"demo", "demo [--once]", "see the gateway at work with a simulated provider", demo, described<DemoFlags>};
}

}  // namespace gw::cli
