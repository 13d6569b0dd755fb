#pragma once
// Answers that are lists: each column says once what it holds, and rows are written as JSON objects or as CSV (RFC
// 4180, with a header line). Pure functions.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/json_writer.h"

namespace gw::api {

/// Nothing is left out in JSON and empty in CSV. A view points into the row.
using Cell = std::variant<std::monostate, std::string_view, std::string, std::int64_t, double>;

/// Nothing when empty.
Cell optional_text(std::string_view text);
/// RFC 3339; nothing when it never happened.
Cell time_cell(std::int64_t unix_ns);
/// Dollars, as the double nearest to the exact figure.
double usd(std::int64_t nano_usd);

template <class Row>
struct Column {
  std::string_view name;
  Cell (*cell)(const Row&);
};

void append_json_cell(JsonWriter& w, std::string_view name, const Cell& cell);
/// Text that a spreadsheet would take for a formula (it begins with one of `= + - @`, a tab or a line break) gets an
/// apostrophe in front: clients choose models, paths and sessions.
void append_csv_cell(std::string& out, const Cell& cell);

/// Into an object that is open.
template <class Row>
void write_fields(JsonWriter& w, std::span<const Column<Row>> columns, const Row& row) {
  for (const Column<Row>& c : columns) append_json_cell(w, c.name, c.cell(row));
}

template <class Row>
void write_row(JsonWriter& w, std::span<const Column<Row>> columns, const Row& row) {
  w.begin_object();
  write_fields(w, columns, row);
  w.end_object();
}

template <class Row>
void write_rows(JsonWriter& w, std::span<const Column<Row>> columns, std::span<const Row> rows) {
  w.begin_array();
  for (const Row& row : rows) write_row(w, columns, row);
  w.end_array();
}

template <class Row>
std::string csv_text(std::span<const Column<Row>> columns, std::span<const Row> rows) {
  std::string out;
  for (const Column<Row>& c : columns) out.append(out.empty() ? "" : ",").append(c.name);
  out += "\r\n";
  for (const Row& row : rows) {
    for (const Column<Row>& c : columns) {
      if (&c != columns.data()) out += ',';
      append_csv_cell(out, c.cell(row));
    }
    out += "\r\n";
  }
  return out;
}

}  // namespace gw::api
