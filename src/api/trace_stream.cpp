// GET /api/traces/stream: new traces as server-sent events.
#include <algorithm>

#include "api/export.h"
#include "api/export_place.h"
#include "api/export_query.h"
#include "api/responses.h"
#include "base/strings.h"

namespace gw::api {
namespace {

/// Each event's id is the cursor behind its trace; heartbeats have one too, so that a client whose filter seldom fits
/// does not fall behind.
class EventSource final : public ChunkSource {
 public:
  EventSource(store::TenantScope scope, ExportQuery query, ExportCursor from, Clock clock)
      : scope_(std::move(scope)), query_(std::move(query)), place_(from), clock_(clock) {}

  Chunk next(store::TraceReader& traces) override;
  bool endless() const override { return true; }

 private:
  void append_place(std::string& out) const {
    out += "id: ";
    append_export_cursor(out, place_);
    out += '\n';
  }
  void append_event(std::string& out, const Trace& t) const {
    out += "id: ";
    ExportCursor c = place_;
    c.seq = t.seq;
    append_export_cursor(out, c);
    out += "\nevent: trace\ndata: ";
    append_export_object(out, t, query_.fields, &place_);
    out += "\n\n";
  }

  const store::TenantScope scope_;
  const ExportQuery query_;
  ExportCursor place_;
  const Clock clock_;
  std::int64_t heartbeat_mono_ns_ = 0;  ///< when the next is due; 0: nothing was sent yet
};

Chunk EventSource::next(store::TraceReader& traces) {
  Chunk chunk;
  if (heartbeat_mono_ns_ == 0) {
    chunk.bytes = ": traces\n";
    append_place(chunk.bytes);
    chunk.bytes += '\n';
  }
  const std::size_t without_events = chunk.bytes.size();
  const auto end =
      traces.export_rows(scope_, query_.filter, place_.seq, INT64_MAX, query_.fields.columns(), [&](const Trace& t) {
        append_event(chunk.bytes, t);
        return chunk.bytes.size() < kChunkBytes;
      });
  const auto state = end ? traces.sequence() : tl::make_unexpected(end.error());
  if (!state) return {.bytes = {}, .then = Chunk::Then::failed, .error = state.error().message};
  if (state->epoch != place_.epoch) return {.bytes = {}, .then = Chunk::Then::failed, .error = "another database"};
  if (is_gone(place_, *state)) {
    chunk.bytes.resize(without_events);
    chunk.bytes.append("event: gone\ndata: ").append(gone_text(place_, *state)).append("\n\n");
    chunk.then = Chunk::Then::end;
    return chunk;
  }
  place_ = informed(place_, *state);
  place_.seq = std::max(place_.seq, end->last_seq);
  const std::int64_t now = clock_.mono_ns();
  if (chunk.bytes.empty() && now >= heartbeat_mono_ns_) {
    chunk.bytes = ":\n";
    append_place(chunk.bytes);
    chunk.bytes += '\n';
  }
  if (!chunk.bytes.empty()) heartbeat_mono_ns_ = now + kHeartbeatNs;
  chunk.then = end->more ? Chunk::Then::more : Chunk::Then::wait;
  chunk.wait_ns = std::max<std::int64_t>(heartbeat_mono_ns_ - now, 1);
  return chunk;
}

}  // namespace

ApiResponse stream_traces(const ApiDeps& deps, const ApiRequest& request) {
  if (deps.traces == nullptr) return error_response(503, "trace store is not configured");
  const QueryParams params(request.query);
  ExportQuery query;
  const auto fields = ExportFields::parse(params.get("fields"));
  if (!fields) return error_response(400, fields.error().message);
  query.fields = *fields;
  auto filter = parse_trace_filter(params);
  if (!filter) return error_response(400, filter.error().message);
  query.filter = std::move(*filter);
  const auto state = deps.traces->sequence();
  if (!state) {
    if (deps.on_error) deps.on_error("export traces", state.error().message);
    return failed_read(*deps.traces, "failed to export traces");
  }
  ExportCursor from = last_place(*state);
  // A browser sends the header by itself when it comes back; then it knows better than the address.
  std::string_view last_id = trim(request.last_event_id);
  if (last_id.empty()) last_id = params.get("last_event_id");
  if (!last_id.empty()) {
    const auto cursor = decode_export_cursor(last_id);
    if (!cursor) return error_response(400, cursor.error().message);
    if (auto refused = refuse_place(*cursor, *state)) return std::move(*refused);
    from = informed(*cursor, *state);
  }
  ApiResponse r;
  r.headers.emplace_back("Content-Type", "text/event-stream");
  r.headers.emplace_back("Cache-Control", "no-cache");
  r.headers.emplace_back("X-Accel-Buffering", "no");  // nginx would hold events back
  r.source = std::make_unique<EventSource>(request.scope ? *request.scope : store::TenantScope::all(), std::move(query),
                                           from, deps.clock);
  return r;
}

}  // namespace gw::api
