#include "base/json_writer.h"
#include "base/strings.h"
#include "base/time_format.h"
#include "cli/command.h"
#include "cli/terminal.h"

namespace gw::cli {
namespace {

constexpr std::string_view kEraseUsage =
    "erase [--config path/to/ongoingai.yaml] [--session ID] [--thread ID] [--run ID] [--trace-group ID] [--key ID] "
    "[--api-key HASH] [--user ID] [--before RFC3339|YYYY-MM-DD] [--org ID --workspace ID] [--dry-run] [--format "
    "text|json]";

struct EraseFlags : CommandFlags {
  std::string session, thread, run, trace_group, key, api_key, user, before, org, workspace, format = "text";
  bool dry_run = false;

  EraseFlags() : CommandFlags("erase") {
    flags.add("session", session, "traces of this session");
    flags.add("thread", thread, "traces of this lineage thread");
    flags.add("run", run, "traces of this lineage run");
    flags.add("trace-group", trace_group, "traces of this lineage group");
    flags.add("key", key, "traces of this gateway key, by its id");
    flags.add("api-key", api_key, "traces of this provider key, by its hash");
    flags.add("user", user, "traces of this end user, as the client named them");
    flags.add("before", before, "traces that started earlier, RFC3339 or YYYY-MM-DD");
    flags.add("org", org, "only traces of this organisation; with --workspace");
    flags.add("workspace", workspace, "only traces of this workspace; with --org");
    flags.add("dry-run", dry_run, "only print what would be erased");
    flags.add("format", format, "text or json");
    flags.offer_words("format", "text json");
  }
};

/// What the flags choose; a message when they choose nothing, or not clearly.
Result<store::EraseSelector> selector_of(const EraseFlags& f) {
  store::EraseSelector s;
  s.session_id = trim(f.session);
  s.thread_id = trim(f.thread);
  s.run_id = trim(f.run);
  s.trace_group_id = trim(f.trace_group);
  s.gateway_key_id = trim(f.key);
  s.api_key_hash = trim(f.api_key);
  s.user = trim(f.user);
  if (!trim(f.before).empty()) {
    s.before_ns = parse_time(f.before, false);
    if (!s.before_ns) return fail("invalid before: expected RFC3339 or YYYY-MM-DD");
  }
  // The tenant narrows a choice; alone it would be a whole tenant for a slip of the hand.
  if (s.session_id.empty() && s.thread_id.empty() && s.run_id.empty() && s.trace_group_id.empty() &&
      s.gateway_key_id.empty() && s.api_key_hash.empty() && s.user.empty() && !s.before_ns)
    return fail("say what to erase: --session, --thread, --run, --trace-group, --key, --api-key, --user or --before");
  const std::string_view org = trim(f.org), workspace = trim(f.workspace);
  if (org.empty() != workspace.empty()) return fail("--org and --workspace go together");
  if (!org.empty()) s.scope = store::TenantScope::of(std::string(org), std::string(workspace));
  return s;
}

std::string report_text(const store::EraseReport& r, bool dry_run) {
  if (r.traces == 0) return "no trace matches\n";
  std::string out = std::to_string(r.traces) + (r.traces == 1 ? " trace" : " traces") +
                    (dry_run ? " would be erased" : " erased") + ", from " + format_rfc3339(r.first_ns) + " to " +
                    format_rfc3339(r.last_ns) + "\n";
  if (!dry_run && !r.log_emptied) out += "what was erased is still in the database's log, until that is written over\n";
  return out;
}

std::string report_json(const store::EraseReport& r, bool dry_run) {
  std::string out;
  JsonWriter w(out);
  w.begin_object().field("dry_run", dry_run).field("traces", r.traces);
  if (r.traces > 0) w.field("first", format_rfc3339(r.first_ns)).field("last", format_rfc3339(r.last_ns));
  if (!dry_run) w.field("log_emptied", r.log_emptied);
  w.end_object();
  return out += '\n';
}

/// Who erased how much and by what choice must be found out later; whom it was about must not.
std::string audit_line(const EraseFlags& f, const store::EraseReport& r, std::int64_t now_ns) {
  std::string out;
  JsonWriter w(out);
  w.begin_object()
      .field("time", format_rfc3339(now_ns))
      .field("level", "INFO")
      .field("msg", "audit erase")
      .field("traces", r.traces);
  w.key("by").begin_array();
  const std::pair<std::string_view, const std::string*> flags[] = {
      {"session", &f.session}, {"thread", &f.thread},   {"run", &f.run},   {"trace-group", &f.trace_group},
      {"key", &f.key},         {"api-key", &f.api_key}, {"user", &f.user}, {"before", &f.before}};
  for (const auto& [name, value] : flags)
    if (!trim(*value).empty()) w.value(name);
  w.end_array().end_object();
  return out += '\n';
}

int erase(const Context& c, Args args) {
  EraseFlags f;
  if (f.flags.parse(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  if (!f.flags.positional().empty()) return c.wrong_usage("erase does not accept positional arguments");
  const auto format = output_format(f.format);
  if (!format) return c.wrong_usage(invalid_format("erase", f.format));
  const auto selector = selector_of(f);
  if (!selector) return c.wrong_usage(selector.error().message);
  const auto config = f.load_valid(c);
  if (!config) return c.fail(config.error().message);
  const auto report = c.handlers.erase(*config, *selector, f.dry_run);
  if (!report) return c.fail("failed to erase: " + report.error().message);
  if (!f.dry_run && report->traces > 0) c.err << audit_line(f, *report, c.handlers.clock.wall_ns());
  return c.print(*format == "json" ? report_json(*report, f.dry_run) : report_text(*report, f.dry_run), "report");
}

}  // namespace

Command erase_command() {
  return {"erase", kEraseUsage, "remove traces of a session, thread, key or user for good", erase,
          described<EraseFlags>};
}

}  // namespace gw::cli
