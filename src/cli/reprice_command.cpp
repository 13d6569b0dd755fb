#include "base/strings.h"
#include "cli/command.h"
#include "cli/reprice_text.h"
#include "config/credential.h"
#include "config/validate.h"

namespace gw::cli {
namespace {

constexpr std::string_view kRepriceUsage =
    "reprice [--config path/to/ongoingai.yaml] --from RFC3339|YYYY-MM-DD [--to RFC3339|YYYY-MM-DD] [--dry-run] "
    "[--format text|json]";

struct RepriceFlags : CommandFlags {
  std::string from, to, format = "text";
  bool dry_run = false;

  RepriceFlags() : CommandFlags("reprice") {
    flags.add("from", from, "first time of the traces, RFC3339 or YYYY-MM-DD");
    flags.add("to", to, "last time of the traces, RFC3339 or YYYY-MM-DD; without it all from the first");
    flags.add("dry-run", dry_run, "only print what would change");
    flags.add("format", format, "text or json");
    flags.offer_words("format", "text json");
  }
};

/// The range of --from and --to, both inclusive as in the API; a message when there is none.
Result<store::RepriceRange> reprice_range(const std::string& from, const std::string& to) {
  if (trim(from).empty()) return fail("usage: ongoingai " + std::string(kRepriceUsage));
  const auto first = parse_time(from, false);
  if (!first) return fail("invalid reprice --from " + in_quotes(from) + ": expected RFC3339 or YYYY-MM-DD");
  store::RepriceRange range{.from_ns = *first};
  if (trim(to).empty()) return range;
  const auto last = parse_time(to, true);
  if (!last) return fail("invalid reprice --to " + in_quotes(to) + ": expected RFC3339 or YYYY-MM-DD");
  if (*last < *first) return fail("--to must be greater than or equal to --from");
  range.until_ns = *last == INT64_MAX ? *last : *last + 1;
  return range;
}

int reprice(const Context& c, Args args) {
  RepriceFlags f;
  if (f.flags.parse(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  if (!f.flags.positional().empty()) return c.wrong_usage("reprice does not accept positional arguments");
  const auto format = output_format(f.format);
  if (!format) return c.wrong_usage(invalid_format("reprice", f.format));
  const auto range = reprice_range(f.from, f.to);
  if (!range) return c.wrong_usage(range.error().message);
  const Result<config::Config> config = f.load(c);
  if (!config) return c.fail("failed to load config: " + config.error().message);
  // No provider is asked, and their keys may be for the gateway alone.
  const Result<void> valid = config::validate(config::without_credentials(*config));
  if (!valid) return c.fail("config is invalid: " + valid.error().message);
  const auto report = c.handlers.reprice(*config, *range, f.dry_run);
  if (!report) return c.fail(report.error().message);
  return c.print(*format == "json" ? reprice_json(*report, f.dry_run) : reprice_text(*report, f.dry_run), "report");
}

}  // namespace

Command reprice_command() {
  return {"reprice", kRepriceUsage, "compute stored costs again with the present prices", reprice,
          described<RepriceFlags>};
}

}  // namespace gw::cli
