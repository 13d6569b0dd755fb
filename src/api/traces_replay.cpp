// How a trace came about: the checkpoints of its lineage up to a chosen one.
#include <algorithm>

#include "api/handlers.h"
#include "api/responses.h"
#include "api/trace_json.h"
#include "store/lineage_order.h"

namespace gw::api {
namespace {

constexpr std::size_t kDefaultCheckpoints = 200, kMaxCheckpoints = 500;
constexpr int kPage = 200;

struct Replay {
  Trace source;
  Lineage lineage;  ///< the source's, with what the caller put in its place
  std::vector<Trace> checkpoints;
  bool cut = false;  ///< the group has more
};

/// The newest `limit` of the source's group. Their metadata, which the order depends on, is read one by one: pages have
/// none. Bodies are let go at once, so that a group of large ones does not meet in memory.
Result<void> fetch_group(const Call& call, Replay& r, std::size_t limit) {
  const store::TraceFilter filter{
      .trace_group_id = r.lineage.group_id, .thread_id = r.lineage.thread_id, .run_id = r.lineage.run_id};
  std::optional<store::TraceCursor> after;
  std::vector<Trace> listed;
  for (bool more = true; more && listed.size() < limit;) {
    const int want = static_cast<int>(std::min<std::size_t>(kPage, limit - listed.size()));
    auto page = call.traces().list(call.scope(), filter, after, want);
    if (!page) return tl::make_unexpected(page.error());
    after = page->next();
    r.cut = more = after.has_value();
    std::move(page->items.begin(), page->items.end(), std::back_inserter(listed));
  }
  for (const Trace& item : listed) {
    auto whole = call.traces().find(call.scope(), item.id);
    if (!whole) return tl::make_unexpected(whole.error());
    if (!*whole) continue;  // gone meanwhile
    Trace& t = **whole;
    for (std::string* body : {&t.request_headers, &t.request_body, &t.response_headers, &t.response_body})
      std::string().swap(*body);
    r.checkpoints.push_back(std::move(t));
  }
  return {};
}

ApiResponse answer(const Call& call, const Replay& r, std::size_t target, const Trace& target_trace) {
  const Trace& last = r.checkpoints[target];
  Lineage lineage = lineage_of(last);
  if (lineage.group_id.empty()) lineage.group_id = r.lineage.group_id;
  if (lineage.thread_id.empty()) lineage.thread_id = r.lineage.thread_id;
  if (lineage.run_id.empty()) lineage.run_id = r.lineage.run_id;
  std::string out;
  JsonWriter w(out);
  w.begin_object().field("source_trace_id", call.id).field("target_checkpoint_id", last.id).key("lineage");
  write_lineage(w, lineage);
  w.key("checkpoints").begin_array();
  for (std::size_t i = 0; i <= target; ++i) write_checkpoint(w, r.checkpoints[i], lineage_of(r.checkpoints[i]));
  w.end_array().field("truncated", r.cut && target + 1 == r.checkpoints.size()).key("target_trace");
  write_trace_detail(w, target_trace);
  w.end_object();
  return json_response(200, out += '\n');
}

}  // namespace

ApiResponse replay_trace(const Call& call) {
  auto source = call.traces().find(call.scope(), call.id);
  if (!source) return call.store_failed("read trace", source.error(), "failed to read trace");
  if (!*source) return error_response(404, "trace not found");
  const auto limit = call.params.integer("limit", 0, kMaxCheckpoints);
  if (!limit) return error_response(400, limit.error().message);

  Replay r{.source = std::move(**source), .lineage = {}, .checkpoints = {}};
  r.lineage = lineage_of(r.source);
  if (const std::string_view thread = call.params.get("thread_id"); !thread.empty()) r.lineage.thread_id = thread;
  if (const std::string_view run = call.params.get("run_id"); !run.empty()) r.lineage.run_id = run;
  if (!r.lineage.group_id.empty()) {
    const std::size_t most = limit->value_or(0) == 0 ? kDefaultCheckpoints : static_cast<std::size_t>(**limit);
    if (const auto ok = fetch_group(call, r, most); !ok)
      return call.store_failed("query replay checkpoints", ok.error(), "failed to query replay checkpoints");
  }
  const auto place_of = [&](std::string_view id) {
    return std::find_if(r.checkpoints.begin(), r.checkpoints.end(), [&](const Trace& t) { return t.id == id; });
  };
  if (place_of(r.source.id) == r.checkpoints.end()) r.checkpoints.push_back(r.source);
  store::order_by_lineage(r.checkpoints);

  const std::string_view asked = call.params.get("checkpoint_id");
  const auto target = place_of(asked.empty() ? std::string_view(r.source.id) : asked);
  if (target == r.checkpoints.end()) return error_response(404, "checkpoint not found");
  const auto at = static_cast<std::size_t>(target - r.checkpoints.begin());
  if (target->id == r.source.id) return answer(call, r, at, r.source);
  const auto whole = call.traces().find(call.scope(), target->id);
  if (!whole) return call.store_failed("read trace", whole.error(), "failed to query replay checkpoints");
  if (!*whole) return error_response(404, "checkpoint not found");
  return answer(call, r, at, **whole);
}

}  // namespace gw::api
