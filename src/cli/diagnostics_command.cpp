#include "api/json_value.h"
#include "base/strings.h"
#include "cli/base_url.h"
#include "cli/command.h"
#include "cli/diagnostics.h"
#include "cli/http_get.h"
#include "config/validate.h"
#include "http/reason.h"

namespace gw::cli {
namespace {

constexpr std::string_view kTarget = "trace-pipeline";
constexpr std::string_view kDefaultHeader = "X-OngoingAI-Gateway-Key";

struct DiagnosticsFlags : CommandFlags {
  std::string base_url, gateway_key, auth_header, format = "text";
  std::int64_t timeout_ns = 5'000'000'000;

  DiagnosticsFlags() : CommandFlags("diagnostics") {
    flags.add("base-url", base_url, "where the gateway listens; without it as the configuration says");
    flags.add("gateway-key", gateway_key, "gateway key with analytics:read, where auth is on");
    flags.add("auth-header", auth_header, "header that carries the key; without it auth.header");
    flags.add("format", format, "text or json");
    flags.add_duration("timeout", timeout_ns, "how long to wait for the whole answer");
    flags.offer_words("format", "text json");
  }
};

struct Endpoint {
  std::string base, header;
};

/// The configuration is read for what the flags leave open, and need not be there when they say where to ask.
Result<Endpoint> resolve(const Context& c, const DiagnosticsFlags& f) {
  Endpoint out{std::string(trim(f.base_url)), std::string(trim(f.auth_header))};
  const bool base_missing = out.base.empty();
  if (base_missing || out.header.empty()) {
    const auto config = f.load(c);
    const Result<void> valid = config ? config::validate_values(*config) : Result<void>();
    if (base_missing && !config) return fail("load config: " + config.error().message);
    if (base_missing && !valid) return fail("config validation failed: " + valid.error().message);
    if (base_missing) out.base = base_url(*config);
    if (out.header.empty() && config && valid) out.header = std::string(trim(config->auth.header));
  }
  if (out.header.empty()) out.header = kDefaultHeader;
  auto base = diagnostics_base(out.base);
  if (!base) return tl::make_unexpected(base.error());
  out.base = std::move(*base);
  return out;
}

std::string refusal(const HttpAnswer& answer) {
  std::string message;
  if (const auto json = api::parse_json(answer.body))
    if (const api::JsonValue* error = json->find("error")) message = std::string(trim(error->string));
  if (message.empty()) message = std::string(trim(answer.body));
  if (message.empty()) message = http::reason_phrase(answer.status);
  if (message.empty()) message = "unexpected status";
  return "status " + std::to_string(answer.status) + ": " + printable(message);
}

Result<PipelineReport> ask(const Endpoint& endpoint, const std::string& url, const DiagnosticsFlags& f) {
  HttpGet get{.url = url, .headers = {{"Accept", "application/json"}}};
  get.timeout_ns = f.timeout_ns;
  if (const std::string_view key = trim(f.gateway_key); !key.empty())
    get.secret_headers.emplace_back(endpoint.header, std::string(key));
  const auto answer = http_get(get);
  if (!answer) return tl::make_unexpected(answer.error());
  if (answer->status != 200) return fail(refusal(*answer));
  return read_pipeline_report(answer->body);
}

/// The first thing that is wrong with the arguments; empty: nothing.
std::string problem(const DiagnosticsFlags& f) {
  const auto& positional = f.flags.positional();
  if (positional.size() > 1) return "diagnostics accepts at most one positional argument: \"trace-pipeline\"";
  if (!positional.empty() && positional[0] != kTarget)
    return "unsupported diagnostics target " + in_quotes(positional[0]) + ": expected \"trace-pipeline\"";
  if (!output_format(f.format)) return invalid_format("diagnostics", f.format);
  if (f.timeout_ns <= 0)
    return "invalid diagnostics timeout " + in_quotes(format_duration(f.timeout_ns)) + ": must be greater than 0";
  return {};
}

int diagnostics(const Context& c, Args args) {
  DiagnosticsFlags f;
  // The target may stand before the flags too, as the usage line has it.
  const bool leading = !args.empty() && args[0] == kTarget;
  if (f.flags.parse(leading ? args.subspan(1) : args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  if (leading && !f.flags.positional().empty())
    return c.wrong_usage("diagnostics accepts at most one positional argument: \"trace-pipeline\"");
  if (const std::string wrong = problem(f); !wrong.empty()) return c.wrong_usage(wrong);
  const auto endpoint = resolve(c, f);
  if (!endpoint) return c.fail("failed to resolve diagnostics endpoint: " + endpoint.error().message);
  const std::string url = endpoint->base + "/api/diagnostics/trace-pipeline";
  const auto report = ask(*endpoint, url, f);
  if (!report) return c.fail("failed to read diagnostics: " + report.error().message);
  const bool json = output_format(f.format) == "json";
  return c.print(json ? diagnostics_json(*report) : diagnostics_text(*report, url, c.out_terminal),
                 "diagnostics output");
}

}  // namespace

Command diagnostics_command() {
  return {"diagnostics",
          "diagnostics [trace-pipeline] [--config path/to/ongoingai.yaml] [--base-url URL] [--gateway-key TOKEN] "
          "[--auth-header HEADER] [--format text|json] [--timeout DURATION]",
          "what a running gateway does with its traces",
          diagnostics,
          described<DiagnosticsFlags>,
          kTarget};
}

}  // namespace gw::cli
