#include "base/strings.h"
#include "cli/command.h"
#include "cli/report.h"

namespace gw::cli {
namespace {

struct ReportFlags : CommandFlags {
  std::string format = "text", from, to, provider, model;
  std::int64_t limit = 10;

  ReportFlags() : CommandFlags("report") {
    flags.add("format", format, "text or json");
    flags.add("from", from, "first time of the traces, RFC3339 or YYYY-MM-DD");
    flags.add("to", to, "last time of the traces, RFC3339 or YYYY-MM-DD");
    flags.add("provider", provider, "only this provider");
    flags.add("model", model, "only this model");
    flags.add("limit", limit, "number of recent traces, and of keys in text, 1 to 200");
    flags.offer_words("format", "text json");
  }
};

int report(const Context& c, Args args) {
  ReportFlags f;
  if (f.flags.parse(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  if (!f.flags.positional().empty()) return c.wrong_usage("report does not accept positional arguments");
  const auto format = output_format(f.format);
  if (!format) return c.wrong_usage(invalid_format("report", f.format));
  if (f.limit < 1 || f.limit > 200) return c.wrong_usage("limit must be between 1 and 200");
  const auto range = parse_range(f.from, f.to);
  if (!range) return c.wrong_usage(range.error().message);
  const auto config = f.load_valid(c);
  if (!config) return c.fail(config.error().message);
  const auto reader = c.handlers.open_store(*config, kReadDeadlineMs);
  if (!reader) return c.fail("failed to initialize trace store: " + reader.error().message);

  auto built = build_report(**reader, {.provider = std::string(trim(f.provider)),
                                       .model = std::string(trim(f.model)),
                                       .range = *range,
                                       .limit = static_cast<int>(f.limit)});
  if (!built) return c.fail("failed to build report: " + built.error().message);
  built->generated_at_ns = c.handlers.clock.wall_ns();
  built->driver = std::string(trim(config->storage.driver));
  if (built->driver == "sqlite") built->path = config->storage.path;
  return c.print(*format == "json" ? report_json(*built) : report_text(*built, c.out_terminal), "report");
}

}  // namespace

Command report_command() {
  return {"report",
          "report [--config path/to/ongoingai.yaml] [--format text|json] [--from RFC3339|YYYY-MM-DD] "
          "[--to RFC3339|YYYY-MM-DD] [--provider NAME] [--model NAME] [--limit N]",
          "usage, cost and recent traces", report, described<ReportFlags>};
}

}  // namespace gw::cli
