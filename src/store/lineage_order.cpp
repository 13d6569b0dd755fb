#include "store/lineage_order.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <queue>
#include <string>
#include <tuple>
#include <utility>

#include "base/strings.h"
#include "store/metadata_text.h"

namespace gw::store {
namespace {

constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

struct Checkpoint {
  std::string id, parent_id;
  std::int64_t seq = 0;  ///< 0: none
  std::size_t parent = kNone;
  std::vector<std::size_t> children{};
};

/// A number or the text of one; 0 when it is neither, or not above 0.
std::int64_t sequence_of(std::string_view value) {
  const std::string text = value.starts_with('"') ? json_text(value) : std::string(value);
  const std::string_view s = trim(text);
  const char* const end = s.data() + s.size();
  std::int64_t whole = 0;
  if (const auto r = std::from_chars(s.data(), end, whole); r.ec == std::errc{} && r.ptr == end)
    return std::max<std::int64_t>(whole, 0);
  double number = 0;  // 3.0 and 3e0 are the number 3 too
  const auto r = std::from_chars(s.data(), end, number);
  if (value.starts_with('"') || r.ec != std::errc{} || r.ptr != end || !(number >= 1) || number >= 9e18) return 0;
  return static_cast<std::int64_t>(number);
}

Checkpoint checkpoint_of(const LineageNode& node) {
  Checkpoint c;
  if (const auto members = json_members(node.metadata)) {
    const auto text = [&](std::string_view key) { return std::string(trim(json_text(find_member(*members, key)))); };
    c.id = text("lineage_checkpoint_id");
    c.parent_id = text("lineage_parent_checkpoint_id");
    c.seq = sequence_of(find_member(*members, "lineage_checkpoint_seq"));
  }
  if (c.id.empty()) c.id = node.id;
  return c;
}

std::vector<Checkpoint> linked(std::span<const LineageNode> nodes) {
  std::vector<Checkpoint> out;
  out.reserve(nodes.size());
  std::map<std::string_view, std::size_t> by_id;
  for (const LineageNode& node : nodes) out.push_back(checkpoint_of(node));
  for (std::size_t i = 0; i < out.size(); ++i) by_id.try_emplace(out[i].id, i);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto parent = out[i].parent_id.empty() ? by_id.end() : by_id.find(out[i].parent_id);
    if (parent == by_id.end() || parent->second == i) continue;
    out[i].parent = parent->second;
    out[parent->second].children.push_back(i);
  }
  return out;
}

bool take_from_parents(std::vector<Checkpoint>& all) {
  bool changed = false;
  for (Checkpoint& c : all) {
    if (c.seq != 0 || c.parent == kNone) continue;
    const std::int64_t parent = all[c.parent].seq;
    if (parent == 0 || parent == std::numeric_limits<std::int64_t>::max()) continue;
    c.seq = parent + 1;
    changed = true;
  }
  return changed;
}

bool take_from_children(std::vector<Checkpoint>& all) {
  bool changed = false;
  for (Checkpoint& c : all) {
    if (c.seq != 0) continue;
    std::int64_t least = 0;
    for (const std::size_t child : c.children)
      if (const std::int64_t seq = all[child].seq; seq > 1 && (least == 0 || seq - 1 < least)) least = seq - 1;
    c.seq = least;
    changed = changed || least != 0;
  }
  return changed;
}

/// Ends: each pass that changes something gives at least one checkpoint its number for good.
void infer_sequences(std::vector<Checkpoint>& all) {
  for (bool changed = true; changed;) {
    changed = take_from_parents(all);
    changed = take_from_children(all) || changed;
  }
}

/// The position of each node among all when parents did not matter.
std::vector<std::size_t> by_preference(std::span<const LineageNode> nodes, const std::vector<Checkpoint>& all) {
  std::vector<std::size_t> out(nodes.size());
  std::iota(out.begin(), out.end(), std::size_t{0});
  const auto key = [&](std::size_t i) {
    return std::tuple(all[i].seq == 0, all[i].seq, nodes[i].order_time_ns, nodes[i].id, i);
  };
  std::sort(out.begin(), out.end(), [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
  return out;
}

}  // namespace

LineageNode lineage_node(const Trace& trace) {
  return {.id = trace.id,
          .metadata = trace.metadata,
          .order_time_ns = trace.created_at_ns != 0 ? trace.created_at_ns : trace.timestamp_ns};
}

std::vector<std::size_t> lineage_order(std::span<const LineageNode> nodes) {
  std::vector<Checkpoint> all = linked(nodes);
  infer_sequences(all);
  const std::vector<std::size_t> preferred = by_preference(nodes, all);
  std::vector<std::size_t> rank(nodes.size());
  for (std::size_t r = 0; r < preferred.size(); ++r) rank[preferred[r]] = r;

  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;  // ranks
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].parent == kNone) ready.push(rank[i]);
  std::vector<std::size_t> out;
  out.reserve(nodes.size());
  std::vector<bool> placed(nodes.size());
  const auto place = [&](std::size_t i) {
    out.push_back(i);
    placed[i] = true;
  };
  while (!ready.empty()) {
    const std::size_t i = preferred[ready.top()];
    ready.pop();
    place(i);
    for (const std::size_t child : all[i].children) ready.push(rank[child]);
  }
  for (const std::size_t i : preferred)
    if (!placed[i]) place(i);
  return out;
}

void order_by_lineage(std::vector<Trace>& traces) {
  std::vector<LineageNode> nodes;
  nodes.reserve(traces.size());
  for (const Trace& t : traces) nodes.push_back(lineage_node(t));
  const std::vector<std::size_t> order = lineage_order(nodes);
  std::vector<Trace> out;
  out.reserve(traces.size());
  for (const std::size_t i : order) out.push_back(std::move(traces[i]));
  traces = std::move(out);
}

}  // namespace gw::store
