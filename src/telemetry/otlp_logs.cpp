#include "telemetry/otlp_logs.h"

#include <simdjson.h>

#include <array>

#include "base/strings.h"
#include "base/time_format.h"

namespace gw::telemetry::otlp {
namespace {

using protozero::pbf_writer;
using simdjson::dom::element;
using simdjson::dom::element_type;

// Deeper values are cut off: the log writes none.
constexpr int kMostDepth = 8;

std::int32_t severity_of(std::string_view level) {
  constexpr std::array<std::pair<std::string_view, std::int32_t>, 4> kLevels{{{"DEBUG", log_record::kDebug},
                                                                              {"INFO", log_record::kInfo},
                                                                              {"WARN", log_record::kWarn},
                                                                              {"ERROR", log_record::kError}}};
  for (const auto& [name, number] : kLevels)
    if (level == name) return number;
  return 0;
}

/// The bytes of an id in hex; empty when it is none of that size.
template <std::size_t N>
std::string id_of(std::string_view hex) {
  std::array<std::uint8_t, N> id;
  if (hex.size() != 2 * N || !read_hex(hex.data(), id)) return {};
  return {id.begin(), id.end()};
}

std::string scope_of(const metrics::Scope& scope) {
  std::string out;
  pbf_writer writer(out);
  add_scope(writer, scope);
  return out;
}

}  // namespace

struct LogEncoder::Reader {
  Reader(Scrub s, std::size_t most) : scrub(s), most_value_bytes(most) {}

  bool record(std::string_view line, std::string& out);
  void member(std::string_view key, element value, std::string& out, std::string& trace_id, std::string& span_id);
  void pair(std::string_view key, element value, pbf_writer& to, std::uint32_t field, int depth);
  void any(element value, pbf_writer& to, int depth);
  std::string_view clean(std::string_view text) {
    return cut_at_character(scrub(sound_text(text, sound), scrubbed), most_value_bytes);
  }
  void put(pbf_writer& to, std::uint32_t field, std::string_view text) {
    to.add_string(field, text.data(), text.size());
  }

  const Scrub scrub;
  const std::size_t most_value_bytes;
  simdjson::dom::parser parser;
  std::string sound, scrubbed, made;
};

void LogEncoder::Reader::any(element value, pbf_writer& to, int depth) {
  switch (value.type()) {
    case element_type::STRING:
      return put(to, 1, clean(value.get_string().value_unsafe()));
    case element_type::BOOL:
      return to.add_bool(2, value.get_bool().value_unsafe());
    case element_type::INT64:
      return to.add_int64(3, value.get_int64().value_unsafe());
    case element_type::UINT64:  // only what no int64 holds
      return to.add_double(4, static_cast<double>(value.get_uint64().value_unsafe()));
    case element_type::DOUBLE:
      return to.add_double(4, value.get_double().value_unsafe());
    case element_type::ARRAY: {
      pbf_writer list(to, 5);
      simdjson::dom::array members;
      if (depth == 0 || value.get(members) != simdjson::SUCCESS) return;
      for (const element each : members) {
        pbf_writer item(list, 1);
        any(each, item, depth - 1);
      }
      return;
    }
    case element_type::OBJECT: {
      pbf_writer list(to, 6);
      simdjson::dom::object members;
      if (depth == 0 || value.get(members) != simdjson::SUCCESS) return;
      for (const auto& [key, each] : members) pair(key, each, list, 1, depth - 1);
      return;
    }
    case element_type::NULL_VALUE:
      return;  // an AnyValue without a value
  }
}

void LogEncoder::Reader::pair(std::string_view key, element value, pbf_writer& to, std::uint32_t field, int depth) {
  pbf_writer pair(to, field);
  put(pair, 1, cut_at_character(key, kMostKey));
  pbf_writer content(pair, 2);
  any(value, content, depth);
}

/// A member of the line other than its time.
void LogEncoder::Reader::member(std::string_view key, element value, std::string& out, std::string& trace_id,
                                std::string& span_id) {
  pbf_writer to(out);
  std::int64_t number = 0;
  std::string_view text;
  const bool is_text = value.get(text) == simdjson::SUCCESS;
  if (is_text && key == "level") {
    if (const std::int32_t n = severity_of(text); n != 0) to.add_enum(log_record::kSeverityNumber, n);
    return put(to, log_record::kSeverityText, text);
  }
  if (is_text && key == "msg") {
    pbf_writer body(to, log_record::kBody);
    return put(body, 1, clean(text));
  }
  if (is_text && key == "trace_id") {
    trace_id = id_of<16>(text);
    if (!trace_id.empty()) return;
  }
  if (is_text && key == "span_id") {
    span_id = id_of<8>(text);
    if (!span_id.empty()) return;
  }
  // Most are these two, which need not be put together in parts.
  if (is_text) return add_attribute(out, log_record::kAttributes, cut_at_character(key, kMostKey), clean(text));
  if (value.get(number) == simdjson::SUCCESS)
    return add_attribute(out, log_record::kAttributes, cut_at_character(key, kMostKey), number);
  pair(key, value, to, log_record::kAttributes, kMostDepth);
}

/// False when it is no line of the log.
bool LogEncoder::Reader::record(std::string_view line, std::string& out) {
  simdjson::dom::object all;
  if (parser.parse(line.data(), line.size()).get(all) != simdjson::SUCCESS) return false;
  std::string_view time;
  if (all["time"].get(time) != simdjson::SUCCESS) return false;
  const auto at = parse_rfc3339(time);
  if (!at) return false;
  pbf_writer to(out);
  to.add_fixed64(log_record::kTime, static_cast<std::uint64_t>(*at));
  to.add_fixed64(log_record::kObserved, static_cast<std::uint64_t>(*at));
  std::string trace_id, span_id;
  for (const auto& [key, value] : all)
    if (key != "time") member(key, value, out, trace_id, span_id);
  if (trace_id.empty()) return true;
  to.add_fixed32(log_record::kFlags, kSampled);  // ids stand on lines of recorded exchanges only
  to.add_bytes(log_record::kTraceId, trace_id);
  if (!span_id.empty()) to.add_bytes(log_record::kSpanId, span_id);
  return true;
}

LogEncoder::LogEncoder(const Attributes& resource, Scrub scrub, std::size_t most_value_bytes)
    : resource_(encode_resource(resource)),
      scope_(scope_of(metrics::kGatewayScope)),
      reader_(std::make_unique<Reader>(scrub, most_value_bytes)),
      access_(scrub, most_value_bytes) {}

LogEncoder::~LogEncoder() = default;

void LogEncoder::add(std::string_view line) {
  if (access_.add(line, records_)) {
    ++count_;
    return;
  }
  std::string& record = reader_->made;
  record.clear();
  if (reader_->record(line, record)) add_record(record);
}

void LogEncoder::add_record(std::string_view record) {
  put_head(records_, 2, record.size());
  records_.append(record);
  ++count_;
}

void LogEncoder::take(Body& to) {
  to.clear();
  if (count_ == 0) return;
  const std::size_t scope_logs = scope_.size() + records_.size();
  WireBuffer& head = to.pieces[0];
  put_head(head, 1, resource_.size() + 1 + varint_size(scope_logs) + scope_logs);
  head.append(resource_);
  put_head(head, 2, scope_logs);
  head.append(scope_);
  std::swap(to.pieces[1], records_);
  count_ = 0;
}

}  // namespace gw::telemetry::otlp
