#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <ostream>

#include "base/json_writer.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/import_traces.h"
#include "cli/json_indent.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/table.h"

namespace gw::cli {
namespace {

constexpr std::string_view kImportUsage =
    "import [--config path/to/ongoingai.yaml] [--dry-run] [--after N] [--format text|json] SOURCE";

struct ImportFlags : CommandFlags {
  std::string format = "text";
  std::int64_t after = 0;
  bool dry_run = false;

  ImportFlags() : CommandFlags("import") {
    flags.add("dry-run", dry_run, "only count what would be imported");
    flags.add("after", after, "go on behind this place in the source, which an import that was stopped named");
    flags.add("format", format, "text or json");
    flags.offer_words("format", "text json");
  }
};

std::string import_text(const ImportReport& r, bool dry_run) {
  Block b;
  b.row("Read", grouped(r.read));
  b.row(dry_run ? "Would be imported" : "Imported", grouped(r.imported));
  b.row("Already there", grouped(r.present));
  if (r.expired > 0) b.row("Older than what is kept", grouped(r.expired));
  if (!dry_run) b.row("Refused", grouped(r.refused));
  return b.text();
}

std::string import_json(const ImportReport& r, bool dry_run) {
  std::string out;
  JsonWriter w(out);
  w.begin_object()
      .field("schema_version", "import.v1")
      .field("dry_run", dry_run)
      .field("read", r.read)
      .field("imported", r.imported)
      .field("already_there", r.present)
      .field("expired", r.expired)
      .field("refused", r.refused)
      .field("last_seq", r.last_seq)
      .end_object();
  return indented_json(out);
}

Result<void> run(const Context& c, const config::Config& config, const std::string& path, const ImportFlags& f,
                 ImportReport& report) {
  const auto source = c.handlers.open_source(path);
  if (!source) return fail("failed to open the source: " + source.error().message);
  struct stat st{};
  const bool no_store =
      trim(config.storage.driver) == "sqlite" && ::stat(config.storage.path.c_str(), &st) != 0 && errno == ENOENT;
  std::unique_ptr<store::TraceReader> present;
  ImportOptions options{.after = f.after};
  if (!no_store) {
    auto opened = c.handlers.open_store(config, kReadDeadlineMs);
    if (!opened) return fail("failed to initialize trace store: " + opened.error().message);
    present = std::move(*opened);
    const auto state = present->sequence();
    if (!state) return fail("failed to read the trace store: " + state.error().message);
    options.kept_from_ns = state->kept_from_ns;
  }
  const InterruptRequests interrupts;
  Progress progress(c.err, c.err_terminal, c.handlers.clock);
  options.progress = [&](const ImportReport& r, std::int64_t last) {
    progress.show(f.dry_run ? "comparing" : "importing", r.last_seq - f.after, last - f.after,
                  grouped(r.read) + " traces");
    return !InterruptRequests::asked();
  };
  if (f.dry_run) return compare_traces(**source, present.get(), options, report);
  present.reset();  // a migration wants the database to itself
  const auto target = c.handlers.open_target(config, path);
  if (!target) return fail("failed to initialize trace store: " + target.error().message);
  return import_traces(**source, *target->writer, options, report);
}

int import(const Context& c, Args args) {
  ImportFlags f;
  if (f.flags.parse_mixed(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  if (f.flags.positional().size() != 1 || f.flags.positional()[0].empty())
    return c.wrong_usage("usage: ongoingai " + std::string(kImportUsage));
  const auto format = output_format(f.format);
  if (!format) return c.wrong_usage(invalid_format("import", f.format));
  if (f.after < 0) return c.wrong_usage("after must be 0 or more");
  const std::string& source = f.flags.positional()[0];
  const auto config = f.load_valid(c);
  if (!config) return c.fail(config.error().message);

  ImportReport report;
  const Result<void> done = run(c, *config, source, f, report);
  for (const std::string& refused : report.refused_ids) c.err << "refused: " << printable(refused) << '\n';
  if (!done) {
    std::string text = "failed to import: " + done.error().message;
    if (report.read > 0)
      text += "; " + grouped(report.read) + " traces are done, --after " + std::to_string(report.last_seq) +
              " goes on from there";
    return c.fail(text);
  }
  const int printed =
      c.print(*format == "json" ? import_json(report, f.dry_run) : import_text(report, f.dry_run), "import report");
  return printed == kExitOk && report.refused > 0 ? kExitFailure : printed;
}

}  // namespace

Command import_command() {
  return {"import", kImportUsage, "traces of another database into the configured one", import, described<ImportFlags>,
          {},       true};
}

}  // namespace gw::cli
