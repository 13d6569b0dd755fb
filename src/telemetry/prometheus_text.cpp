#include "telemetry/prometheus_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/strings.h"

namespace gw::telemetry {

using metrics::Family;
using metrics::Kind;
using metrics::Label;
using metrics::Sample;

namespace {

constexpr std::string_view kTotal = "_total";

std::string_view unit_name(std::string_view unit) {
  if (unit == "s") return "seconds";
  if (unit == "ms") return "milliseconds";
  if (unit == "By") return "bytes";
  if (unit == "%") return "percent";
  return "";
}

constexpr char allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == ':' ? c : '_';
}

void append_name(std::string& out, std::string_view name) {
  for (const char c : name) out += allowed(c);
}

void append_number(std::string& out, double v) {
  if (std::isnan(v)) {
    out += "NaN";
  } else if (std::isinf(v)) {
    out += v > 0 ? "+Inf" : "-Inf";
  } else {
    char text[32];
    out.append(text, std::to_chars(text, text + sizeof text, v).ptr);
  }
}

void append_integer(std::string& out, std::uint64_t v) {
  char text[24];
  out.append(text, std::to_chars(text, text + sizeof text, v).ptr);
}

/// OpenMetrics wants bounds as floats.
void append_bound(std::string& out, double bound, ExpositionFormat format) {
  const std::size_t from = out.size();
  append_number(out, bound);
  if (format == ExpositionFormat::openmetrics && std::isfinite(bound) &&
      out.find_first_of(".eE", from) == std::string::npos)
    out += ".0";
}

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  if (text.find_first_of("\\\n\"") == std::string_view::npos) {
    out += text;
    return;
  }
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

using LabelView = std::pair<std::string_view, std::string_view>;

/// By the name as it is written.
bool comes_first(const LabelView& a, const LabelView& b) {
  return std::lexicographical_compare(a.first.begin(), a.first.end(), b.first.begin(), b.first.end(),
                                      [](char x, char y) { return allowed(x) < allowed(y); });
}

/// What stands between the braces, but for `le`. `scratch` is reused.
std::string label_text(const Sample& sample, const metrics::Scope& scope, std::vector<LabelView>& scratch) {
  scratch.assign(
      {{"otel_scope_name", scope.name}, {"otel_scope_schema_url", ""}, {"otel_scope_version", scope.version}});
  for (const Label& l : sample.labels) scratch.emplace_back(l.name, l.value);
  std::sort(scratch.begin(), scratch.end(), comes_first);
  std::string out;
  out.reserve(256);
  for (const auto& [name, value] : scratch) {
    if (!out.empty()) out += ',';
    append_name(out, name);
    out += "=\"";
    append_escaped(out, value, true);
    out += '"';
  }
  return out;
}

template <std::size_t N>
void append_hex(std::string& out, const std::array<std::uint8_t, N>& bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  for (const std::uint8_t b : bytes) {
    out += kHex[b >> 4];
    out += kHex[b & 15];
  }
}

void append_exemplar(std::string& out, const metrics::Exemplar& e) {
  out += " # {trace_id=\"";
  append_hex(out, e.trace_id);
  out += "\",span_id=\"";
  append_hex(out, e.span_id);
  out += "\"} ";
  append_number(out, e.value);
  char time[40];
  const auto ms = static_cast<long long>(e.at_ns / 1'000'000);
  out.append(time, static_cast<std::size_t>(std::snprintf(time, sizeof time, " %lld.%03lld", ms / 1000, ms % 1000)));
}

class Writer {
 public:
  Writer(std::string& out, ExpositionFormat format) : out_(out), format_(format) {}

  void family(const Family& f) {
    const std::string name = prometheus_name(f);
    std::string_view base = name;
    if (format_ == ExpositionFormat::openmetrics && f.kind == Kind::counter) base.remove_suffix(kTotal.size());
    head(base, f.kind == Kind::counter ? "counter" : f.kind == Kind::gauge ? "gauge" : "histogram", f.help);
    std::vector<std::pair<std::string, const Sample*>> ordered;
    ordered.reserve(f.samples.size());
    for (const Sample& s : f.samples) ordered.emplace_back(label_text(s, f.scope, scratch_), &s);
    std::sort(ordered.begin(), ordered.end());
    for (const auto& [labels, sample] : ordered) {
      if (f.kind == Kind::histogram) {
        histogram(name, labels, f.bounds, sample->histogram);
      } else {
        begin(name, "", labels);
        append_number(out_, sample->value);
        out_ += '\n';
      }
    }
  }

  void head(std::string_view name, std::string_view type, std::string_view help) {
    out_.append("# HELP ").append(name).append(" ");
    append_escaped(out_, help, format_ == ExpositionFormat::openmetrics);
    out_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
  }

 private:
  void begin(std::string_view name, std::string_view suffix, std::string_view labels) {
    out_.append(name).append(suffix).append("{").append(labels).append("} ");
  }

  void histogram(std::string_view name, std::string_view labels, std::span<const double> bounds,
                 const metrics::HistogramValue& h) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < h.counts.size(); ++i) {
      sum += h.counts[i];
      out_.append(name).append("_bucket{").append(labels).append(labels.empty() ? "le=\"" : ",le=\"");
      append_bound(out_, i < bounds.size() ? bounds[i] : INFINITY, format_);
      out_.append("\"} ");
      append_integer(out_, sum);
      if (format_ == ExpositionFormat::openmetrics && i < h.exemplars.size() && h.exemplars[i])
        append_exemplar(out_, *h.exemplars[i]);
      out_ += '\n';
    }
    begin(name, "_sum", labels);
    append_number(out_, h.sum);
    out_ += '\n';
    begin(name, "_count", labels);
    append_integer(out_, sum);
    out_ += '\n';
  }

  std::string& out_;
  ExpositionFormat format_;
  std::vector<LabelView> scratch_;
};

/// One of the media types of an Accept header, with what matters of its parameters.
struct Range {
  std::string_view type, version, escaping;
  double quality = 1;
};

Range parse_range(std::string_view text) {
  Range range;
  std::size_t at = text.find(';');
  range.type = trim(text.substr(0, at));
  while (at != std::string_view::npos) {
    text = text.substr(at + 1);
    at = text.find(';');
    const std::string_view part = trim(text.substr(0, at));
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = trim(part.substr(0, equals));
    std::string_view value = trim(part.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    if (iequals(name, "version")) range.version = value;
    if (iequals(name, "escaping")) range.escaping = value;
    if (iequals(name, "q")) {
      double q = 0;
      const auto r = std::from_chars(value.data(), value.data() + value.size(), q);
      range.quality = r.ec == std::errc() && q >= 0 && q <= 1 ? q : 0;
    }
  }
  return range;
}

std::string_view known_escaping(std::string_view escaping) {
  for (const std::string_view known : {"allow-utf-8", "underscores", "dots", "values"})
    if (escaping == known) return known;
  return "underscores";
}

}  // namespace

std::string prometheus_name(const Family& family) {
  std::string name;
  append_name(name, family.name);
  if (name.ends_with(kTotal)) name.resize(name.size() - kTotal.size());
  const std::string_view unit = unit_name(family.unit);
  // `ongoingai_x_seconds` has its unit; so has `process_cpu_seconds`.
  if (!unit.empty() && !name.ends_with("_" + std::string(unit))) name.append("_").append(unit);
  if (family.kind == Kind::counter) name += kTotal;
  return name;
}

Exposition choose_exposition(std::string_view accept) {
  double best = 0;
  Range chosen;
  ExpositionFormat format = ExpositionFormat::text;
  while (!accept.empty()) {
    const std::size_t comma = accept.find(',');
    const Range range = parse_range(accept.substr(0, comma));
    accept = comma == std::string_view::npos ? std::string_view() : accept.substr(comma + 1);
    const bool open = iequals(range.type, "application/openmetrics-text") &&
                      (range.version.empty() || range.version == "1.0.0" || range.version == "0.0.1");
    const bool text = (iequals(range.type, "text/plain") && (range.version.empty() || range.version == "0.0.4")) ||
                      range.type == "*/*" || range.type == "text/*";
    if ((!open && !text) || range.quality <= best) continue;
    best = range.quality;
    chosen = range;
    format = open ? ExpositionFormat::openmetrics : ExpositionFormat::text;
  }
  const std::string_view type = format == ExpositionFormat::openmetrics
                                    ? "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping="
                                    : "text/plain; version=0.0.4; charset=utf-8; escaping=";
  return {format, std::string(type) + std::string(known_escaping(chosen.escaping))};
}

std::string write_exposition(const metrics::Snapshot& snapshot, ExpositionFormat format, const TargetInfo& target) {
  std::vector<std::pair<std::string, const Family*>> families;
  for (const Family& f : snapshot.families)
    if (!f.samples.empty()) families.emplace_back(prometheus_name(f), &f);
  std::sort(families.begin(), families.end());
  std::string out;
  Writer writer(out, format);
  const auto target_info = [&] {
    if (format == ExpositionFormat::openmetrics)
      writer.head("target", "info", "Target metadata");
    else
      writer.head("target_info", "gauge", "Target metadata");
    out += "target_info{service_name=\"";
    append_escaped(out, target.service_name, true);
    out += "\",service_version=\"";
    append_escaped(out, target.service_version, true);
    out += "\"} 1\n";
  };
  bool told = false;
  for (const auto& [name, family] : families) {
    if (!told && name > "target_info") {
      target_info();
      told = true;
    }
    writer.family(*family);
  }
  if (!told) target_info();
  if (format == ExpositionFormat::openmetrics) out += "# EOF\n";
  return out;
}

}  // namespace gw::telemetry
