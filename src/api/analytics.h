#pragma once
// What the endpoints of /api/analytics have in common: ask, cut to the greatest groups, answer as JSON or CSV.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/accept.h"
#include "api/analytics_query.h"
#include "api/responses.h"
#include "api/table.h"

namespace gw::api {

/// One row of an answer.
struct Point {
  std::int64_t bucket_start_ns = 0;
  std::string group;
  store::Figures figures;
};

using PointColumn = Column<Point>;

struct PointList {
  std::vector<Point> points;
  bool truncated = false;                           ///< groups beyond the limit were left out
  std::optional<std::int64_t> partial_before_ns{};  ///< traces before it are missing: see store/analytics_partial.h
  std::int64_t from_ns = 0, to_ns = -1;  ///< the range, both ends closed and inclusive; empty when nothing can be in it
};

/// What the groups beyond the limit are measured by.
using Measure = std::int64_t (*)(const store::Figures&);

/// The rows that `request` asks for, by bucket, then group. The error is an answer. `wanted` names the percentiles to
/// fill in.
struct Wanted {
  bool latency = false, time_to_first_token = false;
  bool skip_blank = false;  ///< traces without such a value are left out
};
tl::expected<PointList, ApiResponse> ask_analytics(const Call& call, const AnalyticsRequest& request, Wanted wanted,
                                                   Measure measure);

/// `{"group_by"?,"bucket"?,"items":[…],"tz"?,"truncated"?,"partial_before"?}`, or the items as CSV.
ApiResponse list_answer(const AnalyticsRequest& request, const PointList& list, std::span<const PointColumn> columns,
                        std::string_view file_name);

/// `bucket_start`, `group` and the rest, as far as the request has them.
std::vector<PointColumn> with_place(const AnalyticsRequest& request, std::span<const PointColumn> figures);

/// What CSV cannot say of the list that an answer is made of.
void add_list_headers(ApiResponse& answer, const PointList& list);
void write_partial(JsonWriter& w, const PointList& list);

/// One object, made of `list`, or one line of CSV.
template <class Row>
ApiResponse single_answer(const AnalyticsRequest& request, const PointList& list, const Row& row,
                          std::span<const Column<Row>> columns, std::string_view file_name) {
  ApiResponse answer;
  if (request.csv) {
    answer = csv_response(csv_text<Row>(columns, {&row, 1}), file_name);
    add_list_headers(answer, list);
  } else {
    std::string out;
    JsonWriter w(out);
    w.begin_object();
    write_fields<Row>(w, columns, row);
    write_partial(w, list);
    w.end_object();
    answer = json_response(200, out += '\n');
  }
  answer.headers.emplace_back("Vary", "Accept");
  return answer;
}

}  // namespace gw::api
