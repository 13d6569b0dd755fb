#include "store/trace_table.h"

namespace gw::store {

std::int64_t shifted(std::int64_t ns, std::int64_t by) {
  std::int64_t out = 0;
  return __builtin_add_overflow(ns, by, &out) ? (by < 0 ? INT64_MIN : INT64_MAX) : out;
}

}  // namespace gw::store
