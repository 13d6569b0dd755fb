#include "store/sqlite/trace_rows.h"

#include <algorithm>
#include <cstring>

#include "base/strings.h"
#include "base/time_format.h"
#include "store/trace_defaults.h"

namespace gw::store::sqlite {
namespace {

constexpr std::string_view kZone = " +0000 UTC";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c; }

/// SQL: gw_contains(body, text)
void sql_contains(sqlite3_context* context, int, sqlite3_value** args) {
  sqlite3_result_int(context, contains_text(value_text(args[0]), value_text(args[1])) ? 1 : 0);
}

}  // namespace

std::int64_t DbTimeReader::read(std::string_view text) {
  const auto slow = [&] { return parse_db_time(trim(text)).value_or(0); };
  if (text.size() < kMinute + 2 + kZone.size() || !text.ends_with(kZone)) return slow();
  const char* p = text.data() + kMinute;
  const char* end = text.data() + text.size() - kZone.size();
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!digit(p[0]) || !digit(p[1])) return slow();
  const std::int64_t second = (p[0] - '0') * 10 + (p[1] - '0');
  if (second > 59) return slow();
  std::int64_t nanos = 0;
  if (p + 2 != end) {
    if (p[2] != '.' || end - p > 12 || end - p < 4) return slow();
    std::int64_t unit = kSecondNs;
    for (const char* d = p + 3; d != end; ++d) {
      if (!digit(*d)) return slow();
      unit /= 10;
      nanos += (*d - '0') * unit;
    }
  }
  if (std::memcmp(minute_, text.data(), kMinute) != 0) {
    const auto ns = parse_db_time(text);
    if (!ns) return 0;
    std::memcpy(minute_, text.data(), kMinute);
    minute_ns_ = *ns - second * kSecondNs - nanos;
    return *ns;
  }
  return minute_ns_ + second * kSecondNs + nanos;
}

TraceColumns::TraceColumns(const std::string& seq, const std::vector<std::string>& expressions,
                           const std::vector<Col>& columns)
    : columns_(columns) {
  select_ = "SELECT " + seq;
  for (const Col c : columns_) select_ += "," + expressions[static_cast<std::size_t>(c)];
  select_ += " FROM traces";
}

void TraceColumns::read(const Statement& s, Trace& t) {
  t.seq = s.integer(0);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const Col c = columns_[i];
    const int at = static_cast<int>(i) + 1;
    if (std::string* text = text_of(c, t)) {
      text->assign(s.text(at));
    } else if (std::int64_t* number = number_of(c, t)) {
      *number = s.integer(at);
    } else if (c == Col::timestamp) {
      t.timestamp_ns = times_.read(s.text(at));
    } else if (c == Col::created_at) {
      t.created_at_ns = times_.read(s.text(at));
    } else if (c == Col::response_status) {
      t.response_status = static_cast<int>(s.integer(at));
    } else {
      t.estimated_cost_usd = s.real(at);
    }
  }
  complete_after_read(t);
}

void Conditions::text(Col c, const char* op, std::string value) { add(expression(c) + op + "?", std::move(value)); }

void Conditions::started_from(std::int64_t ns) { text(Col::timestamp, " >= ", format_db_time(ns)); }
void Conditions::started_until(std::int64_t ns) { text(Col::timestamp, " <= ", format_db_time(ns)); }

void Conditions::compare(Col c, const char* op, std::int64_t value) {
  sql_ += next() + expression(c) + op + std::to_string(value);
}

void Conditions::metadata_is(const char* key, std::string_view value) {
  const std::string m = expression(Col::metadata);
  add("CASE WHEN json_valid(" + m + ") THEN json_extract(" + m + ",'$." + key + "') = ? ELSE 0 END",
      std::string(value));
}

void Conditions::body_has(const std::string& text) {
  add("(gw_contains(" + expression(Col::request_body) + ",?) OR gw_contains(" + expression(Col::response_body) + ",?))",
      text);
  values_.push_back(text);
}

void Conditions::before(const TraceCursor& after) {
  add("(" + expression(Col::created_at) + ", id) < (?, ?)", format_db_time(after.created_at_ns));
  values_.push_back(after.id);
}

void Conditions::bind(Statement& s) const {
  for (std::size_t i = 0; i < values_.size(); ++i) s.bind(static_cast<int>(i) + 1, values_[i]);
}

void Conditions::add(const std::string& condition, std::string value) {
  sql_ += next() + condition;
  values_.push_back(std::move(value));
}

int add_row_functions(Connection& db) {
  return sqlite3_create_function_v2(db.db(), "gw_contains", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr,
                                    sql_contains, nullptr, nullptr, nullptr);
}

bool contains_text(std::string_view body, std::string_view text) {
  if (text.empty()) return true;
  const char first[] = {lower(text[0]), upper(text[0])};
  const auto matches = [&](const char* at) {
    for (std::size_t i = 1; i < text.size(); ++i)
      if (lower(at[i]) != lower(text[i])) return false;
    return true;
  };
  if (body.size() < text.size()) return false;
  const char* last = body.data() + (body.size() - text.size());
  const auto find = [&](const char* from, char c) {
    const auto* p = static_cast<const char*>(std::memchr(from, c, static_cast<std::size_t>(last - from) + 1));
    return p == nullptr ? last + 1 : p;
  };
  // The next place of either case of the first letter; each is looked for again only once it was passed.
  const char* a = find(body.data(), first[0]);
  const char* b = first[0] == first[1] ? last + 1 : find(body.data(), first[1]);
  while (a <= last || b <= last) {
    const char* at = std::min(a, b);
    if (matches(at)) return true;
    const bool end = at == last;
    if (at == a) a = end ? last + 1 : find(at + 1, first[0]);
    if (at == b) b = end ? last + 1 : find(at + 1, first[1]);
  }
  return false;
}

}  // namespace gw::store::sqlite
