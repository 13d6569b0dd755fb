// guard test: what the privacy guard would do with a body, and why.
#include <algorithm>
#include <iostream>
#include <iterator>

#include "base/json_writer.h"
#include "base/strings.h"
#include "cli/command.h"
#include "config/credential.h"
#include "config/effective.h"
#include "config/guard_options.h"
#include "config/validate.h"
#include "guard/request_guard.h"

namespace gw::cli {
namespace {

constexpr std::string_view kGuardUsage =
    "guard test [--config path/to/ongoingai.yaml] [--mode MODE] [--provider NAME] [--path PATH] [--org-id ID] "
    "[--workspace-id ID] [--key-id ID] [--content-type TYPE] [--format text|json|body] < body";

struct GuardFlags : CommandFlags {
  std::string mode, provider = "openai", path = "/openai/v1/chat/completions", org, workspace = "default", key;
  std::string content_type = "application/json", format = "text";

  GuardFlags() : CommandFlags("guard test") {
    flags.add("mode", mode, "instead of the mode that the policy says");
    flags.offer_words("mode", "off redact_storage redact_upstream block observe");
    flags.add("provider", provider, "whom the request is for");
    flags.add("path", path, "path of the request");
    flags.add("org-id", org, "of the caller");
    flags.add("workspace-id", workspace, "of the caller");
    flags.add("key-id", key, "of the caller");
    flags.add("content-type", content_type, "of the body");
    flags.add("format", format, "text, json, or body: what would be forwarded");
    flags.offer_words("format", "text json body");
  }
};

struct Trial {
  guard::Resolved policy;
  guard::Judgement judgement;
  std::vector<guard::Match> findings;
  std::string forwarded;  ///< empty: nothing is
};

bool is_refused(const Trial& t) {
  return t.judgement.verdict == guard::Verdict::refuse ||
         (t.judgement.verdict == guard::Verdict::unsure && t.policy.mode != guard::Mode::observe);
}

/// In modes that do not look at requests what is found is shown all the same.
Trial judge(const config::Config& config, const GuardFlags& f, const guard::Resolved& policy, const std::string& body) {
  const guard::RequestGuard guard(config::body_options(config),
                                  static_cast<std::size_t>(config::effective_body_max_size(config)));
  Trial out{.policy = policy, .judgement = {}, .findings = {}, .forwarded = {}};
  const std::string_view type = f.content_type;
  const bool looks = config.pii.stages.request_body && guard::guards_requests(policy.mode);
  std::string why = guard.unreadable({&type, 1}, {});
  if (why.empty() && body.size() > guard.max_body()) why = guard.too_long();
  if (!why.empty()) {
    out.judgement.verdict = guard::Verdict::unsure;
    out.judgement.error = why;
  } else if (!body.empty()) {
    guard::RequestGuard::Case open(guard, looks ? policy.mode : guard::Mode::observe, type, body, f.workspace);
    open.keep_findings();
    while (!open.step(1 << 20)) {
    }
    out.judgement = std::move(open.judgement());
    out.findings = open.findings();
  }
  if (!looks && out.judgement.verdict == guard::Verdict::unsure) out.judgement.verdict = guard::Verdict::pass;
  if (!is_refused(out))
    out.forwarded = out.judgement.verdict == guard::Verdict::replace ? out.judgement.replacement : body;
  return out;
}

std::string_view in_words(const Trial& t) {
  switch (t.judgement.verdict) {
    case guard::Verdict::pass:
      return "forwarded as it is";
    case guard::Verdict::replace:
      return "forwarded with what was found replaced";
    case guard::Verdict::refuse:
      return "refused with 403: request blocked by pii policy";
    case guard::Verdict::unsure:
      return t.policy.mode == guard::Mode::observe ? "forwarded as it is: it cannot be judged"
                                                   : "refused with 503: it cannot be judged";
    case guard::Verdict::found:
      return "forwarded as it is: the mode changes nothing";
  }
  return "";
}

struct Place {
  std::size_t line, column;
};
Place place_of(std::string_view body, std::size_t offset) {
  const std::string_view before = body.substr(0, offset);
  const auto lines = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
  const std::size_t start = before.rfind('\n');
  return {lines + 1, start == std::string_view::npos ? offset + 1 : offset - start};
}

std::string as_text(const Trial& t, const guard::KindNames& names, const std::string& body) {
  std::string out = "mode:    ";
  out.append(guard::to_string(t.policy.mode)).append("\npolicy:  ").append(t.policy.policy_id);
  out.append("\nrequest: ").append(in_words(t)).append("\n");
  if (!t.judgement.error.empty()) out.append("why:     ").append(t.judgement.error).append("\n");
  if (t.judgement.skipped > 0)
    out.append("skipped: ").append(std::to_string(t.judgement.skipped)).append(" encoded or binary parts\n");
  out.append("found:   ").append(std::to_string(t.findings.size())).append("\n");
  for (const guard::Match& m : t.findings) {
    const Place at = place_of(body, m.begin);
    out.append("  line ").append(std::to_string(at.line)).append(", byte ").append(std::to_string(at.column));
    out.append(": ").append(names.count_key(m.kind)).append(", ").append(std::to_string(m.end - m.begin));
    out.append(" bytes\n");
  }
  return out;
}

std::string as_json(const Trial& t, const guard::KindNames& names) {
  constexpr const char* kVerdicts[guard::kVerdicts] = {"passed", "redacted", "refused", "uncertain", "found"};
  std::string out;
  JsonWriter w(out);
  w.begin_object()
      .field("schema_version", "guard-test.v1")
      .field("mode", guard::to_string(t.policy.mode))
      .field("policy_id", t.policy.policy_id)
      .field("verdict", kVerdicts[static_cast<std::size_t>(t.judgement.verdict)])
      .field("refused", is_refused(t))
      .field_if("error", t.judgement.error)
      .key("redaction_counts")
      .begin_object();
  for (std::size_t k = 0; k < guard::kKinds; ++k)
    if (const std::uint32_t n = t.judgement.counts[k]; n > 0)
      w.field(names.count_key(static_cast<guard::Kind>(k)), static_cast<std::int64_t>(n));
  w.end_object().field("skipped", static_cast<std::int64_t>(t.judgement.skipped)).key("findings").begin_array();
  for (const guard::Match& m : t.findings)
    w.begin_object()
        .field("kind", names.count_key(m.kind))
        .field("offset", static_cast<std::int64_t>(m.begin))
        .field("length", static_cast<std::int64_t>(m.end - m.begin))
        .end_object();
  w.end_array().end_object();
  return out + '\n';
}

int guard_test(const Context& c, Args args) {
  GuardFlags f;
  if (f.flags.parse(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  if (!f.flags.positional().empty()) return c.wrong_usage("guard test does not accept positional arguments");
  const std::string format = lowercase(trim(f.format));
  if (format != "text" && format != "json" && format != "body")
    return c.wrong_usage("invalid guard test format " + in_quotes(f.format) + ": expected text, json or body");
  const Result<config::Config> config = f.load(c);
  if (!config) return c.fail("failed to load config: " + config.error().message);
  const Result<void> valid = config::validate(config::without_credentials(*config));
  if (!valid) return c.fail("config is invalid: " + valid.error().message);

  const guard::Policy policies(config::policy_options(*config));
  guard::Resolved policy = policies.resolve(
      {.org_id = f.org, .workspace_id = f.workspace, .key_id = f.key, .provider = f.provider, .path = f.path});
  if (!f.mode.empty()) {
    const auto mode = guard::parse_mode(lowercase(trim(f.mode)));
    if (!mode)
      return c.wrong_usage("invalid guard test --mode " + in_quotes(f.mode) +
                           ": expected off, redact_storage, redact_upstream, block or observe");
    policy.mode = *mode;
  }
  std::istream& in = c.handlers.in != nullptr ? *c.handlers.in : std::cin;
  const std::string body{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const Trial trial = judge(*config, f, policy, body);
  const guard::KindNames names(config::pattern_names(*config));
  const std::string text = format == "body"   ? trial.forwarded
                           : format == "json" ? as_json(trial, names)
                                              : as_text(trial, names, body);
  if (const int failed = c.print(text, "verdict"); failed != kExitOk) return failed;
  if (!is_refused(trial)) return kExitOk;
  // Where the body is asked for there is none: what is shown elsewhere says why.
  if (format != "body") return kExitFailure;
  return c.fail("request " + std::string(in_words(trial)) +
                (trial.judgement.error.empty() ? "" : ": " + trial.judgement.error));
}

}  // namespace

Command guard_test_command() {
  return {"guard test", kGuardUsage, "show what the privacy guard would do with a body", guard_test,
          described<GuardFlags>};
}

}  // namespace gw::cli
