#include "store/sqlite/batch_source.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/time_format.h"
#include "store/sqlite/columns.h"

namespace gw::store::sqlite {
namespace {

// SQLite's C interface: the base struct comes first, ours follows.
struct Table {
  sqlite3_vtab base{};
  BatchSource* source = nullptr;
};
struct Cursor {
  sqlite3_vtab_cursor base{};
  BatchSource* source = nullptr;
};

Cursor& self(sqlite3_vtab_cursor* c) { return *reinterpret_cast<Cursor*>(c); }
BatchSource& source(sqlite3_vtab_cursor* c) { return *self(c).source; }

int connect(sqlite3* db, void* source, int, const char* const*, sqlite3_vtab** out, char**) {
  const std::string declaration = "CREATE TABLE x(" + column_list() + ")";
  if (const int rc = sqlite3_declare_vtab(db, declaration.c_str()); rc != SQLITE_OK) return rc;
  auto* table = new (std::nothrow) Table;
  if (table == nullptr) return SQLITE_NOMEM;
  table->source = static_cast<BatchSource*>(source);
  *out = &table->base;
  return SQLITE_OK;
}
int disconnect(sqlite3_vtab* t) {
  delete reinterpret_cast<Table*>(t);
  return SQLITE_OK;
}
int best_index(sqlite3_vtab*, sqlite3_index_info* info) {
  info->estimatedCost = 1;
  return SQLITE_OK;
}
int open_cursor(sqlite3_vtab* t, sqlite3_vtab_cursor** out) {
  auto* cursor = new (std::nothrow) Cursor;
  if (cursor == nullptr) return SQLITE_NOMEM;
  cursor->source = reinterpret_cast<Table*>(t)->source;
  *out = &cursor->base;
  return SQLITE_OK;
}
int close_cursor(sqlite3_vtab_cursor* c) {
  delete &self(c);
  return SQLITE_OK;
}
int filter(sqlite3_vtab_cursor* c, int, const char*, int, sqlite3_value**) {
  source(c).go_to(0);
  return SQLITE_OK;
}
int next(sqlite3_vtab_cursor* c) {
  source(c).go_to(source(c).position() + 1);
  return SQLITE_OK;
}
int eof(sqlite3_vtab_cursor* c) { return source(c).at_end(); }
int column(sqlite3_vtab_cursor* c, sqlite3_context* out, int i) {
  source(c).value(i, out);
  return SQLITE_OK;
}
int rowid(sqlite3_vtab_cursor* c, sqlite3_int64* out) {
  *out = static_cast<sqlite3_int64>(source(c).position());
  return SQLITE_OK;
}

sqlite3_module make_module() {
  sqlite3_module m{};  // no xCreate: it can only be selected from
  m.xConnect = connect;
  m.xBestIndex = best_index;
  m.xDisconnect = disconnect;
  m.xOpen = open_cursor;
  m.xClose = close_cursor;
  m.xFilter = filter;
  m.xNext = next;
  m.xEof = eof;
  m.xColumn = column;
  m.xRowid = rowid;
  return m;
}
const sqlite3_module kModule = make_module();

void text(sqlite3_context* out, std::string_view s) {
  sqlite3_result_text64(out, s.data() == nullptr ? "" : s.data(), s.size(), SQLITE_STATIC, SQLITE_UTF8);
}

}  // namespace

std::string_view DbTimeText::format(std::int64_t unix_ns) {
  constexpr std::size_t kDigits = 19;  // YYYY-MM-DD HH:MM:SS
  constexpr std::string_view kZone = " +0000 UTC";
  std::int64_t second = unix_ns / kSecondNs;
  std::int64_t nanos = unix_ns % kSecondNs;
  if (nanos < 0) {
    --second;
    nanos += kSecondNs;
  }
  if (second != second_) {
    const std::string whole = format_db_time(second * kSecondNs);
    std::memcpy(buffer_, whole.data(), std::min(whole.size(), kDigits));
    second_ = second;
  }
  char* p = buffer_ + kDigits;
  if (nanos != 0) {
    *p = '.';
    p = put_nanos(p + 1, static_cast<std::uint32_t>(nanos));
    while (p[-1] == '0') --p;
  }
  std::memcpy(p, kZone.data(), kZone.size());
  return {buffer_, static_cast<std::size_t>(p - buffer_) + kZone.size()};
}

int BatchSource::attach(Connection& db) { return sqlite3_create_module(db.db(), "gw_batch", &kModule, this); }

void BatchSource::go_to(std::size_t i) noexcept {
  row_ = nullptr;
  while (i < rows_->size() && (row_ = rows_->row(i)) == nullptr) ++i;
  at_ = i;
  if (row_ == nullptr) return;
  started_ns_ = row_->timestamp_ns != 0 ? row_->timestamp_ns : now_ns_;
  ended_ns_ = row_->created_at_ns != 0 ? row_->created_at_ns : now_ns_;
  least_span_ns_ = std::min(least_span_ns_, ended_ns_ - started_ns_);
  most_span_ns_ = std::max(most_span_ns_, ended_ns_ - started_ns_);
}

AnalyticRow BatchSource::analytic(std::int64_t seq) {
  AnalyticRow row = analytic_row(*row_, facts_);
  row.seq = seq;
  row.timestamp_ns = started_ns_;
  row.numbers.created_at_ns = ended_ns_;
  return row;
}

void BatchSource::value(int column_index, sqlite3_context* out) {
  const Trace& t = *row_;
  const Col c = static_cast<Col>(column_index);
  switch (c) {
    case Col::timestamp:
      return text(out, started_.format(started_ns_));
    case Col::created_at:
      return text(out, ended_.format(ended_ns_));
    case Col::estimated_cost_usd:
      return sqlite3_result_double(out, t.estimated_cost_usd);
    case Col::session_id:  // NULL stays out of the index
      return t.session_id.empty() ? sqlite3_result_null(out) : text(out, t.session_id);
    case Col::response_status:
    case Col::input_tokens:
    case Col::output_tokens:
    case Col::total_tokens:
    case Col::latency_ms:
    case Col::latency_us:
    case Col::time_to_first_token_ms:
    case Col::time_to_first_token_us:
    case Col::cost_nano_usd:
      return sqlite3_result_int64(out, stored_number(c, t));
    default:
      return text(out, stored_text(c, t));
  }
}

}  // namespace gw::store::sqlite
