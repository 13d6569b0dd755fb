#include "api/export.h"

#include <algorithm>

#include "api/content_coding.h"
#include "api/export_place.h"
#include "api/export_query.h"
#include "api/responses.h"
#include "base/json_writer.h"
#include "base/time_format.h"

namespace gw::api {
namespace {

constexpr std::size_t kWorthCoding = 1024;

store::TenantScope scope_of(const ApiRequest& r) { return r.scope ? *r.scope : store::TenantScope::all(); }

ApiResponse failed(const ApiDeps& deps, const Error& error) {
  if (deps.on_error) deps.on_error("export traces", error.message);
  return failed_read(*deps.traces, "failed to export traces");
}

/// Lines of NDJSON or CSV up to a row that was the last when the answer began.
class LineSource final : public ChunkSource {
 public:
  LineSource(store::TenantScope scope, ExportQuery query, ExportCursor from, std::int64_t last, ContentCoding coding)
      : scope_(std::move(scope)),
        query_(std::move(query)),
        place_(from),
        last_(last),
        left_(query_.limit > 0 ? query_.limit : INT64_MAX),
        encoder_(coding) {}

  Chunk next(store::TraceReader& traces) override;

 private:
  Result<bool> read(store::TraceReader& traces, std::string& out);
  Chunk failure(std::string why) { return {.bytes = {}, .then = Chunk::Then::failed, .error = std::move(why)}; }

  const store::TenantScope scope_;
  const ExportQuery query_;
  ExportCursor place_;
  const std::int64_t last_;
  std::int64_t left_;  ///< rows that may still come
  bool begun_ = false;
  ContentEncoder encoder_;
  std::string plain_;  ///< what is to be encoded; kept for its memory
};

/// Appends rows; true when there are no more of them.
Result<bool> LineSource::read(store::TraceReader& traces, std::string& out) {
  bool passed_end = false;
  std::int64_t rows = 0;
  const auto end =
      traces.export_rows(scope_, query_.filter, place_.seq, left_, query_.fields.columns(), [&](const Trace& t) {
        passed_end = t.seq > last_;
        if (passed_end) return false;
        if (query_.format == ExportFormat::csv)
          append_csv_row(out, t, query_.fields, &place_);
        else
          append_ndjson(out, t, query_.fields, &place_);
        ++rows;
        return out.size() < kChunkBytes;
      });
  if (!end) return tl::make_unexpected(end.error());
  left_ -= rows;
  // Only now: what was removed since the last piece may be missing in this one.
  const auto state = traces.sequence();
  if (!state) return tl::make_unexpected(state.error());
  if (state->epoch != place_.epoch) return fail("the database was replaced");
  if (is_gone(place_, *state)) return fail("retention removed traces before they were exported");
  place_ = informed(place_, *state);
  place_.seq = std::max(place_.seq, std::min(end->last_seq, last_));
  return passed_end || !end->more || left_ <= 0 || place_.seq >= last_;
}

Chunk LineSource::next(store::TraceReader& traces) {
  Chunk chunk;
  std::string& out = encoder_.idle() ? chunk.bytes : plain_;
  out.clear();
  out.reserve(kChunkBytes + 4096);
  if (!begun_ && query_.format == ExportFormat::csv) append_csv_header(out, query_.fields);
  begun_ = true;
  const auto done = read(traces, out);
  if (!done) return failure(done.error().message);
  if (!encoder_.idle() && !encoder_.append(chunk.bytes, out, *done)) return failure("out of memory for a coding");
  chunk.then = *done ? Chunk::Then::end : Chunk::Then::more;
  return chunk;
}

void add_representation_headers(ApiResponse& r, ContentCoding coding) {
  if (coding != ContentCoding::identity) r.headers.emplace_back("Content-Encoding", to_string(coding));
  r.headers.emplace_back("Vary", "Accept, Accept-Encoding");
  r.headers.emplace_back("Cache-Control", "no-store");
}

ApiResponse line_stream(const ApiRequest& request, ExportQuery query, const ExportCursor& from,
                        const store::SequenceState& state, std::int64_t safe_until_ns) {
  ApiResponse r;
  r.headers.emplace_back("Content-Type", query.format == ExportFormat::csv ? "text/csv; charset=utf-8; header=present"
                                                                           : "application/x-ndjson");
  const ContentCoding coding = choose_coding(request.accept_encoding);
  add_representation_headers(r, coding);
  // Where a stream without a limit ends is known before it begins.
  if (query.limit == 0) {
    r.headers.emplace_back("X-OngoingAI-Next-Cursor", encode_export_cursor(informed(last_place(state), state)));
    if (safe_until_ns > 0) r.headers.emplace_back("X-OngoingAI-Safe-Until", format_rfc3339(safe_until_ns));
    r.headers.emplace_back("Access-Control-Expose-Headers", "X-OngoingAI-Next-Cursor, X-OngoingAI-Safe-Until");
  }
  r.source = std::make_unique<LineSource>(scope_of(request), std::move(query), from, state.last, coding);
  return r;
}

struct Page {
  std::string items;  ///< objects separated by commas
  std::int64_t rows = 0;
  ExportCursor place;  ///< behind them
  bool more = false;
};

Result<Page> read_page(store::TraceReader& traces, const store::TenantScope& scope, const ExportQuery& query,
                       const ExportCursor& from) {
  Page page{.items = {}, .rows = 0, .place = from, .more = false};
  const auto end =
      traces.export_rows(scope, query.filter, from.seq, query.limit, query.fields.columns(), [&](const Trace& t) {
        if (page.rows++ > 0) page.items += ',';
        append_export_object(page.items, t, query.fields, &from);
        return page.items.size() < kPageBytes;
      });
  if (!end) return tl::make_unexpected(end.error());
  page.place.seq = std::max(from.seq, end->last_seq);
  page.more = end->more;
  return page;
}

ApiResponse page_response(const ApiRequest& request, const Page& page, std::int64_t safe_until_ns) {
  std::string body;
  JsonWriter w(body);
  w.begin_object().key("items").begin_array();
  if (page.rows > 0) w.raw(page.items);
  w.end_array().field("next_cursor", encode_export_cursor(page.place)).field("has_more", page.more);
  if (!page.more && safe_until_ns > 0) w.field("safe_until", format_rfc3339(safe_until_ns));
  w.end_object();
  body += '\n';
  ContentCoding coding = choose_coding(request.accept_encoding);
  if (body.size() < kWorthCoding) coding = ContentCoding::identity;
  ApiResponse r = json_response(200, {});
  add_representation_headers(r, coding);
  if (coding == ContentCoding::identity) {
    r.body = std::move(body);
  } else if (ContentEncoder encoder(coding); !encoder.append(r.body, body, true)) {
    return error_response(500, "failed to export traces");
  }
  return r;
}

/// Nothing for the query is stored behind `place`, and whoever asked is ready to wait for it.
std::optional<ApiResponse> wait_response(const ApiRequest& request, const ExportQuery& query, std::int64_t seen) {
  if (!request.may_wait || query.wait_s == 0 || request.method == "HEAD") return std::nullopt;
  ApiResponse r;
  r.wait = ApiWait{.for_ns = query.wait_s * kSecondNs, .resume = seen};
  return r;
}

ApiResponse answer_page(const ApiDeps& deps, const ApiRequest& request, const ExportQuery& query,
                        const ExportCursor& from, std::int64_t safe_until_ns) {
  auto page = read_page(*deps.traces, scope_of(request), query, from);
  if (!page) return failed(deps, page.error());
  if (page->rows == 0 && !page->more)
    if (auto wait = wait_response(request, query, page->place.seq)) return std::move(*wait);
  // Again, behind the rows: what was removed in between may be missing in them.
  const auto state = deps.traces->sequence();
  if (!state) return failed(deps, state.error());
  if (auto refused = refuse_place(from, *state)) return std::move(*refused);
  page->place = informed(page->place, *state);
  return page_response(request, *page, safe_until_ns);
}

ApiResponse answer_stream(const ApiDeps& deps, const ApiRequest& request, ExportQuery query, ExportCursor from,
                          const store::SequenceState& state, std::int64_t safe_until_ns) {
  if (query.wait_s > 0) {
    bool any = false;
    const auto end = deps.traces->export_rows(scope_of(request), query.filter, from.seq, 1, {}, [&](const Trace&) {
      any = true;
      return false;
    });
    if (!end) return failed(deps, end.error());
    // Before the place moves on: what was removed since may have been behind it.
    const auto now = deps.traces->sequence();
    if (!now) return failed(deps, now.error());
    if (auto refused = refuse_place(from, *now)) return std::move(*refused);
    from.seq = std::max(from.seq, std::min(end->last_seq - (any ? 1 : 0), state.last));
    if (!any && !end->more)
      if (auto wait = wait_response(request, query, from.seq)) return std::move(*wait);
  }
  return line_stream(request, std::move(query), from, state, safe_until_ns);
}

}  // namespace

ApiResponse export_traces(const ApiDeps& deps, const ApiRequest& request) {
  if (deps.traces == nullptr) return error_response(503, "trace store is not configured");
  auto query = parse_export_query(QueryParams(request.query), request.accept);
  if (!query) return error_response(400, query.error().message);
  // Before anything is read: what is stored up to here is seen by all that follows.
  const std::int64_t safe_until_ns = deps.complete_until_ns ? deps.complete_until_ns() : 0;
  const auto state = deps.traces->sequence();
  if (!state) return failed(deps, state.error());
  ExportCursor from = query->after.value_or(first_place(*state));
  from.seq = std::max(from.seq, std::min(request.resume, state->last));
  if (auto refused = refuse_place(from, *state)) return std::move(*refused);
  from = informed(from, *state);
  if (query->format == ExportFormat::json) return answer_page(deps, request, *query, from, safe_until_ns);
  return answer_stream(deps, request, std::move(*query), from, *state, safe_until_ns);
}

}  // namespace gw::api
