#include <ostream>

#include "cli/command.h"
#include "cli/progress.h"
#include "cli/signals.h"

namespace gw::cli {
namespace {

constexpr std::string_view kBackupUsage = "backup [--config path/to/ongoingai.yaml] [--force] PATH";

struct BackupFlags : CommandFlags {
  bool force = false;

  BackupFlags() : CommandFlags("backup") { flags.add("force", force, "replace a file that is there already"); }
};

int backup(const Context& c, Args args) {
  BackupFlags f;
  if (f.flags.parse_mixed(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  if (f.flags.positional().size() != 1 || f.flags.positional()[0].empty())
    return c.wrong_usage("usage: ongoingai " + std::string(kBackupUsage));
  const auto config = f.load_valid(c);
  if (!config) return c.fail(config.error().message);

  const InterruptRequests interrupts;
  Progress progress(c.err, c.err_terminal, c.handlers.clock);
  using Phase = store::BackupJob::Phase;
  const store::BackupJob job{.target = f.flags.positional()[0],
                             .force = f.force,
                             .progress = [&](Phase phase, std::int64_t done, std::int64_t of) {
                               progress.show(phase == Phase::copying ? "copying" : "checking the copy", done, of);
                               return !InterruptRequests::asked();
                             }};
  const auto report = c.handlers.backup(*config, job);
  progress.clear();
  if (!report) return c.fail("failed to back up: " + report.error().message);
  return c.print("backed up " + grouped(report->traces) + " traces (" + byte_size(report->bytes) + ") to " +
                     printable(job.target) + "\n",
                 "backup report");
}

}  // namespace

Command backup_command() {
  return {"backup", kBackupUsage,           "a consistent copy of the database, also while it is served from",
          backup,   described<BackupFlags>, {},
          true};
}

}  // namespace gw::cli
