#include "store/figures.h"

#include <algorithm>
#include <array>

#include "store/varint.h"

namespace gw::store {
namespace {

using Field = std::int64_t Figures::*;

/// By position: stored. Those at the end of the list that a reader does not know make the sums malformed.
constexpr std::array<Field, 20> kSums = {
    &Figures::requests,          &Figures::errors_4xx,         &Figures::errors_5xx,
    &Figures::input_tokens,      &Figures::output_tokens,      &Figures::total_tokens,
    &Figures::cost_nano_usd,     &Figures::latency_ms_sum,     &Figures::latency_ms_min,
    &Figures::latency_ms_max,    &Figures::ttft_ms_sum,        &Figures::ttft_requests,
    &Figures::cache_read_tokens, &Figures::cache_write_tokens, &Figures::cache_saved_nano_usd,
    &Figures::unpriced,          &Figures::estimated,          &Figures::generated_tokens,
    &Figures::generation_ms,     &Figures::last_created_at_ns,
};

void add(std::int64_t& to, std::int64_t v) { to = saturating_add(to, v); }

/// What is no sum.
struct Bounds {
  std::int64_t least = 0, greatest = 0, last = 0;
};

Bounds widened(const Figures& by, const Bounds& b) {
  if (by.requests == 0) return b;
  return {std::min(by.latency_ms_min, b.least), std::max(by.latency_ms_max, b.greatest),
          std::max(by.last_created_at_ns, b.last)};
}

void set(Figures& to, const Bounds& b) {
  to.latency_ms_min = b.least;
  to.latency_ms_max = b.greatest;
  to.last_created_at_ns = b.last;
}

}  // namespace

void add_sums(Figures& to, const RowNumbers& r) {
  set(to, widened(to, {r.latency_ms, r.latency_ms, r.created_at_ns}));
  add(to.requests, 1);
  add(to.errors_4xx, r.status >= 400 && r.status <= 499 ? 1 : 0);
  add(to.errors_5xx, r.status >= 500 ? 1 : 0);
  add(to.input_tokens, r.input_tokens);
  add(to.output_tokens, r.output_tokens);
  add(to.total_tokens, r.total_tokens);
  add(to.cost_nano_usd, r.cost_nano_usd);
  add(to.latency_ms_sum, r.latency_ms);
  if (r.ttft_ms > 0) {
    add(to.ttft_ms_sum, r.ttft_ms);
    add(to.ttft_requests, 1);
  }
  add(to.cache_read_tokens, r.cache_read_tokens);
  add(to.cache_write_tokens, r.cache_write_tokens);
  add(to.cache_saved_nano_usd, r.cache_saved_nano_usd);
  add(to.unpriced, r.unpriced ? 1 : 0);
  add(to.estimated, r.estimated ? 1 : 0);
  if (r.status < 400 && r.output_tokens > 0) {
    add(to.generated_tokens, r.output_tokens);
    add(to.generation_ms,
        r.latency_ms > 0 ? std::max<std::int64_t>(0, r.latency_ms - std::max<std::int64_t>(0, r.ttft_ms)) : 0);
  }
}

void merge_sums(Figures& to, const Figures& other) {
  if (other.requests == 0) return;
  const Bounds bounds = widened(to, {other.latency_ms_min, other.latency_ms_max, other.last_created_at_ns});
  for (const Field f : kSums) add(to.*f, other.*f);
  set(to, bounds);
}

void Figures::merge(const Figures& other) {
  merge_sums(*this, other);
  latency_ms.merge(other.latency_ms);
  ttft_ms.merge(other.ttft_ms);
}

void add_row(Figures& to, const RowNumbers& row) {
  add_sums(to, row);
  to.latency_ms.add(row.latency_ms);
  if (row.ttft_ms > 0) to.ttft_ms.add(row.ttft_ms);
}

void encode_sums(const Figures& figures, std::string& out) {
  std::uint64_t present = 0;
  for (std::size_t i = 0; i < kSums.size(); ++i) present |= std::uint64_t{figures.*kSums[i] != 0} << i;
  put_varint(out, present);
  for (const Field f : kSums)
    if (figures.*f != 0) put_signed(out, figures.*f);
}

bool decode_sums(std::string_view& in, Figures& out) {
  std::uint64_t present = 0;
  if (!take_varint(in, present) || present >> kSums.size() != 0) return false;
  for (std::size_t i = 0; i < kSums.size(); ++i) {
    out.*kSums[i] = 0;
    if ((present >> i & 1) != 0 && !take_signed(in, out.*kSums[i])) return false;
  }
  return true;
}

}  // namespace gw::store
