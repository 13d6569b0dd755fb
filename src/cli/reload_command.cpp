// `ongoingai reload`: the running gateway takes up the changed configuration.
#include <ostream>

#include "cli/command.h"

namespace gw::cli {
namespace {

constexpr std::string_view kReloadUsage = "reload [--config path/to/ongoingai.yaml]";

struct ReloadFlags : CommandFlags {
  ReloadFlags() : CommandFlags("reload") {}
};

void append_keys(std::string& out, std::string_view title, const std::vector<std::string>& keys) {
  if (keys.empty()) return;
  out.append(title).append(":\n");
  for (const std::string& key : keys) out.append("  ").append(key).append("\n");
}

int reload(const Context& c, Args args) {
  ReloadFlags f;
  if (f.flags.parse(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  if (!f.flags.positional().empty()) return c.wrong_usage("reload does not accept positional arguments");
  // Only where the gateway is found is taken from it. The gateway reads it for itself, in an environment of its own.
  const auto config = f.load(c);
  if (!config) return c.fail("configuration not reloaded: failed to load config: " + config.error().message);
  const auto report = c.handlers.reload(*config);
  if (!report) return c.fail("configuration not reloaded: " + printable_lines(report.error().message));
  std::string out = "configuration reloaded (pid " + std::to_string(report->pid) + ")\n";
  append_keys(out, "applied", report->applied);
  append_keys(out, "not applied, needs a restart", report->needs_restart);
  if (report->applied.empty() && report->needs_restart.empty()) out += "no key has changed; files were read again\n";
  return c.print(out, "reload report");
}

}  // namespace

Command reload_command() {
  return {"reload", kReloadUsage, "have the running gateway take up a changed configuration", reload,
          described<ReloadFlags>};
}

}  // namespace gw::cli
