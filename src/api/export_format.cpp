#include "api/export_format.h"

#include <algorithm>
#include <array>
#include <bit>

#include "api/export_metadata.h"
#include "api/json_value.h"
#include "base/json_writer.h"
#include "base/strings.h"
#include "base/time_format.h"

namespace gw::api {
namespace {

using F = ExportField;

constexpr std::array<std::string_view, kExportFields> kNames = {
    "seq",
    "id",
    "timestamp",
    "provider",
    "model",
    "request_method",
    "request_path",
    "response_status",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "latency_ms",
    "latency_us",
    "time_to_first_token_ms",
    "time_to_first_token_us",
    "api_key_hash",
    "estimated_cost_usd",
    "cost_nano_usd",
    "created_at",
    "session_id",
    "org_id",
    "workspace_id",
    "gateway_key_id",
    "trace_group_id",
    "thread_id",
    "run_id",
    "correlation_id",
    "outcome",
    "cost_source",
    "price_version",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "metadata",
    "request_headers",
    "request_body",
    "response_headers",
    "response_body",
    "cursor",
};
static_assert(!kNames.back().empty());

/// `,"name":` of each field.
struct Key {
  std::array<char, 32> text{};
  std::size_t size = 0;
};
constexpr std::array<Key, kExportFields> make_keys() {
  std::array<Key, kExportFields> keys{};
  for (std::size_t i = 0; i < kExportFields; ++i) {
    Key& k = keys[i];
    const auto put = [&k](char c) { k.text[k.size++] = c; };
    put(',');
    put('"');
    for (const char c : kNames[i]) put(c);
    put('"');
    put(':');
  }
  return keys;
}
constexpr auto kFieldKeys = make_keys();

/// Bytes that CSV takes as they are, wherever they stand.
constexpr std::array<bool, 256> make_plain_csv() {
  std::array<bool, 256> t{};
  for (std::size_t i = 0x20; i < 0x7F; ++i) t[i] = i != '"' && i != ',';
  return t;
}
constexpr auto kPlainCsv = make_plain_csv();

constexpr std::uint64_t bit(F f) { return std::uint64_t{1} << static_cast<unsigned>(f); }
/// All fields from `first` up to and without `end`.
constexpr std::uint64_t range(F first, F end) { return bit(end) - bit(first); }

constexpr std::uint64_t kAlways = bit(F::seq) | bit(F::id);
constexpr std::uint64_t kDefault = range(F::seq, F::metadata);
constexpr std::uint64_t kInMetadata = range(F::thread_id, F::metadata);

enum class Kind : std::uint8_t {
  text,      ///< always there
  optional,  ///< left out when empty
  integer,
  real,
  time,    ///< `number` in Unix ns; left out when 0
  json,    ///< a stored JSON column
  cursor,  ///< of the row
};

struct Value {
  Kind kind;
  std::string_view text = {};
  std::int64_t number = 0;
  double real = 0;
};

Value text(std::string_view s) { return {.kind = Kind::text, .text = s}; }
Value optional(std::string_view s) { return {.kind = Kind::optional, .text = s}; }
Value integer(std::int64_t n) { return {.kind = Kind::integer, .number = n}; }
Value time(std::int64_t ns) { return {.kind = Kind::time, .number = ns}; }
Value json(std::string_view s) { return {.kind = Kind::json, .text = s}; }

Value stored_value(F field, const Trace& t, const ExportMetadata& m) {
  switch (field) {
    case F::thread_id:
      return optional(m.thread_id);
    case F::run_id:
      return optional(m.run_id);
    case F::correlation_id:
      return optional(m.correlation_id);
    case F::outcome:
      return optional(m.outcome);
    case F::cost_source:
      return optional(m.cost_source);
    case F::price_version:
      return optional(m.price_version);
    case F::cache_read_tokens:
      return integer(m.cache_read_tokens);
    case F::cache_write_tokens:
      return integer(m.cache_write_tokens);
    case F::reasoning_tokens:
      return integer(m.reasoning_tokens);
    case F::metadata:
      return json(t.metadata);
    case F::request_headers:
      return json(t.request_headers);
    case F::request_body:
      return optional(t.request_body);
    case F::response_headers:
      return json(t.response_headers);
    case F::response_body:
      return optional(t.response_body);
    default:
      return {.kind = Kind::cursor};
  }
}

Value number_value(F field, const Trace& t) {
  switch (field) {
    case F::response_status:
      return integer(t.response_status);
    case F::input_tokens:
      return integer(t.input_tokens);
    case F::output_tokens:
      return integer(t.output_tokens);
    case F::total_tokens:
      return integer(t.total_tokens);
    case F::latency_ms:
      return integer(t.latency_ms);
    case F::latency_us:
      return integer(t.latency_us);
    case F::time_to_first_token_ms:
      return integer(t.time_to_first_token_ms);
    case F::time_to_first_token_us:
      return integer(t.time_to_first_token_us);
    case F::cost_nano_usd:
      return integer(t.cost_nano_usd);
    default:
      return integer(t.seq);
  }
}

Value value_of(F field, const Trace& t, const ExportMetadata& m) {
  switch (field) {
    case F::id:
      return text(t.id);
    case F::timestamp:
      return time(t.timestamp_ns);
    case F::provider:
      return text(t.provider);
    case F::model:
      return text(t.model);
    case F::request_method:
      return text(t.request_method);
    case F::request_path:
      return text(t.request_path);
    case F::api_key_hash:
      return optional(t.api_key_hash);
    case F::estimated_cost_usd:
      return {.kind = Kind::real, .real = t.estimated_cost_usd};
    case F::created_at:
      return time(t.created_at_ns);
    case F::session_id:
      return optional(t.session_id);
    case F::org_id:
      return text(t.org_id);
    case F::workspace_id:
      return text(t.workspace_id);
    case F::gateway_key_id:
      return optional(t.gateway_key_id);
    case F::trace_group_id:
      return optional(t.trace_group_id);
    default:
      return field < F::thread_id ? number_value(field, t) : stored_value(field, t, m);
  }
}

/// Calls `f` with each field that is chosen, in order.
template <class Fn>
void each(std::uint64_t bits, Fn f) {
  for (; bits != 0; bits &= bits - 1) f(static_cast<F>(std::countr_zero(bits)));
}

template <class Fn>
void each_value(const Trace& trace, const ExportFields& fields, Fn f) {
  std::string decoded;
  const ExportMetadata m =
      (fields.bits() & kInMetadata) != 0 ? read_export_metadata(trace.metadata, decoded) : ExportMetadata{};
  each(fields.bits(), [&](F field) { f(field, value_of(field, trace, m)); });
}

/// Whether JSON has the field at all.
bool present(const Value& v, const ExportCursor* cursor) {
  switch (v.kind) {
    case Kind::optional:
      return !v.text.empty();
    case Kind::time:
      return v.number != 0;
    case Kind::cursor:
      return cursor != nullptr;
    default:
      return true;
  }
}

void append_cursor(std::string& out, const Trace& trace, const ExportCursor& from) {
  ExportCursor c = from;
  c.seq = trace.seq;
  append_export_cursor(out, c);
}

void append_key(std::string& out, F field) {
  const Key& key = kFieldKeys[static_cast<std::size_t>(field)];
  const std::size_t comma = out.back() == '{' ? 1 : 0;
  out.append(key.text.data() + comma, key.size - comma);
}

/// Decoded and encoded again, because a line must not have line ends in it; what cannot be decoded is a string.
void append_stored_json(std::string& out, F field, std::string_view text) {
  if (trim(text).empty()) return;
  const auto value = parse_json(text);
  if (value && value->kind == JsonValue::Kind::null) return;
  append_key(out, field);
  if (value)
    append_json(out, *value);
  else
    append_json_string(out, text);
}

void append_csv_text(std::string& out, std::string_view s) {
  constexpr std::string_view kFormula = "=+-@\t\r\n";
  const bool formula = !s.empty() && kFormula.find(s.front()) != std::string_view::npos;
  bool plain = !formula;
  for (const char c : s) plain = plain && kPlainCsv[static_cast<unsigned char>(c)];
  if (plain) {
    out.append(s);
    return;
  }
  std::string clean;
  if (!is_storable_text(s)) {
    clean = storable_text(s);
    s = clean;
  }
  if (!formula && s.find_first_of("\",\r\n") == std::string_view::npos) {
    out.append(s);
    return;
  }
  out += '"';
  if (formula) out += '\'';
  for (std::size_t i = 0; i < s.size();) {
    const std::size_t quote = std::min(s.find('"', i), s.size());
    out.append(s.substr(i, quote - i));
    if (quote < s.size()) out += "\"\"";
    i = quote + 1;
  }
  out += '"';
}

}  // namespace

std::string_view to_string(ExportField field) { return kNames[static_cast<std::size_t>(field)]; }

ExportFields::ExportFields() : bits_(kDefault) {}

Result<ExportFields> ExportFields::parse(std::string_view list) {
  ExportFields out;
  if (trim(list).empty()) return out;
  out.bits_ = kAlways;
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view name = trim(list.substr(0, comma));
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    if (name.empty()) continue;
    std::uint64_t found = name == "default" ? kDefault : 0;
    for (std::size_t i = 0; i < kNames.size() && found == 0; ++i)
      if (kNames[i] == name) found = std::uint64_t{1} << i;
    if (found == 0) return fail("invalid fields: " + in_quotes(name) + " is no field of an export");
    out.bits_ |= found;
  }
  return out;
}

store::ExportColumns ExportFields::columns() const {
  return {.metadata = (bits_ & (kInMetadata | bit(F::metadata))) != 0,
          .headers = has(F::request_headers) || has(F::response_headers),
          .bodies = has(F::request_body) || has(F::response_body)};
}

void append_export_object(std::string& out, const Trace& trace, const ExportFields& fields,
                          const ExportCursor* cursor) {
  out += '{';
  each_value(trace, fields, [&](F field, const Value& v) {
    if (v.kind == Kind::json) return append_stored_json(out, field, v.text);
    if (!present(v, cursor)) return;
    append_key(out, field);
    switch (v.kind) {
      case Kind::integer:
        append_json_int(out, v.number);
        break;
      case Kind::real:
        append_json_double(out, v.real);
        break;
      case Kind::time:
        out += '"';
        append_rfc3339(out, v.number);
        out += '"';
        break;
      case Kind::cursor:
        out += '"';
        append_cursor(out, trace, *cursor);
        out += '"';
        break;
      default:
        append_json_string(out, v.text);
    }
  });
  out += '}';
}

void append_ndjson(std::string& out, const Trace& trace, const ExportFields& fields, const ExportCursor* cursor) {
  append_export_object(out, trace, fields, cursor);
  out += '\n';
}

void append_csv_header(std::string& out, const ExportFields& fields) {
  bool first = true;
  each(fields.bits(), [&](F field) {
    if (!first) out += ',';
    first = false;
    out.append(to_string(field));
  });
  out += "\r\n";
}

void append_csv_row(std::string& out, const Trace& trace, const ExportFields& fields, const ExportCursor* cursor) {
  bool first = true;
  each_value(trace, fields, [&](F, const Value& v) {
    if (!first) out += ',';
    first = false;
    switch (v.kind) {
      case Kind::integer:
        append_json_int(out, v.number);
        break;
      case Kind::real:
        append_json_double(out, v.real);
        break;
      case Kind::time:
        if (v.number != 0) append_rfc3339(out, v.number);
        break;
      case Kind::cursor:
        if (cursor != nullptr) append_cursor(out, trace, *cursor);
        break;
      default:
        append_csv_text(out, v.text);
    }
  });
  out += "\r\n";
}

}  // namespace gw::api
