#include "cli/reprice_text.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/json_writer.h"
#include "base/usd.h"
#include "cli/terminal.h"

namespace gw::cli {
namespace {

std::string exact_usd(std::int64_t nano) {
  std::array<char, kUsdTextBytes> buffer;
  return std::string(usd_text(nano, buffer));
}

/// With its sign, so that the direction is seen.
std::string change(std::int64_t nano) { return (nano > 0 ? "+" : "") + exact_usd(nano); }

constexpr std::size_t kColumns = 6, kTextColumns = 2;
using Line = std::array<std::string, kColumns>;

Line line_of(std::string_view provider, std::string_view model, const store::RepriceTotals& t) {
  return {printable(provider),       printable(model),          std::to_string(t.rows),
          exact_usd(t.old_nano_usd), exact_usd(t.new_nano_usd), change(t.difference())};
}

/// Names to the left, numbers to the right.
std::string aligned(const std::vector<Line>& lines) {
  std::array<std::size_t, kColumns> width{};
  for (const Line& line : lines)
    for (std::size_t i = 0; i < kColumns; ++i) width[i] = std::max(width[i], line[i].size());
  std::string out;
  for (const Line& line : lines) {
    for (std::size_t i = 0; i < kColumns; ++i) {
      const std::string pad(width[i] - line[i].size(), ' ');
      out += (i > 0 ? "  " : "") + (i < kTextColumns ? line[i] + pad : pad + line[i]);
    }
    out += '\n';
  }
  return out;
}

void totals(JsonWriter& w, const store::RepriceTotals& t) {
  w.field("rows", t.rows).field("changed", t.changed).field("unpriced", t.unpriced);
  w.key("old_cost_usd").raw(exact_usd(t.old_nano_usd));
  w.key("new_cost_usd").raw(exact_usd(t.new_nano_usd));
  w.key("difference_usd").raw(exact_usd(t.difference()));
}

}  // namespace

std::string reprice_text(const store::RepriceReport& report, bool dry_run) {
  std::vector<Line> lines = {{"PROVIDER", "MODEL", "TRACES", "OLD USD", "NEW USD", "DIFFERENCE"}};
  for (const auto& [name, t] : report.models) lines.push_back(line_of(name.first, name.second, t));
  lines.push_back(line_of("total", "", report.total));
  std::string out = aligned(lines);
  out += std::to_string(report.total.changed) + (dry_run ? " traces would be changed" : " traces changed");
  if (report.total.unpriced > 0)
    out += "; " + std::to_string(report.total.unpriced) + " have no price in the table and keep their cost";
  return out += '\n';
}

std::string reprice_json(const store::RepriceReport& report, bool dry_run) {
  std::string out;
  JsonWriter w(out);
  w.begin_object().field("dry_run", dry_run);
  totals(w, report.total);
  w.key("items").begin_array();
  for (const auto& [name, t] : report.models) {
    w.begin_object().field("provider", name.first).field("model", name.second);
    totals(w, t);
    w.end_object();
  }
  w.end_array().end_object();
  return out += '\n';
}

}  // namespace gw::cli
