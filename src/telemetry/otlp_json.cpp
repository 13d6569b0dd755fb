#include "telemetry/otlp_json.h"

#include <cmath>
#include <cstdint>
#include <protozero/pbf_reader.hpp>
#include <span>

#include "base/json_writer.h"
#include "base/strings.h"

namespace gw::telemetry::otlp {
namespace {

enum class Type : std::uint8_t {
  text,
  hex,      ///< bytes of an id
  number,   ///< varint of 32 bits, or an enum
  boolean,  ///< varint
  integer,  ///< varint of 64 bits
  fixed32,
  fixed64,  ///< unsigned
  sfixed64,
  real,
  fixed64_list,  ///< packed
  real_list,     ///< packed
  message,
  messages,  ///< repeated
};

struct Message;
struct FieldOf {
  std::uint32_t number;
  const char* name;
  Type type;
  const Message* message = nullptr;
};
struct Message {
  std::span<const FieldOf> fields;
};

// The messages as opentelemetry-proto 1.x has them, as far as we write them; each after those that it holds.
extern const Message kAny;  // holds lists of itself
constexpr FieldOf kPairFields[] = {{1, "key", Type::text}, {2, "value", Type::message, &kAny}};
constexpr Message kPair{kPairFields};
constexpr FieldOf kArrayFields[] = {{1, "values", Type::messages, &kAny}};
constexpr Message kArray{kArrayFields};
constexpr FieldOf kListFields[] = {{1, "values", Type::messages, &kPair}};
constexpr Message kList{kListFields};
constexpr FieldOf kAnyFields[] = {{1, "stringValue", Type::text},
                                  {2, "boolValue", Type::boolean},
                                  {3, "intValue", Type::integer},
                                  {4, "doubleValue", Type::real},
                                  {5, "arrayValue", Type::message, &kArray},
                                  {6, "kvlistValue", Type::message, &kList}};
constexpr Message kAny{kAnyFields};
constexpr FieldOf kResourceFields[] = {{1, "attributes", Type::messages, &kPair}};
constexpr Message kResource{kResourceFields};
constexpr FieldOf kScopeFields[] = {{1, "name", Type::text}, {2, "version", Type::text}};
constexpr Message kScope{kScopeFields};

constexpr FieldOf kEventFields[] = {
    {1, "timeUnixNano", Type::fixed64}, {2, "name", Type::text}, {3, "attributes", Type::messages, &kPair}};
constexpr Message kEvent{kEventFields};
constexpr FieldOf kStatusFields[] = {{2, "message", Type::text}, {3, "code", Type::number}};
constexpr Message kStatus{kStatusFields};
constexpr FieldOf kSpanFields[] = {
    {1, "traceId", Type::hex},
    {2, "spanId", Type::hex},
    {3, "traceState", Type::text},
    {4, "parentSpanId", Type::hex},
    {5, "name", Type::text},
    {6, "kind", Type::number},
    {7, "startTimeUnixNano", Type::fixed64},
    {8, "endTimeUnixNano", Type::fixed64},
    {9, "attributes", Type::messages, &kPair},
    {11, "events", Type::messages, &kEvent},
    {15, "status", Type::message, &kStatus},
    {16, "flags", Type::fixed32},
};
constexpr Message kSpan{kSpanFields};
constexpr FieldOf kScopeSpansFields[] = {{1, "scope", Type::message, &kScope}, {2, "spans", Type::messages, &kSpan}};
constexpr Message kScopeSpans{kScopeSpansFields};
constexpr FieldOf kResourceSpansFields[] = {{1, "resource", Type::message, &kResource},
                                            {2, "scopeSpans", Type::messages, &kScopeSpans}};
constexpr Message kResourceSpans{kResourceSpansFields};
constexpr FieldOf kTracesFields[] = {{1, "resourceSpans", Type::messages, &kResourceSpans}};
constexpr Message kTraces{kTracesFields};

constexpr FieldOf kExemplarFields[] = {{2, "timeUnixNano", Type::fixed64},
                                       {3, "asDouble", Type::real},
                                       {4, "spanId", Type::hex},
                                       {5, "traceId", Type::hex}};
constexpr Message kExemplar{kExemplarFields};
constexpr FieldOf kNumberFields[] = {{2, "startTimeUnixNano", Type::fixed64},
                                     {3, "timeUnixNano", Type::fixed64},
                                     {4, "asDouble", Type::real},
                                     {6, "asInt", Type::sfixed64},
                                     {7, "attributes", Type::messages, &kPair}};
constexpr Message kNumber{kNumberFields};
constexpr FieldOf kHistogramPointFields[] = {{2, "startTimeUnixNano", Type::fixed64},
                                             {3, "timeUnixNano", Type::fixed64},
                                             {4, "count", Type::fixed64},
                                             {5, "sum", Type::real},
                                             {6, "bucketCounts", Type::fixed64_list},
                                             {7, "explicitBounds", Type::real_list},
                                             {8, "exemplars", Type::messages, &kExemplar},
                                             {9, "attributes", Type::messages, &kPair}};
constexpr Message kHistogramPoint{kHistogramPointFields};
constexpr FieldOf kGaugeFields[] = {{1, "dataPoints", Type::messages, &kNumber}};
constexpr Message kGauge{kGaugeFields};
constexpr FieldOf kSumFields[] = {{1, "dataPoints", Type::messages, &kNumber},
                                  {2, "aggregationTemporality", Type::number},
                                  {3, "isMonotonic", Type::boolean}};
constexpr Message kSum{kSumFields};
constexpr FieldOf kHistogramFields[] = {{1, "dataPoints", Type::messages, &kHistogramPoint},
                                        {2, "aggregationTemporality", Type::number}};
constexpr Message kHistogram{kHistogramFields};
constexpr FieldOf kMetricFields[] = {{1, "name", Type::text},          {2, "description", Type::text},
                                     {3, "unit", Type::text},          {5, "gauge", Type::message, &kGauge},
                                     {7, "sum", Type::message, &kSum}, {9, "histogram", Type::message, &kHistogram}};
constexpr Message kMetric{kMetricFields};
constexpr FieldOf kScopeMetricsFields[] = {{1, "scope", Type::message, &kScope},
                                           {2, "metrics", Type::messages, &kMetric}};
constexpr Message kScopeMetrics{kScopeMetricsFields};
constexpr FieldOf kResourceMetricsFields[] = {{1, "resource", Type::message, &kResource},
                                              {2, "scopeMetrics", Type::messages, &kScopeMetrics}};
constexpr Message kResourceMetrics{kResourceMetricsFields};
constexpr FieldOf kMetricsFields[] = {{1, "resourceMetrics", Type::messages, &kResourceMetrics}};
constexpr Message kMetrics{kMetricsFields};

constexpr FieldOf kLogRecordFields[] = {
    {1, "timeUnixNano", Type::fixed64},  {11, "observedTimeUnixNano", Type::fixed64},
    {2, "severityNumber", Type::number}, {3, "severityText", Type::text},
    {5, "body", Type::message, &kAny},   {6, "attributes", Type::messages, &kPair},
    {8, "flags", Type::fixed32},         {9, "traceId", Type::hex},
    {10, "spanId", Type::hex},           {12, "eventName", Type::text}};
constexpr Message kLogRecord{kLogRecordFields};
constexpr FieldOf kScopeLogsFields[] = {{1, "scope", Type::message, &kScope},
                                        {2, "logRecords", Type::messages, &kLogRecord}};
constexpr Message kScopeLogs{kScopeLogsFields};
constexpr FieldOf kResourceLogsFields[] = {{1, "resource", Type::message, &kResource},
                                           {2, "scopeLogs", Type::messages, &kScopeLogs}};
constexpr Message kResourceLogs{kResourceLogsFields};
constexpr FieldOf kLogsFields[] = {{1, "resourceLogs", Type::messages, &kResourceLogs}};
constexpr Message kLogs{kLogsFields};

void write_message(JsonWriter& w, const Message& message, protozero::data_view bytes);

void write_real(JsonWriter& w, double v) {
  if (std::isfinite(v))
    w.value(v);
  else
    w.value(std::isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
}

void write_value(JsonWriter& w, const FieldOf& field, protozero::pbf_reader& from) {
  switch (field.type) {
    case Type::text: {
      const auto view = from.get_view();
      w.value(std::string_view(view.data(), view.size()));
      break;
    }
    case Type::hex: {
      const auto view = from.get_view();
      w.value(to_hex({view.data(), view.size()}));
      break;
    }
    case Type::number:
      w.value(std::int64_t{from.get_int32()});
      break;
    case Type::boolean:
      w.value(from.get_bool());
      break;
    case Type::integer:
      w.value(std::to_string(from.get_int64()));
      break;
    case Type::fixed32:
      w.value(std::uint64_t{from.get_fixed32()});
      break;
    case Type::fixed64:
      w.value(std::to_string(from.get_fixed64()));
      break;
    case Type::sfixed64:
      w.value(std::to_string(from.get_sfixed64()));
      break;
    case Type::real:
      write_real(w, from.get_double());
      break;
    case Type::fixed64_list:
      w.begin_array();
      for (const std::uint64_t v : from.get_packed_fixed64()) w.value(std::to_string(v));
      w.end_array();
      break;
    case Type::real_list:
      w.begin_array();
      for (const double v : from.get_packed_double()) write_real(w, v);
      w.end_array();
      break;
    case Type::message:
    case Type::messages:
      write_message(w, *field.message, from.get_view());
      break;
  }
}

/// Fields in the order of the table, whatever theirs is.
void write_message(JsonWriter& w, const Message& message, protozero::data_view bytes) {
  w.begin_object();
  for (const FieldOf& field : message.fields) {
    protozero::pbf_reader reader(bytes);
    bool any = false;
    while (reader.next(field.number)) {
      if (!any) w.key(field.name);
      if (!any && field.type == Type::messages) w.begin_array();
      any = true;
      write_value(w, field, reader);
      if (field.type != Type::messages) break;
    }
    if (any && field.type == Type::messages) w.end_array();
  }
  w.end_object();
}

}  // namespace

std::string to_json(Signal signal, std::string_view protobuf) {
  std::string out;
  out.reserve(protobuf.size() * 2);
  JsonWriter w(out);
  const Message& request = signal == Signal::traces ? kTraces : signal == Signal::metrics ? kMetrics : kLogs;
  write_message(w, request, {protobuf.data(), protobuf.size()});
  return out;
}

}  // namespace gw::telemetry::otlp
