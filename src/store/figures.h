#pragma once
// What one row adds to Figures, and the sums of Figures in a compact form. The only place that defines them; roll-ups,
// blocks and single rows all come through here. The least and greatest of Figures without a request mean nothing.
#include <cstdint>
#include <string>
#include <string_view>

#include "store/analytic_row.h"
#include "store/analytics.h"

namespace gw::store {

/// Stops at the ends of 64 bits.
inline std::int64_t saturating_add(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? (b < 0 ? INT64_MIN : INT64_MAX) : sum;
}

/// Everything but the two histograms.
void add_sums(Figures& to, const RowNumbers& row);
void merge_sums(Figures& to, const Figures& other);

/// Also the histograms: every latency, and those times to first token that are above 0.
void add_row(Figures& to, const RowNumbers& row);

/// All sums, least and greatest, without the histograms; self-delimiting. Zeros cost a bit.
void encode_sums(const Figures& figures, std::string& out);
/// Takes encoded sums off the front of `in`. False, and `out` unspecified, when they are malformed.
bool decode_sums(std::string_view& in, Figures& out);

}  // namespace gw::store
