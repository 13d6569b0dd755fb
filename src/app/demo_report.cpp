#include "app/demo_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "app/demo_provider.h"

namespace gw::app {
namespace {

constexpr std::size_t kModelWidth = 17;

/// What stands between T and the fraction: the API's times are UTC.
std::string time_of_day(std::string_view rfc3339) {
  return rfc3339.size() >= 19 ? std::string(rfc3339.substr(11, 8)) : "?";
}

std::string fitted(std::string_view s, std::size_t width) {
  return s.size() <= width ? std::string(s) : std::string(s.substr(0, width - 1)) + "~";
}

double total_cost(const std::vector<TraceRow>& traces) {
  double sum = 0;
  for (const TraceRow& t : traces) sum += t.cost_usd;
  return sum;
}

}  // namespace

void print_welcome(std::ostream& out, const DemoPlace& p) {
  out << "OngoingAI Gateway demo\n\n"
         "A simulated provider inside this program answers instead of OpenAI and\n"
         "Anthropic. No key is needed, nothing leaves this machine, nothing is charged,\n"
         "and your own data is not touched.\n\n";
  if (p.usual_port_taken) out << "Port 8080 is taken, so the gateway listens on another one.\n\n";
  out << fmt::format("  Gateway             http://127.0.0.1:{}\n", p.gateway_port)
      << fmt::format("  Simulated provider  http://127.0.0.1:{}\n", p.provider_port)
      << fmt::format("  Scratch folder      {}\n\n", p.folder) << "Sending sample requests through the gateway:\n\n"
      << fmt::format("  {:>2}  {:<9}  {:<{}}  {:<6}  {:>4}  {:>6}\n", "#", "PROVIDER", "MODEL", kModelWidth, "KIND",
                     "HTTP", "MS");
  out.flush();
}

void print_sent(std::ostream& out, std::size_t number, const Sent& s) {
  std::string line = fmt::format("  {:>2}  {:<9}  {:<{}}  {:<6}  {:>4}  {:>6}  {}", number, provider_name(s.sample.api),
                                 fitted(s.sample.model, kModelWidth), kModelWidth, s.sample.stream ? "stream" : "plain",
                                 s.status, s.latency_ms, s.problem.empty() ? s.sample.remark : "FAILED");
  while (line.back() == ' ') line.pop_back();
  out << line << '\n';
  out.flush();
}

void print_traces(std::ostream& out, const std::vector<TraceRow>& traces) {
  out << "\nTraces that the gateway has stored:\n\n"
      << fmt::format("  {:<8}  {:<9}  {:<{}}  {:>4}  {:>4}  {:>4}  {:>8}  {:>4}  {:>4}\n", "UTC", "PROVIDER", "MODEL",
                     kModelWidth, "HTTP", "IN", "OUT", "COST USD", "MS", "TTFT");
  for (auto t = traces.rbegin(); t != traces.rend(); ++t)
    out << fmt::format("  {:<8}  {:<9}  {:<{}}  {:>4}  {:>4}  {:>4}  {:>8.6f}  {:>4}  {:>4}\n",
                       time_of_day(t->timestamp), fitted(t->provider, 9), fitted(t->model, kModelWidth), kModelWidth,
                       t->status, t->input_tokens, t->output_tokens, t->cost_usd, t->latency_ms,
                       t->first_token_ms > 0 ? std::to_string(t->first_token_ms) : "-");
  out << "\n  IN, OUT: tokens. MS: whole exchange. TTFT: milliseconds to the first token.\n\n";
}

void print_verdict(std::ostream& out, const std::vector<Sent>& sent, const std::vector<TraceRow>& traces,
                   const std::vector<std::string>& differences) {
  if (differences.empty()) {
    out << fmt::format("All {} requests left exactly one trace each, as expected.\n", sent.size())
        << fmt::format("With a real provider they would have cost {:.6f} USD at list prices.\n", total_cost(traces));
  } else {
    out << "Not everything was as expected:\n";
    for (const std::string& d : differences) out << "  " << d << '\n';
  }
  out.flush();
}

void print_invitation(std::ostream& out, const DemoPlace& p, std::string_view trace_id) {
  const std::string base = fmt::format("http://127.0.0.1:{}", p.gateway_port);
  out << "\nTry it from another terminal:\n\n"
      << fmt::format("  curl -s '{}/api/traces?limit=3'\n", base)
      << fmt::format("  curl -s '{}/api/traces/{}'\n", base, trace_id)
      << fmt::format("  curl -s '{}/api/diagnostics/trace-pipeline'\n", base)
      << fmt::format("  curl -s '{}/api/health'\n\n", base)
      << fmt::format("  curl -sN {}/openai/v1/chat/completions \\\n", base)
      << fmt::format("    -H 'Authorization: Bearer {}' \\\n", DemoProvider::kKey)
      << "    -H 'Content-Type: application/json' \\\n"
      << "    -d '{\"model\":\"gpt-4o-mini\",\"stream\":true,\n"
         "         \"messages\":[{\"role\":\"user\",\"content\":\"Hello!\"}]}'\n\n"
      << fmt::format("  curl -s {}/anthropic/v1/messages \\\n", base)
      << fmt::format("    -H 'x-api-key: {}' \\\n", DemoProvider::kKey)
      << "    -H 'Content-Type: application/json' \\\n"
      << "    -d '{\"model\":\"claude-haiku-4-5\",\"max_tokens\":100,\n"
         "         \"messages\":[{\"role\":\"user\",\"content\":\"Hello!\"}]}'\n\n"
      << "Or point a program at it (any key works, the answers are made up):\n\n"
      << fmt::format("  export OPENAI_BASE_URL={}/openai/v1\n", base)
      << fmt::format("  export ANTHROPIC_BASE_URL={}/anthropic\n\n", base) << "Serving until Ctrl-C.\n";
  out.flush();
}

}  // namespace gw::app
