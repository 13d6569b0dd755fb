#pragma once
// The order of lists: newest first, by id among rows of one time. Pure.
#include "store/trace_store.h"

namespace gw::store {

/// Whether `t` comes behind a position in the order of lists.
inline bool precedes(const Trace& t, const TraceCursor& c) {
  return t.created_at_ns != c.created_at_ns ? t.created_at_ns < c.created_at_ns : t.id < c.id;
}
inline bool newer(const Trace& a, const Trace& b) {
  return a.created_at_ns != b.created_at_ns ? a.created_at_ns > b.created_at_ns : a.id > b.id;
}

/// Whether the filter is about times only, or nothing.
bool only_times(const TraceFilter& f);
/// Whether any row may be left out.
bool has_conditions(const TenantScope& scope, const TraceFilter& f);

}  // namespace gw::store
