#include "store/postgres/trace_sql.h"

#include "base/strings.h"
#include "store/postgres/pg_json.h"
#include "store/trace_defaults.h"

namespace gw::store::postgres {
namespace {

constexpr std::int64_t kMicro = 1'000;

bool is_json(Col c) { return c == Col::metadata || c == Col::request_headers || c == Col::response_headers; }

/// The first microsecond that is not before.
std::int64_t up_to_micro(std::int64_t ns) {
  const std::int64_t rest = ns % kMicro;
  const std::int64_t add = rest > 0 ? kMicro - rest : -rest;
  return ns > INT64_MAX - add ? ns : ns + add;
}

std::string ascii_lower(std::string s) {
  for (char& c : s)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return s;
}

}  // namespace

std::string expression_of(Col c) {
  if (c == Col::cost_nano_usd) return "coalesce(cost_nano_usd, round(coalesce(estimated_cost_usd, 0) * 1e9)::bigint)";
  if (c == Col::latency_us) return "coalesce(latency_us, coalesce(latency_ms, 0) * 1000)";
  return name_of(c);
}

TraceSelect::TraceSelect(std::vector<Col> columns, bool texts) : columns_(std::move(columns)), texts_(texts) {
  sql_ = "SELECT seq";
  for (const Col c : columns_) sql_ += ", " + expression_of(c);
  sql_ += " FROM traces";
}

void TraceSelect::read(const PgResult& r, int row, Trace& t) const {
  t.seq = r.integer(row, 0);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const Col c = columns_[i];
    const int at = static_cast<int>(i) + 1;
    if (std::string* text = text_of(c, t)) {
      if (is_json(c) && texts_)
        *text = r.is_null(row, at) ? std::string() : text_of_json(r.text(row, at));
      else
        text->assign(r.text(row, at));
    } else if (std::int64_t* number = number_of(c, t)) {
      *number = r.integer(row, at);
    } else if (c == Col::timestamp) {
      t.timestamp_ns = r.time_ns(row, at);
    } else if (c == Col::created_at) {
      t.created_at_ns = r.time_ns(row, at);
    } else if (c == Col::response_status) {
      t.response_status = static_cast<int>(r.integer(row, at));
    } else {
      t.estimated_cost_usd = r.real(row, at);
    }
  }
  complete_after_read(t);
}

std::string Conditions::place(Value value) {
  values_.push_back(std::move(value));
  return "$" + std::to_string(values_.size());
}

void Conditions::add(const std::string& before, const std::string& value, const std::string& behind) {
  if (!is_storable_text(value)) return raw("false");  // no stored text is such
  const std::string begin = next();
  sql_ += begin + before + place({.text = value}) + behind;
}

void Conditions::time(const std::string& before, std::int64_t ns) {
  const std::string begin = next();
  sql_ += begin + before + place({.text = {}, .ns = ns, .is_time = true});
}

PgParams Conditions::params() const {
  PgParams out;
  for (const Value& v : values_) {
    if (v.is_time)
      out.time(v.ns);
    else
      out.text(v.text);
  }
  return out;
}

void Conditions::created_at(std::int64_t least_ns, std::int64_t greatest_ns) {
  time("created_at >= ", least_ns);
  time("created_at <= ", greatest_ns);
}

void Conditions::before(const TraceCursor& after) {
  time("created_at <= ", after.created_at_ns);  // by itself, for the index
  if (after.created_at_ns % kMicro != 0) return;
  const std::string begin = next();
  const std::string time = place({.text = {}, .ns = after.created_at_ns, .is_time = true});
  const std::string id = place({.text = is_storable_text(after.id) ? after.id : storable_text(after.id)});
  sql_ += begin + "(created_at < " + time + " OR id COLLATE \"C\" < " + id + ")";
}

void Conditions::seq_in(std::int64_t after, std::int64_t up_to) {
  raw("seq > " + std::to_string(std::max<std::int64_t>(after, -1)));
  if (up_to != INT64_MAX) raw("seq <= " + std::to_string(std::max<std::int64_t>(up_to, -1)));
}

void Conditions::started_from(std::int64_t ns) { time("timestamp >= ", up_to_micro(ns)); }

void Conditions::compare(Col c, const char* op, std::int64_t value) {
  raw(expression_of(c) + op + std::to_string(value));
}

void Conditions::metadata_is(const char* key, std::string_view value) {
  add(std::string("metadata @> jsonb_build_object('") + key + "', ", std::string(value), "::text)");
}

void Conditions::body_has(const std::string& text) {
  if (!is_storable_text(text)) return raw("false");
  // "C" changes ASCII letters only.
  const std::string begin = next();
  const std::string lower = place({.text = ascii_lower(text)});
  sql_ += begin + "(strpos(lower(request_body COLLATE \"C\"), " + lower +
          ") > 0 OR strpos(lower(response_body COLLATE \"C\"), " + lower + ") > 0)";
}

}  // namespace gw::store::postgres
