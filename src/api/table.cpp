#include "api/table.h"

#include "base/time_format.h"

namespace gw::api {
namespace {

void append_csv_quoted(std::string& out, std::string_view s) {
  const bool formula = !s.empty() && std::string_view("=+-@\t\r\n").find(s[0]) != std::string_view::npos;
  if (s.find_first_of("\",\r\n") == std::string_view::npos) {
    if (formula) out += '\'';
    out += s;
    return;
  }
  out += formula ? "\"'" : "\"";
  for (const char c : s) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

}  // namespace

Cell optional_text(std::string_view text) { return text.empty() ? Cell() : Cell(text); }

Cell time_cell(std::int64_t unix_ns) { return unix_ns == 0 ? Cell() : Cell(format_rfc3339(unix_ns)); }

double usd(std::int64_t nano_usd) { return static_cast<double>(nano_usd) / 1e9; }

void append_json_cell(JsonWriter& w, std::string_view name, const Cell& cell) {
  if (const auto* view = std::get_if<std::string_view>(&cell))
    w.field(name, *view);
  else if (const auto* text = std::get_if<std::string>(&cell))
    w.field(name, *text);
  else if (const auto* integer = std::get_if<std::int64_t>(&cell))
    w.field(name, *integer);
  else if (const auto* number = std::get_if<double>(&cell))
    w.field(name, *number);
}

void append_csv_cell(std::string& out, const Cell& cell) {
  if (const auto* view = std::get_if<std::string_view>(&cell))
    append_csv_quoted(out, *view);
  else if (const auto* text = std::get_if<std::string>(&cell))
    append_csv_quoted(out, *text);
  else if (const auto* integer = std::get_if<std::int64_t>(&cell))
    append_json_int(out, *integer);
  else if (const auto* number = std::get_if<double>(&cell))
    append_json_double(out, *number);
}

}  // namespace gw::api
