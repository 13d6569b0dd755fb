#include "provider/usage_totals.h"

#include <algorithm>

namespace gw::provider {
namespace {

using F = UsageField;

void replace(std::int64_t& running, std::int64_t later) {
  if (later > 0) running = later;
}

std::int64_t cache_writes(const RawUsage& raw) {
  return std::max(raw.count(F::cache_creation_input_tokens),
                  raw.count(F::cache_creation_5m) + raw.count(F::cache_creation_1h));
}

std::int64_t capped(std::int64_t tokens) { return std::min(tokens, kMaxTokens); }

}  // namespace

// The split by lifetime may be missing where the flat sum is given: then the sum counts as five minutes, except that it
// changes no split that it agrees with, and that writes known to be all of an hour stay so.
void UsageTotals::add_cache_writes(const RawUsage& raw) {
  const std::int64_t flat = raw.count(F::cache_creation_input_tokens);
  const std::int64_t m5 = raw.count(F::cache_creation_5m);
  const std::int64_t h1 = raw.count(F::cache_creation_1h);
  if (m5 > 0 || h1 > 0) {
    cache_write_1h_ = h1;
    cache_write_5m_ = std::max(m5, flat - h1);
  } else if (flat > 0 && flat != cache_write_5m_ + cache_write_1h_) {
    const bool all_1h = cache_write_5m_ == 0 && cache_write_1h_ > 0;
    cache_write_1h_ = all_1h ? flat : std::min(cache_write_1h_, flat);
    cache_write_5m_ = flat - cache_write_1h_;
  }
}

void UsageTotals::add(const RawUsage& raw) {
  seen_ = true;
  const std::int64_t input = raw.first(F::prompt_tokens, F::input_tokens);
  const std::int64_t output = raw.first(F::completion_tokens, F::output_tokens);
  if (input > 0) input_includes_cached_ = raw.has(F::prompt_tokens);
  replace(input_, input);
  replace(output_, output);
  replace(cache_read_, raw.count(F::cache_read_input_tokens));
  add_cache_writes(raw);
  replace(cached_of_input_, raw.first(F::prompt_cached, F::input_cached));
  replace(reasoning_, raw.first(F::completion_reasoning, F::output_reasoning));
  // An event without a total of its own counts as input + output, so an earlier written total no longer stands. What it
  // counts as need not be kept: no field falls back to 0, so result() comes to at least as much.
  const bool counts = input > 0 || output > 0 || raw.count(F::cache_read_input_tokens) > 0 || cache_writes(raw) > 0;
  if (counts) total_ = 0;
  replace(total_, raw.count(F::total_tokens));
}

Usage UsageTotals::result() const {
  Usage u;
  u.seen = seen_;
  u.output_tokens = output_;
  u.cache_read_tokens = std::max(cache_read_, cached_of_input_);
  u.cache_write_5m_tokens = cache_write_5m_;
  u.cache_write_1h_tokens = cache_write_1h_;
  u.reasoning_tokens = reasoning_;
  u.input_tokens = input_;
  if (!input_includes_cached_) u.input_tokens = capped(input_ + cache_read_ + cache_write_5m_ + cache_write_1h_);
  u.total_tokens = std::max(total_, capped(u.input_tokens + u.output_tokens));
  return u;
}

}  // namespace gw::provider
