#pragma once
// The order in which the traces of one lineage are shown: parents before children, by checkpoint sequence where there
// is one (contract trace-model §5).
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "model/trace.h"

namespace gw::store {

/// What the order depends on. Views into the caller's trace.
struct LineageNode {
  std::string_view id;             ///< of the trace
  std::string_view metadata;       ///< stored JSON text; anything that is no object counts as empty
  std::int64_t order_time_ns = 0;  ///< created_at, else timestamp
};

LineageNode lineage_node(const Trace& trace);

/// Indices into `nodes`, first to last. Every index once, also where parents form a cycle. Quadratic at worst; meant
/// for the some hundred traces of one answer.
std::vector<std::size_t> lineage_order(std::span<const LineageNode> nodes);

/// Puts the traces themselves into that order.
void order_by_lineage(std::vector<Trace>& traces);

}  // namespace gw::store
