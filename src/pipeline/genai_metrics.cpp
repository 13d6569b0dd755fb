#include "pipeline/genai_metrics.h"

#include <charconv>
#include <map>

namespace gw::pipeline {
namespace {

using metrics::Family;
using metrics::HistogramValue;
using metrics::Kind;
using metrics::Label;

constexpr std::array<std::string_view, 7> kLabels{"gen_ai.operation.name",
                                                  "gen_ai.provider.name",
                                                  "gen_ai.request.model",
                                                  "gen_ai.response.model",
                                                  "server.address",
                                                  "server.port",
                                                  "error.type"};
constexpr std::uint32_t kOfClients = 1U << 2 | 1U << 3;
constexpr std::size_t kFirstOptional = 2, kErrorType = 6;

Family family(std::string_view name, std::string_view unit, std::string_view help, std::span<const double> bounds) {
  return {.name = name, .kind = Kind::histogram, .unit = unit, .help = help, .bounds = bounds, .integer = false};
}

/// Those that are known; of tokens there are none without an answer, and no error.
std::vector<Label> labels_of(const std::vector<std::string>& values, bool with_error) {
  std::vector<Label> out;
  for (std::size_t i = 0; i < kLabels.size(); ++i) {
    if (i == kErrorType && !with_error) continue;
    if (i < kFirstOptional || values[i] != "unknown") out.push_back({kLabels[i], values[i]});
  }
  return out;
}

}  // namespace

GenAiMetrics::GenAiMetrics(Options options)
    : series_({.labels = kLabels.size(), .cap = kMostGenAiSeries, .client_labels = kOfClients, .shown = options.shown},
              options.workers) {}

void GenAiMetrics::exchange(std::size_t worker, const GenAiCall& call, const ExchangeRecord& r,
                            const route::Route& route, const metrics::SpanRef* span) {
  char port[8], digits[4];
  const auto port_end = std::to_chars(port, port + sizeof port, route.upstream.port).ptr;
  Cells& cells = series_.at(
      worker, std::array<std::string_view, kLabels.size()>{
                  call.operation, call.provider, r.model, r.response_model, route.upstream.host,
                  std::string_view(port, static_cast<std::size_t>(port_end - port)), genai_error(r, digits)});
  const double seconds = static_cast<double>(r.latency_us) / 1e6;
  const double first = static_cast<double>(r.time_to_first_token_us) / 1e6;
  cells.duration.observe(seconds, span, r.ended_at_ns);
  if (r.usage.input_tokens > 0) cells.input.observe(static_cast<double>(r.usage.input_tokens), span, r.ended_at_ns);
  if (r.usage.output_tokens > 0) cells.output.observe(static_cast<double>(r.usage.output_tokens), span, r.ended_at_ns);
  if (r.time_to_first_token_us <= 0) return;
  cells.first_chunk.observe(first, span, r.ended_at_ns);
  cells.first_token.observe(first, span, r.ended_at_ns);
  if (r.status < 400 && r.outcome == Outcome::complete && r.usage.output_tokens > 1 && seconds >= first)
    cells.per_token.observe((seconds - first) / static_cast<double>(r.usage.output_tokens - 1), span, r.ended_at_ns);
}

void GenAiMetrics::append_to(metrics::Snapshot& snapshot) const {
  struct Sum {
    HistogramValue duration, first_chunk, per_token, first_token;
  };
  struct TokenSum {
    HistogramValue input, output;
  };
  std::map<const std::vector<std::string>*, Sum> sums;
  std::map<std::vector<std::string>, TokenSum>
      token_sums;  // without the error: answers that broke off count with others
  series_.each([&](const std::vector<std::string>& values, const Cells& cells) {
    std::vector<std::string> without_error = values;
    without_error[kErrorType].clear();
    TokenSum& token_sum = token_sums[std::move(without_error)];
    cells.input.add_to(token_sum.input);
    cells.output.add_to(token_sum.output);
    Sum& sum = sums[&values];
    cells.duration.add_to(sum.duration);
    cells.first_chunk.add_to(sum.first_chunk);
    cells.per_token.add_to(sum.per_token);
    cells.first_token.add_to(sum.first_token);
  });
  Family tokens = family("gen_ai.client.token.usage", "{token}", "Tokens of an operation.", kGenAiTokenBounds);
  Family duration =
      family("gen_ai.client.operation.duration", "s", "Time that an operation took.", kGenAiSecondsBounds);
  Family first_chunk = family("gen_ai.client.operation.time_to_first_chunk", "s",
                              "Time to the first bytes of a streamed answer.", kGenAiSecondsBounds);
  Family served = family("gen_ai.server.request.duration", "s", "The same as the client's: the gateway is both.",
                         kGenAiSecondsBounds);
  Family per_token = family("gen_ai.server.time_per_output_token", "s",
                            "Time for a token of a streamed answer after the first, on average.", kGenAiPerTokenBounds);
  Family first_token = family("gen_ai.server.time_to_first_token", "s", "Time to the first bytes of a streamed answer.",
                              kGenAiFirstTokenBounds);
  const auto add = [](Family& to, const HistogramValue& value, std::vector<Label> labels) {
    if (value.count() > 0) to.samples.push_back({.labels = std::move(labels), .histogram = value});
  };
  for (const auto& [values, sum] : token_sums) {
    const auto of_type = [set = &values](std::string type) {
      std::vector<Label> labels = labels_of(*set, false);
      labels.push_back({"gen_ai.token.type", std::move(type)});
      return labels;
    };
    add(tokens, sum.input, of_type("input"));
    add(tokens, sum.output, of_type("output"));
  }
  for (const auto& [values, sum] : sums) {
    add(duration, sum.duration, labels_of(*values, true));
    add(first_chunk, sum.first_chunk, labels_of(*values, true));
    add(served, sum.duration, labels_of(*values, true));
    add(per_token, sum.per_token, labels_of(*values, true));
    add(first_token, sum.first_token, labels_of(*values, true));
  }
  for (Family* f : {&tokens, &duration, &first_chunk, &served, &per_token, &first_token})
    snapshot.families.push_back(std::move(*f));
}

}  // namespace gw::pipeline
