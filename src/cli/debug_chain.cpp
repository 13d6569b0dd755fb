#include "cli/debug_chain.h"

#include <algorithm>
#include <map>

#include "base/json_writer.h"
#include "base/strings.h"
#include "store/lineage_order.h"

namespace gw::cli {
namespace {

constexpr int kPage = 200;

const store::TenantScope& everyone() {
  static const store::TenantScope scope = store::TenantScope::all();
  return scope;
}

Checkpoint checkpoint_of(Trace trace) {
  Checkpoint c;
  c.metadata = api::parse_json(trace.metadata);
  c.lineage = api::lineage_of(trace, c.metadata ? &*c.metadata : nullptr);
  c.trace = std::move(trace);
  return c;
}

store::TraceFilter chain_filter(const std::string& group, const std::string& thread, const std::string& run) {
  store::TraceFilter f;
  f.trace_group_id = group;
  f.thread_id = thread;
  f.run_id = run;
  return f;
}

/// By id, else the newest of the selected ones, else the newest of all.
Result<Trace> find_source(store::TraceReader& reader, const DebugSelection& s) {
  std::string id = s.trace_id;
  if (id.empty()) {
    std::optional<store::TraceCursor> after;
    do {
      const auto page = reader.list(everyone(), chain_filter(s.trace_group_id, s.thread_id, s.run_id), after, 1);
      if (!page) return fail("failed to resolve source trace: " + page.error().message);
      after = page->next();
      if (!page->items.empty()) id = page->items.front().id;  // list items come without metadata and bodies
    } while (id.empty() && after);
    if (id.empty()) return fail("no traces found in storage");
  }
  auto found = reader.find(everyone(), id);
  if (!found) return fail("failed to resolve source trace: " + found.error().message);
  if (!*found) return fail("trace not found");
  return std::move(**found);
}

/// The newest `limit` traces of the chain, whole.
Result<std::vector<Trace>> read_chain(store::TraceReader& reader, const store::TraceFilter& filter, int limit,
                                      bool& more) {
  std::vector<std::string> ids;
  std::optional<store::TraceCursor> after;
  do {
    const int wanted = std::min(kPage, limit - static_cast<int>(ids.size()));
    const auto page = reader.list(everyone(), filter, after, wanted);
    if (!page) return tl::make_unexpected(page.error());
    for (const Trace& t : page->items) ids.push_back(t.id);
    after = page->next();
    more = after.has_value();
  } while (more && static_cast<int>(ids.size()) < limit);

  std::vector<Trace> out;
  for (const std::string& id : ids) {
    auto found = reader.find(everyone(), id);
    if (!found) return tl::make_unexpected(found.error());
    if (*found) out.push_back(std::move(**found));  // it may have been removed since
  }
  return out;
}

std::string identifier_of(const DebugSelection& s, const api::Lineage& source) {
  if (!s.by_chain()) {
    if (!source.group_id.empty()) return "trace_group_id";
    if (!source.thread_id.empty()) return "lineage_thread_id";
    return source.run_id.empty() ? "(single trace)" : "lineage_run_id";
  }
  const int selectors = !s.trace_group_id.empty() + !s.thread_id.empty() + !s.run_id.empty();
  if (selectors > 1) return "composite_filter";
  if (!s.trace_group_id.empty()) return "trace_group_id";
  return s.thread_id.empty() ? "lineage_run_id" : "lineage_thread_id";
}

/// Keys with their values as canonical JSON.
std::map<std::string, std::string> members(const Checkpoint& c) {
  std::map<std::string, std::string> out;
  if (!c.metadata || c.metadata->kind != api::JsonValue::Kind::object) return out;
  for (std::size_t i = 0; i < c.metadata->keys.size(); ++i)
    api::append_json(out[c.metadata->keys[i]], c.metadata->items[i]);
  return out;
}

CheckpointDiff diff_of(const Checkpoint& from, const Checkpoint& to) {
  CheckpointDiff d{.from = &from, .to = &to, .keys_added = {}, .keys_removed = {}, .keys_changed = {}};
  const auto before = members(from), after = members(to);
  for (const auto& [key, value] : before) {
    const auto now = after.find(key);
    if (now == after.end())
      d.keys_removed.push_back(key);
    else if (now->second != value)
      d.keys_changed.push_back(key);
  }
  for (const auto& [key, value] : after)
    if (!before.contains(key)) d.keys_added.push_back(key);
  return d;
}

}  // namespace

std::string metadata_object(const Checkpoint& c) {
  std::string out;
  if (c.metadata && c.metadata->kind == api::JsonValue::Kind::object) {
    if (!c.metadata->keys.empty()) api::append_json(out, *c.metadata);
  } else if (!trim(c.trace.metadata).empty()) {
    JsonWriter(out).begin_object().field("raw", c.trace.metadata).end_object();
  }
  return out;
}

std::int64_t CheckpointDiff::delta(std::int64_t Trace::* figure) const {
  const std::int64_t a = from->trace.*figure, b = to->trace.*figure;
  std::int64_t out = 0;
  return __builtin_sub_overflow(b, a, &out) ? (b < a ? INT64_MIN : INT64_MAX) : out;
}

const Checkpoint& DebugChain::source() const {
  return *std::find_if(checkpoints.begin(), checkpoints.end(), [&](const auto& c) { return c.trace.id == source_id; });
}

std::vector<CheckpointDiff> DebugChain::diffs() const {
  std::vector<CheckpointDiff> out;
  if (!options.diff) return out;
  for (std::size_t i = 1; i < checkpoints.size(); ++i) out.push_back(diff_of(checkpoints[i - 1], checkpoints[i]));
  return out;
}

Result<DebugChain> build_debug_chain(store::TraceReader& reader, const DebugSelection& selection,
                                     const DebugOptions& options) {
  auto found = find_source(reader, selection);
  if (!found) return tl::make_unexpected(found.error());
  const Checkpoint source = checkpoint_of(std::move(*found));

  DebugChain chain;
  chain.selection = selection;
  chain.options = options;
  chain.source_id = source.trace.id;
  chain.identifier = identifier_of(selection, source.lineage);
  const bool filtered = selection.by_chain();
  chain.group_id = filtered ? selection.trace_group_id : source.lineage.group_id;
  chain.thread_id = filtered ? selection.thread_id : source.lineage.thread_id;
  chain.run_id = filtered ? selection.run_id : source.lineage.run_id;

  std::vector<Trace> traces;
  if (!chain.group_id.empty() || !chain.thread_id.empty() || !chain.run_id.empty()) {
    auto read =
        read_chain(reader, chain_filter(chain.group_id, chain.thread_id, chain.run_id), options.limit, chain.truncated);
    if (!read) return fail("failed to build debug chain: " + read.error().message);
    traces = std::move(*read);
  }
  const bool there = std::any_of(traces.begin(), traces.end(), [&](const Trace& t) { return t.id == chain.source_id; });
  if (!there) traces.push_back(source.trace);
  store::order_by_lineage(traces);
  for (Trace& t : traces) chain.checkpoints.push_back(checkpoint_of(std::move(t)));
  return chain;
}

}  // namespace gw::cli
