#include <algorithm>
#include <ostream>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/debug_chain.h"

namespace gw::cli {
namespace {

struct DebugFlags : CommandFlags {
  std::string trace_id, trace_group_id, thread_id, run_id, format = "text", bundle_out;
  std::int64_t limit = 200;
  bool diff = false, headers = false, bodies = false;

  DebugFlags() : CommandFlags("debug") {
    flags.add("trace-id", trace_id, "the trace to look at; without one the newest");
    flags.add("trace-group-id", trace_group_id, "the traces of this lineage group");
    flags.add("thread-id", thread_id, "the traces of this lineage thread");
    flags.add("run-id", run_id, "the traces of this lineage run");
    flags.add("format", format, "text or json");
    flags.add("limit", limit, "number of traces of the chain, 1 to 500");
    flags.add("diff", diff, "show what changed from trace to trace");
    flags.add("bundle-out", bundle_out, "folder that gets the answer as JSON and a manifest with its checksum");
    flags.add("include-headers", headers, "show the stored headers");
    flags.add("include-bodies", bodies, "show the stored bodies");
    flags.offer_words("format", "text json");
    flags.offer_files("bundle-out");
  }

  DebugSelection selection() const {
    const auto trimmed = [](const std::string& s) { return std::string(trim(s)); };
    return {.trace_id = trimmed(trace_id),
            .trace_group_id = trimmed(trace_group_id),
            .thread_id = trimmed(thread_id),
            .run_id = trimmed(run_id)};
  }
};

/// `last` may stand before the flags too, where it would end them.
FlagSet::Outcome parse(DebugFlags& f, Args args, std::ostream& err, std::vector<std::string>& positional) {
  if (!args.empty() && args[0] == "last") {
    positional.push_back(args[0]);
    args = args.subspan(1);
  }
  const FlagSet::Outcome outcome = f.flags.parse(args, err);
  positional.insert(positional.end(), f.flags.positional().begin(), f.flags.positional().end());
  return outcome;
}

/// The first thing that is wrong with the arguments; empty: nothing.
std::string problem(const DebugFlags& f, const std::vector<std::string>& positional) {
  const DebugSelection s = f.selection();
  if (positional.size() > 1) return "debug accepts at most one positional argument: last";
  if (!positional.empty() && positional[0] != "last") return "debug positional argument must be \"last\"";
  if (!positional.empty() && s.any())
    return "debug \"last\" cannot be combined with --trace-id, --trace-group-id, --thread-id, or --run-id";
  if (!s.trace_id.empty() && s.by_chain())
    return "trace-id cannot be combined with trace-group-id/thread-id/run-id filters";
  if (!output_format(f.format)) return invalid_format("debug", f.format);
  if (f.limit < 1 || f.limit > 500) return "limit must be between 1 and 500";
  return {};
}

int debug(const Context& c, Args args) {
  DebugFlags f;
  std::vector<std::string> positional;
  if (parse(f, args, c.err, positional) != FlagSet::Outcome::ok) return kExitUsage;
  if (const std::string wrong = problem(f, positional); !wrong.empty()) return c.wrong_usage(wrong);
  const auto config = f.load_valid(c);
  if (!config) return c.fail(config.error().message);
  const auto reader = c.handlers.open_store(*config, kReadDeadlineMs);
  if (!reader) return c.fail("failed to initialize trace store: " + reader.error().message);

  auto chain =
      build_debug_chain(**reader, f.selection(),
                        {.limit = static_cast<int>(f.limit), .diff = f.diff, .headers = f.headers, .bodies = f.bodies});
  if (!chain) return c.fail(chain.error().message);
  chain->generated_at_ns = c.handlers.clock.wall_ns();
  const bool json = output_format(f.format) == "json";
  const int printed = c.print(json ? debug_json(*chain) : debug_text(*chain, c.out_terminal), "debug output");
  if (printed != kExitOk || trim(f.bundle_out).empty()) return printed;
  const auto manifest = write_debug_bundle(*chain, std::string(trim(f.bundle_out)));
  if (!manifest) return c.fail("failed to write debug bundle: " + manifest.error().message);
  c.err << "wrote debug bundle: " << *manifest << '\n';
  return kExitOk;
}

}  // namespace

Command debug_command() {
  return {"debug",
          "debug [last] [--config path/to/ongoingai.yaml] [--trace-id ID] [--trace-group-id ID] [--thread-id ID] "
          "[--run-id ID] [--format text|json] [--limit N] [--diff] [--bundle-out PATH] [--include-headers] "
          "[--include-bodies]",
          "a trace and its lineage, step by step",
          debug,
          described<DebugFlags>,
          "last"};
}

}  // namespace gw::cli
