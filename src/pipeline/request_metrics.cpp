#include "pipeline/request_metrics.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "http/authority.h"

namespace gw::pipeline {

using metrics::Family;
using metrics::Kind;
using metrics::Label;
using metrics::Sample;

namespace {

constexpr std::array<std::string_view, 5> kScope{"provider", "model", "org_id", "workspace_id", "route"};
constexpr std::size_t kModel = 1;
constexpr std::array<std::string_view, kTokenBuckets> kBucketNames{
    "input",       "cache_read", "cache_write_5m", "cache_write_1h", "input_audio",
    "input_image", "output",     "reasoning",      "output_audio",   "output_image"};

constexpr std::array<std::string_view, 5> kServerLabels{"http.method", "net.host.name", "net.host.port",
                                                        "net.protocol.version", "http.status_code"};
constexpr std::array<std::string_view, 4> kClientLabels{"http.method", "net.peer.name", "net.peer.port",
                                                        "http.status_code"};
constexpr std::size_t kHost = 1;  // and its port behind it

std::array<std::int64_t, kTokenBuckets> buckets_of(const Usage& u) {
  return {u.uncached_text_tokens(), u.cache_read_tokens + u.cache_read_audio_tokens + u.cache_read_image_tokens,
          u.cache_write_5m_tokens,  u.cache_write_1h_tokens,
          u.input_audio_tokens,     u.input_image_tokens,
          u.text_output_tokens(),   u.reasoning_tokens,
          u.output_audio_tokens,    u.output_image_tokens};
}

/// Clients may write anything as a method.
std::string_view known_method(std::string_view method) {
  static constexpr std::array<std::string_view, 9> kKnown{"POST",    "GET",   "HEAD",  "PUT",    "DELETE",
                                                          "OPTIONS", "PATCH", "TRACE", "CONNECT"};
  for (const std::string_view known : kKnown)
    if (method == known) return known;
  return "_OTHER";
}

struct NumberText {
  char digits[12];
  std::string_view text;
  explicit NumberText(int number) {
    text = {digits, static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, number).ptr - digits)};
  }
};

std::vector<Label> labels_of(std::span<const std::string_view> names, const std::vector<std::string>& values) {
  std::vector<Label> labels;
  labels.reserve(names.size() + 1);
  for (std::size_t i = 0; i < names.size(); ++i) labels.push_back({names[i], values[i]});
  return labels;
}

Sample counted(std::vector<Label> labels, double value) { return {.labels = std::move(labels), .value = value}; }

}  // namespace

void StatusCounts::add(int status) {
  for (Slot& slot : slots_) {
    const int there = slot.status.load(std::memory_order_relaxed);
    if (there != status && there != 0) continue;
    if (there == 0) slot.status.store(status, std::memory_order_release);
    slot.count.add();
    return;
  }
  others_.add();
}

RequestMetrics::RequestMetrics(Options options)
    : scheme_(options.scheme),
      exchanges_({.labels = kScope.size(), .cap = kMostSeries, .client_labels = 1U << kModel, .shown = options.shown},
                 options.workers),
      requests_(
          {.labels = kServerLabels.size(), .cap = kMostSeries, .client_labels = 3U << kHost, .shown = options.shown},
          options.workers),
      upstreams_(
          {.labels = kClientLabels.size(), .cap = kMostSeries, .client_labels = 3U << kHost, .shown = options.shown},
          options.workers) {}

void RequestMetrics::exchange(std::size_t worker, const ExchangeRecord& r, const route::Route& route, bool dropped,
                              const metrics::SpanRef* span) {
  const std::array<std::string_view, kScope.size()> values{r.provider, r.model, r.identity.org_id,
                                                           r.identity.workspace_id, route.label};
  ExchangeCells& cells = exchanges_.at(worker, values);
  cells.statuses.add(r.status);
  if (dropped) cells.dropped.add(r.status);
  // The contract counts whole milliseconds.
  const std::int64_t latency_ms = r.latency_us / 1000;
  cells.duration.observe(static_cast<double>(latency_ms) / 1000, span, r.ended_at_ns);
  if (r.time_to_first_token_us > 0)
    cells.first_token.observe(static_cast<double>(r.time_to_first_token_us) / 1e6, span, r.ended_at_ns);
  if (r.usage.input_tokens > 0 || r.usage.output_tokens > 0) {
    const auto buckets = buckets_of(r.usage);
    for (std::size_t i = 0; i < kTokenBuckets; ++i)
      if (buckets[i] > 0) cells.tokens[i].add(buckets[i]);
  }
  if (r.cost.nano_usd > 0) cells.cost_nano_usd.add(r.cost.nano_usd);
}

void RequestMetrics::HttpCells::add(const HttpCall& call) {
  request_bytes.add(call.request_bytes);
  response_bytes.add(call.response_bytes);
  duration.observe(static_cast<double>(call.duration_ns) / 1e6);
}

void RequestMetrics::request(std::size_t worker, const HttpCall& call) {
  const std::array<std::string_view, 2> texts{call.method, call.host};
  const metrics::SeriesKey key{.texts = texts,
                               .number = static_cast<std::uint64_t>(call.status) << 1 | (call.minor == 0 ? 1U : 0U)};
  if (HttpCells* const known = requests_.recent(worker, key)) return known->add(call);
  const NumberText status(call.status);
  const http::Authority at = http::split_authority(call.host);
  const std::array<std::string_view, kServerLabels.size()> values{known_method(call.method), at.host, at.port_text,
                                                                  call.minor == 0 ? "1.0" : "1.1", status.text};
  requests_.at(worker, key, values).add(call);
}

void RequestMetrics::upstream(std::size_t worker, const route::Route& route, const HttpCall& call) {
  const std::array<std::string_view, 2> texts{call.method, route.upstream.host};
  const metrics::SeriesKey key{.texts = texts,
                               .number = static_cast<std::uint64_t>(call.status) << 16 | route.upstream.port};
  if (HttpCells* const known = upstreams_.recent(worker, key)) return known->add(call);
  const NumberText port(route.upstream.port);
  const NumberText status(call.status);
  const std::array<std::string_view, kClientLabels.size()> values{
      known_method(call.method), route.upstream.host, port.text, call.status == 0 ? std::string_view() : status.text};
  upstreams_.at(worker, key, values).add(call);
}

void RequestMetrics::append_to(metrics::Snapshot& snapshot) const {
  append_exchanges(snapshot);
  append_http(snapshot, true);
  append_http(snapshot, false);
}

struct RequestMetrics::ExchangeSum {
  metrics::HistogramValue duration, first_token;
  std::map<int, std::int64_t> statuses, dropped;
  std::array<std::int64_t, kTokenBuckets> tokens{};
  std::int64_t cost_nano_usd = 0;
};

std::map<const std::vector<std::string>*, RequestMetrics::ExchangeSum> RequestMetrics::sum_exchanges() const {
  std::map<const std::vector<std::string>*, ExchangeSum> sums;
  exchanges_.each([&](const std::vector<std::string>& values, const ExchangeCells& cells) {
    ExchangeSum& sum = sums[&values];
    cells.duration.add_to(sum.duration);
    cells.first_token.add_to(sum.first_token);
    cells.statuses.each([&](int status, std::int64_t n) { sum.statuses[status] += n; });
    cells.dropped.each([&](int status, std::int64_t n) { sum.dropped[status] += n; });
    for (std::size_t i = 0; i < kTokenBuckets; ++i) sum.tokens[i] += cells.tokens[i].get();
    sum.cost_nano_usd += cells.cost_nano_usd.get();
  });
  return sums;
}

void RequestMetrics::append_exchanges(metrics::Snapshot& snapshot) const {
  Family requests{.name = "ongoingai.provider.request_total",
                  .help = "Exchanges with a provider, by the status that the client got."};
  Family durations{.name = "ongoingai.provider.request_duration_seconds",
                   .kind = Kind::histogram,
                   .unit = "s",
                   .help = "Time from a request's arrival to the end of its answer.",
                   .bounds = kLatencyBounds,
                   .integer = false};
  Family first_tokens{.name = "ongoingai.provider.time_to_first_token_seconds",
                      .kind = Kind::histogram,
                      .unit = "s",
                      .help = "Time from a request's arrival to the first bytes of its streamed answer.",
                      .bounds = kLatencyBounds,
                      .integer = false};
  Family dropped{.name = "ongoingai.trace.queue_dropped_total",
                 .help = "Traces that were dropped because their queue was full."};
  Family tokens{.name = "ongoingai.provider.tokens_total", .help = "Tokens used, in buckets that do not overlap."};
  Family cost{.name = "ongoingai.provider.cost_usd_total",
              .help = "Money spent at providers, in US dollars.",
              .integer = false};
  for (auto sums = sum_exchanges(); auto& [values, sum] : sums) {
    const std::vector<Label> labels = labels_of(kScope, *values);
    const auto with = [&](std::string_view name, std::string value) {
      std::vector<Label> more = labels;
      more.push_back({name, std::move(value)});
      return more;
    };
    const auto by_status = [&](Family& family, const std::map<int, std::int64_t>& counts) {
      for (const auto& [status, n] : counts)
        family.samples.push_back(
            counted(with("status_code", status == 0 ? std::string(metrics::kOther) : std::to_string(status)),
                    static_cast<double>(n)));
    };
    by_status(requests, sum.statuses);
    by_status(dropped, sum.dropped);
    durations.samples.push_back({.labels = labels, .histogram = std::move(sum.duration)});
    if (sum.first_token.count() > 0)
      first_tokens.samples.push_back({.labels = labels, .histogram = std::move(sum.first_token)});
    for (std::size_t i = 0; i < kTokenBuckets; ++i)
      if (sum.tokens[i] > 0)
        tokens.samples.push_back(
            counted(with("bucket", std::string(kBucketNames[i])), static_cast<double>(sum.tokens[i])));
    if (sum.cost_nano_usd > 0) cost.samples.push_back(counted(labels, static_cast<double>(sum.cost_nano_usd) / 1e9));
  }
  // The contract has both names for the same figures.
  Family proxy_requests = requests;
  proxy_requests.name = "ongoingai.proxy.request_total";
  Family proxy_durations = durations;
  proxy_durations.name = "ongoingai.proxy.request_duration_seconds";
  Family overflowed{.name = "ongoingai.metrics.label_overflow_total",
                    .help = "Observations that were counted as `other`, because a metric has too many label values."};
  const auto overflow = [&](std::string_view table, std::int64_t n) {
    if (n > 0) overflowed.samples.push_back(counted({{"table", std::string(table)}}, static_cast<double>(n)));
  };
  overflow("exchange", exchanges_.overflowed());
  overflow("http_server", requests_.overflowed());
  overflow("http_client", upstreams_.overflowed());
  for (Family* f :
       {&requests, &durations, &first_tokens, &dropped, &tokens, &cost, &proxy_requests, &proxy_durations, &overflowed})
    snapshot.families.push_back(std::move(*f));
}

void RequestMetrics::append_http(metrics::Snapshot& snapshot, bool server) const {
  struct Sum {
    std::int64_t request_bytes = 0, response_bytes = 0;
    metrics::HistogramValue duration;
  };
  std::map<const std::vector<std::string>*, Sum> sums;
  (server ? requests_ : upstreams_).each([&](const std::vector<std::string>& values, const HttpCells& cells) {
    Sum& sum = sums[&values];
    sum.request_bytes += cells.request_bytes.get();
    sum.response_bytes += cells.response_bytes.get();
    cells.duration.add_to(sum.duration);
  });
  const auto family = [&](std::string_view name, Kind kind, std::string_view unit, std::string_view help) {
    return Family{.name = name,
                  .kind = kind,
                  .unit = unit,
                  .help = help,
                  .integer = kind == Kind::counter,
                  .scope = metrics::kHttpScope};
  };
  Family request_size = family(server ? "http.server.request.size" : "http.client.request.size", Kind::counter, "By",
                               "Bytes of request bodies.");
  Family response_size = family(server ? "http.server.response.size" : "http.client.response.size", Kind::counter, "By",
                                "Bytes of response bodies.");
  Family duration = family(server ? "http.server.duration" : "http.client.duration", Kind::histogram, "ms",
                           server ? "Time that requests took." : "Time that calls to providers took.");
  duration.bounds = kDefaultBounds;
  const std::span<const std::string_view> names =
      server ? std::span<const std::string_view>(kServerLabels) : std::span<const std::string_view>(kClientLabels);
  for (auto& [values, sum] : sums) {
    std::vector<Label> labels = labels_of(names, *values);
    // What a call does not have is left out.
    std::erase_if(labels, [](const Label& l) {
      return l.value == "unknown" && (l.name.ends_with(".port") || l.name.ends_with("status_code"));
    });
    if (server) {
      labels.push_back({"http.scheme", scheme_});
      labels.push_back({"net.protocol.name", "http"});
    }
    request_size.samples.push_back(counted(labels, static_cast<double>(sum.request_bytes)));
    response_size.samples.push_back(counted(labels, static_cast<double>(sum.response_bytes)));
    duration.samples.push_back({.labels = std::move(labels), .histogram = std::move(sum.duration)});
  }
  for (Family* f : {&request_size, &response_size, &duration}) snapshot.families.push_back(std::move(*f));
}

}  // namespace gw::pipeline
