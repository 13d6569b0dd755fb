#include "api/accept.h"

#include "base/strings.h"

namespace gw::api {
namespace {

/// `1`, `0.5`, `0.250`; anything else is 0: who writes nonsense does not get what it is about.
int quality_of(std::string_view text) {
  if (text.empty() || (text[0] != '0' && text[0] != '1')) return 0;
  int q = (text[0] - '0') * 1000;
  text.remove_prefix(1);
  if (text.empty()) return q;
  if (text[0] != '.' || text.size() > 4) return 0;
  int scale = 100;
  for (const char c : text.substr(1)) {
    if (c < '0' || c > '9') return 0;
    q += (c - '0') * scale;
    scale /= 10;
  }
  return q > 1000 ? 0 : q;
}

/// The part of `list` in front of the next `separator`, which both are taken off; trimmed.
std::string_view take_part(std::string_view& list, char separator) {
  const std::size_t end = list.find(separator);
  const std::string_view part = list.substr(0, end);
  list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
  return trim(part);
}

}  // namespace

int accept_quality(std::string_view accept, std::string_view type) {
  if (trim(accept).empty()) return 1000;
  const std::string any_of_kind = std::string(type.substr(0, type.find('/') + 1)) + "*";
  int best = 0;
  int best_rank = 0;  // */* 1, text/* 2, text/csv 3
  while (!accept.empty()) {
    std::string_view range = take_part(accept, ',');
    const std::string_view media = take_part(range, ';');
    const int rank = iequals(media, type) ? 3 : iequals(media, any_of_kind) ? 2 : media == "*/*" ? 1 : 0;
    if (rank == 0 || rank < best_rank) continue;
    int q = 1000;
    while (!range.empty()) {
      std::string_view parameter = take_part(range, ';');
      const std::string_view name = take_part(parameter, '=');
      if (iequals(name, "q")) q = quality_of(trim(parameter));
    }
    best = rank > best_rank || q > best ? q : best;
    best_rank = rank;
  }
  return best;
}

Result<bool> wants_csv(const Call& call) {
  const std::string format = lowercase(call.params.get("format"));
  if (format == "csv") return true;
  if (format == "json") return false;
  if (!format.empty()) return fail("invalid format: " + in_quotes(format) + ": expected csv or json");
  const std::string& accept = call.request.accept;
  return accept_quality(accept, "text/csv") > accept_quality(accept, "application/json");
}

ApiResponse csv_response(std::string body, std::string_view name) {
  return {200,
          {{"Content-Type", "text/csv; charset=utf-8; header=present"},
           {"Content-Disposition", "attachment; filename=\"" + std::string(name) + ".csv\""}},
          std::move(body)};
}

}  // namespace gw::api
