#include "telemetry/otlp_metrics.h"

#include <algorithm>

namespace gw::telemetry::otlp {
namespace {

using metrics::Family;
using metrics::Kind;
using metrics::Sample;
using protozero::pbf_writer;

constexpr std::int32_t kCumulative = 2;

void add_times(pbf_writer& point, const metrics::Snapshot& snapshot, bool started) {
  if (started) point.add_fixed64(2, static_cast<std::uint64_t>(snapshot.started_at_ns));
  point.add_fixed64(3, static_cast<std::uint64_t>(snapshot.at_ns));
}

void add_labels(std::string& point, std::uint32_t field, const Sample& sample) {
  std::string scratch;
  for (const metrics::Label& l : sample.labels) add_attribute(point, field, l.name, sound_text(l.value, scratch));
}

std::string number_point(const metrics::Snapshot& snapshot, const Family& family, const Sample& sample) {
  std::string out;
  pbf_writer point(out);
  add_times(point, snapshot, family.kind == Kind::counter);
  if (family.integer)
    point.add_sfixed64(6, static_cast<std::int64_t>(sample.value));
  else
    point.add_double(4, sample.value);
  add_labels(out, 7, sample);
  return out;
}

void add_exemplar(pbf_writer& point, const metrics::Exemplar& e) {
  pbf_writer x(point, 8);
  x.add_fixed64(2, static_cast<std::uint64_t>(e.at_ns));
  x.add_double(3, e.value);
  x.add_bytes(4, reinterpret_cast<const char*>(e.span_id.data()), e.span_id.size());
  x.add_bytes(5, reinterpret_cast<const char*>(e.trace_id.data()), e.trace_id.size());
}

std::string histogram_point(const metrics::Snapshot& snapshot, const Family& family, const Sample& sample) {
  const metrics::HistogramValue& h = sample.histogram;
  std::string out;
  pbf_writer point(out);
  add_times(point, snapshot, true);
  point.add_fixed64(4, h.count());
  point.add_double(5, h.sum);
  point.add_packed_fixed<std::uint64_t>(6, h.counts.begin(), h.counts.end());
  point.add_packed_fixed<double>(7, family.bounds.begin(), family.bounds.end());
  for (const auto& e : h.exemplars)
    if (e) add_exemplar(point, *e);
  add_labels(out, 9, sample);
  return out;
}

void add_family(pbf_writer& scope, const metrics::Snapshot& snapshot, const Family& family) {
  pbf_writer metric(scope, 2);
  metric.add_string(1, family.name.data(), family.name.size());
  if (!family.help.empty()) metric.add_string(2, family.help.data(), family.help.size());
  if (!family.unit.empty()) metric.add_string(3, family.unit.data(), family.unit.size());
  const bool histogram = family.kind == Kind::histogram;
  pbf_writer data(metric, histogram ? 9 : family.kind == Kind::counter ? 7 : 5);
  for (const Sample& s : family.samples)
    data.add_message(1, histogram ? histogram_point(snapshot, family, s) : number_point(snapshot, family, s));
  if (family.kind != Kind::gauge) data.add_enum(2, kCumulative);
  if (family.kind == Kind::counter) data.add_bool(3, true);  // never goes down
}

}  // namespace

std::string encode_metrics(const metrics::Snapshot& snapshot, const Attributes& resource) {
  std::vector<metrics::Scope> scopes;
  for (const Family& f : snapshot.families)
    if (!f.samples.empty() && std::find(scopes.begin(), scopes.end(), f.scope) == scopes.end())
      scopes.push_back(f.scope);
  if (scopes.empty()) return {};
  std::string resource_metrics = encode_resource(resource);
  pbf_writer of(resource_metrics);
  for (const metrics::Scope& scope : scopes) {
    pbf_writer scope_metrics(of, 2);
    add_scope(scope_metrics, scope);
    for (const Family& f : snapshot.families)
      if (!f.samples.empty() && f.scope == scope) add_family(scope_metrics, snapshot, f);
  }
  std::string request;
  pbf_writer(request).add_message(1, resource_metrics);
  return request;
}

}  // namespace gw::telemetry::otlp
