// The list of traces and one of them.
#include "api/accept.h"
#include "api/handlers.h"
#include "api/responses.h"
#include "api/trace_json.h"
#include "store/trace_cursor.h"

namespace gw::api {
namespace {

/// Where the next page begins; empty on the last one.
std::string next_cursor(const store::TracePage& page) {
  const auto next = page.next();
  return next ? store::encode_cursor(*next) : std::string();
}

std::string page_body(const store::TracePage& page) {
  std::string out;
  JsonWriter w(out);
  w.begin_object().key("items");
  write_rows<Trace>(w, trace_columns(), page.items);
  w.field_if("next_cursor", next_cursor(page));
  if (page.cut_at) w.field("partial", true);
  w.end_object();
  return out += '\n';
}

}  // namespace

ApiResponse list_traces(const Call& call) {
  const auto query = parse_trace_query(call.params);
  if (!query) return error_response(400, query.error().message);
  const auto csv = wants_csv(call);
  if (!csv) return error_response(400, csv.error().message);
  const auto page = call.traces().list(call.scope(), query->filter, query->after, query->limit);
  if (!page) return call.store_failed("query traces", page.error(), "failed to query traces");
  ApiResponse answer;
  if (*csv) {
    answer = csv_response(csv_text<Trace>(trace_columns(), page->items), "traces");
    if (std::string cursor = next_cursor(*page); !cursor.empty()) {
      answer.headers.emplace_back("X-Next-Cursor", std::move(cursor));
      if (page->cut_at) answer.headers.emplace_back("X-OngoingAI-Partial", "true");
      answer.headers.emplace_back("Access-Control-Expose-Headers",
                                  page->cut_at ? "X-Next-Cursor, X-OngoingAI-Partial" : "X-Next-Cursor");
    }
  } else {
    answer = json_response(200, page_body(*page));
  }
  answer.headers.emplace_back("Vary", "Accept");
  return answer;
}

ApiResponse trace_detail(const Call& call) {
  const auto trace = call.traces().find(call.scope(), call.id);
  if (!trace) return call.store_failed("read trace", trace.error(), "failed to read trace");
  if (!*trace) return error_response(404, "trace not found");
  std::string out;
  JsonWriter w(out);
  write_trace_detail(w, **trace);
  return json_response(200, out += '\n');
}

}  // namespace gw::api
