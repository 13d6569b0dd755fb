#include "telemetry/otlp_settings.h"

#include <algorithm>
#include <charconv>

#include "base/strings.h"
#include "route/percent.h"

namespace gw::telemetry::otlp {
namespace {

using Variable = std::function<std::string(const char*)>;

struct Endpoint {
  bool tls = false;
  std::string authority;
  std::string path;  ///< empty or beginning with '/'
};

/// What is wrong with host[:port]; empty: nothing.
std::string authority_fault(std::string_view authority) {
  for (const char c : authority)
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == '"' || c == '<' || c == '>' || c == '\\')
      return "invalid character in host name";
  std::string_view rest = authority;
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return "missing ']' in host";
    rest.remove_prefix(end + 1);
  }
  const std::size_t colon = rest.find(':');
  if (colon == std::string_view::npos) return {};
  const std::string_view port = rest.substr(colon + 1);
  int number = 0;
  const auto r = std::from_chars(port.data(), port.data() + port.size(), number);
  if (!port.empty() && (r.ec != std::errc() || r.ptr != port.data() + port.size() || number < 1 || number > 65535))
    return "invalid port " + in_quotes(rest.substr(colon)) + " after host";
  return {};
}

Result<Endpoint> read_endpoint(const SettingsInput& in) {
  const std::string_view text = trim(in.endpoint);
  if (text.empty()) return fail("observability.otel.endpoint must not be empty");
  Endpoint out;
  std::string_view rest = text;
  const std::size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) {
    out.tls = !in.insecure;
  } else {
    const std::string scheme = lowercase(text.substr(0, scheme_end));
    if (scheme != "http" && scheme != "https")
      return fail("observability.otel.endpoint scheme must be http or https when provided (got " +
                  in_quotes(text.substr(0, scheme_end)) + ")");
    out.tls = scheme == "https";
    rest.remove_prefix(scheme_end + 3);
  }
  const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, end);
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) authority.remove_prefix(at + 1);
  if (authority.empty() || authority.starts_with(':'))
    return fail("observability.otel.endpoint must include host (got " + in_quotes(text) + ")");
  if (const std::string fault = authority_fault(authority); !fault.empty())
    return fail("parse observability.otel.endpoint: " + fault);
  out.authority = authority;
  if (in.keep_endpoint_path && rest.substr(end).starts_with('/')) {
    std::string_view path = rest.substr(end);
    path = path.substr(0, path.find_first_of("?#"));
    while (path.ends_with('/')) path.remove_suffix(1);
    out.path = path;
  }
  return out;
}

/// `a=1,b=2`, values percent-encoded.
/// `left_out`: members that are neither such a pair nor blank.
Attributes read_pairs(std::string_view list, std::size_t* left_out = nullptr) {
  Attributes out;
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view member = list.substr(0, comma);
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    const std::size_t equals = member.find('=');
    if (equals == std::string_view::npos) {
      if (left_out != nullptr && !trim(member).empty()) ++*left_out;
      continue;
    }
    const std::string key = route::percent_decoded(trim(member.substr(0, equals)));
    if (!key.empty()) out.emplace_back(key, route::percent_decoded(trim(member.substr(equals + 1))));
  }
  return out;
}

/// The variable of one signal goes before the one for all. What was said, and under which name.
class ExporterVariables {
 public:
  ExporterVariables(const Variable& variable, Signal signal)
      : variable_(variable),
        own_(signal == Signal::traces    ? "TRACES_"
             : signal == Signal::metrics ? "METRICS_"
                                         : "LOGS_") {}

  std::string get(const std::string& name) {
    for (const std::string& full : {"OTEL_EXPORTER_OTLP_" + own_ + name, "OTEL_EXPORTER_OTLP_" + name}) {
      const std::string value = variable_(full.c_str());
      if (trim(value).empty()) continue;
      said_by = full;
      return std::string(trim(value));
    }
    return {};
  }
  std::string own(const std::string& name) {
    said_by = "OTEL_EXPORTER_OTLP_" + own_ + name;
    return std::string(trim(variable_(said_by.c_str())));
  }

  std::string said_by;

 private:
  const Variable& variable_;
  const std::string own_;
};

bool is_header_name(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

Result<void> read_headers(Destination& d, ExporterVariables& variables) {
  std::size_t left_out = 0;
  const Attributes pairs = read_pairs(variables.get("HEADERS"), &left_out);
  if (left_out > 0)
    return fail(variables.said_by + " must be a list such as name=value,other=value: a part has no '='");
  for (const auto& [name, value] : pairs) {
    const bool sound = is_header_name(name) && std::none_of(value.begin(), value.end(), [](char c) {
                         return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 0x7f;
                       });
    if (!sound) return fail(variables.said_by + " holds a header that cannot be sent");
    d.headers.push_back(name + ": " + value);
  }
  return {};
}

Result<std::int64_t> read_positive(std::string_view name, std::string_view text) {
  std::int64_t v = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), v);
  if (r.ec != std::errc() || r.ptr != text.data() + text.size() || v <= 0)
    return fail(std::string(name) + " must be a whole number above 0 (got " + in_quotes(text) + ")");
  return v;
}

Result<void> read_destination(Destination& d, Signal signal, const Endpoint& endpoint, const SettingsInput& in,
                              const Variable& variable) {
  ExporterVariables variables(variable, signal);
  d.url = (endpoint.tls ? "https://" : "http://") + endpoint.authority + endpoint.path + "/v1/";
  d.url += name_of(signal);
  if (const std::string own = variables.own("ENDPOINT"); !own.empty()) {
    if (!own.starts_with("http://") && !own.starts_with("https://"))
      return fail(variables.said_by + " must be an http or https URL (got " + in_quotes(own) + ")");
    d.url = own;
  }
  if (auto ok = read_headers(d, variables); !ok) return ok;
  const std::string compression = variables.get("COMPRESSION");
  if (!compression.empty() && compression != "gzip" && compression != "none")
    return fail(variables.said_by + " must be one of gzip, none (got " + in_quotes(compression) + ")");
  d.gzip = compression == "gzip";
  const std::string protocol = variables.get("PROTOCOL");
  if (!protocol.empty() && protocol != "http/protobuf" && protocol != "http/json")
    return fail(variables.said_by + " must be one of http/protobuf, http/json (got " + in_quotes(protocol) + ")");
  d.json = protocol == "http/json";
  d.timeout_ms = in.timeout_ms;
  if (const std::string timeout = variables.own("TIMEOUT"); !timeout.empty()) {
    const auto ms = read_positive(variables.said_by, timeout);
    if (!ms) return tl::make_unexpected(ms.error());
    d.timeout_ms = *ms;
  }
  d.ca_file = variables.get("CERTIFICATE");
  d.client_certificate = variables.get("CLIENT_CERTIFICATE");
  d.client_key = variables.get("CLIENT_KEY");
  return {};
}

template <class T>
Result<void> read_count(const Variable& variable, const char* name, T& out, T least, T most) {
  const std::string raw = variable(name);
  if (trim(raw).empty()) return {};
  const auto value = read_positive(name, trim(raw));
  if (!value) return tl::make_unexpected(value.error());
  out = static_cast<T>(
      std::clamp<std::int64_t>(*value, static_cast<std::int64_t>(least), static_cast<std::int64_t>(most)));
  return {};
}

Result<void> read_log_bounds(Settings& s, const Variable& variable) {
  std::size_t queue = 0;
  if (auto ok = read_count<std::int64_t>(variable, "OTEL_BLRP_SCHEDULE_DELAY", s.log_delay_ms, 1, 3'600'000); !ok)
    return ok;
  if (auto ok = read_count<std::size_t>(variable, "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", s.log_batch, 1, 4'096); !ok)
    return ok;
  if (auto ok = read_count<std::size_t>(variable, "OTEL_BLRP_MAX_QUEUE_SIZE", queue, 1, 1'000'000); !ok) return ok;
  constexpr std::size_t kQueuedLine = 512, kLeastQueue = 65'536;
  if (queue != 0) s.log_queue_bytes = std::max(queue * kQueuedLine, kLeastQueue);
  return {};
}

Result<void> read_bounds(Settings& s, const Variable& variable) {
  std::size_t queue = 0;
  if (auto ok = read_count<std::int64_t>(variable, "OTEL_BSP_SCHEDULE_DELAY", s.span_delay_ms, 1, 3'600'000); !ok)
    return ok;
  if (auto ok = read_count<std::size_t>(variable, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", s.span_batch, 1, 4'096); !ok)
    return ok;
  if (auto ok = read_count<std::size_t>(variable, "OTEL_BSP_MAX_QUEUE_SIZE", queue, 1, 1'000'000); !ok) return ok;
  // Spans are queued as records of exchanges, which take about this much a span.
  constexpr std::size_t kQueuedSpan = 256, kLeastQueue = 65'536;
  if (queue != 0) s.queue_bytes = std::max(queue * kQueuedSpan, kLeastQueue);
  for (const char* name : {"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT"})
    if (auto ok = read_count<std::size_t>(variable, name, s.most_value_bytes, 1, s.most_value_bytes); !ok) return ok;
  return {};
}

void read_resource(Settings& s, const SettingsInput& in, const Variable& variable) {
  s.resource = {{"service.name", std::string(trim(in.service_name))}, {"service.version", in.service_version}};
  for (auto& [key, value] : read_pairs(variable("OTEL_RESOURCE_ATTRIBUTES"))) {
    const auto known =
        std::find_if(s.resource.begin(), s.resource.end(), [&](const auto& a) { return a.first == key; });
    if (known == s.resource.end()) s.resource.emplace_back(key, value);
  }
}

}  // namespace

Result<Settings> make_settings(const SettingsInput& in, const Variable& variable) {
  Settings s;
  s.sampling_ratio = in.sampling_ratio;
  s.metric_interval_ms = in.metric_interval_ms;
  read_resource(s, in, variable);
  if (!in.traces && !in.metrics && !in.logs) return s;
  const auto endpoint = read_endpoint(in);
  if (!endpoint) return tl::make_unexpected(endpoint.error());
  s.shown_endpoint = endpoint->authority;
  for (const auto& [signal, enabled] : {std::pair{Signal::traces, in.traces}, std::pair{Signal::metrics, in.metrics},
                                        std::pair{Signal::logs, in.logs}}) {
    s.of(signal).enabled = enabled;
    if (!enabled) continue;
    if (auto ok = read_destination(s.of(signal), signal, *endpoint, in, variable); !ok)
      return tl::make_unexpected(ok.error());
  }
  if (auto ok = read_bounds(s, variable); !ok) return tl::make_unexpected(ok.error());
  if (auto ok = read_log_bounds(s, variable); !ok) return tl::make_unexpected(ok.error());
  return s;
}

}  // namespace gw::telemetry::otlp
