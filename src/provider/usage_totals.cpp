#include "provider/usage_totals.h"

#include <algorithm>
#include <bit>

namespace gw::provider {
namespace {

using F = UsageField;

constexpr std::uint32_t bits(std::initializer_list<F> fields) {
  std::uint32_t all = 0;
  for (F f : fields) all |= RawUsage::bit(f);
  return all;
}

constexpr std::uint32_t kWholes = bits({F::prompt_tokens, F::input_tokens, F::completion_tokens, F::output_tokens,
                                        F::total_tokens, F::write_beside, F::write_beside_5m, F::write_beside_1h});
constexpr std::uint32_t kOutputParts = bits({F::reasoning, F::output_audio, F::output_image});
constexpr std::uint32_t kUnits =
    bits({F::web_searches, F::sources_used, F::file_searches, F::code_executions, F::audio_ms, F::cost_nano_usd,
          F::upstream_cost_nano_usd, F::cost_ticks, F::own_key});
constexpr std::uint32_t kInputParts = bits({F::read_beside, F::cached, F::cached_audio, F::cached_image, F::cached_flat,
                                            F::cache_miss, F::cache_write, F::input_audio, F::input_image});

void replace(std::int64_t& running, std::int64_t later) {
  if (later > 0) running = later;
}

std::int64_t capped(std::int64_t tokens) { return std::min(tokens, kMaxTokens); }

std::int64_t input_of(const RawUsage& raw) {
  const std::int64_t input = raw.first(F::prompt_tokens, F::input_tokens);
  if (input == 0 && raw.has(F::cache_miss)) return capped(raw.count(F::cached_flat) + raw.count(F::cache_miss));
  return input;
}

/// Hands out a whole part by part.
class Shares {
 public:
  explicit Shares(std::int64_t whole) : left_(whole) {}
  std::int64_t take(std::int64_t part) {
    if (part > left_) {
      short_ = true;
      part = left_;
    }
    left_ -= part;
    return part;
  }
  bool fell_short() const { return short_; }

 private:
  std::int64_t left_;
  bool short_ = false;
};

}  // namespace

void UsageTotals::reset() {
  positive_ = 0;
  parts_.clear();
  input_ = output_ = total_ = write_5m_ = write_1h_ = 0;
  input_includes_cached_ = writes_guessed_ = seen_ = anomalous_ = false;
  whole_ = {};
  single_ = {};
  single_seen_ = {};
}

// The split by lifetime may be missing where the flat sum is given: then the sum counts as five minutes, except that it
// changes no split that it agrees with, and that writes known to be all of an hour stay so.
void UsageTotals::add_cache_writes(const RawUsage& raw) {
  const std::int64_t flat = raw.count(F::write_beside);
  const std::int64_t m5 = raw.count(F::write_beside_5m);
  const std::int64_t h1 = raw.count(F::write_beside_1h);
  if (m5 > 0 || h1 > 0) {
    write_1h_ = h1;
    write_5m_ = std::max(m5, flat - h1);
    writes_guessed_ = flat > m5 + h1;
    if (flat > 0 && flat < m5 + h1) anomalous_ = true;
  } else if (flat > 0 && flat != write_5m_ + write_1h_) {
    const bool none = write_5m_ == 0 && write_1h_ == 0;
    const bool mixed = write_5m_ > 0 && write_1h_ > 0;
    const bool all_1h = write_5m_ == 0 && write_1h_ > 0;
    writes_guessed_ = writes_guessed_ || none || mixed;
    write_1h_ = all_1h ? flat : std::min(write_1h_, flat);
    write_5m_ = flat - write_1h_;
  }
}

void UsageTotals::add(const RawUsage& raw) {
  seen_ = true;
  anomalous_ = anomalous_ || raw.anomalous();
  const std::int64_t input = input_of(raw);
  const std::int64_t output = raw.first(F::completion_tokens, F::output_tokens);
  if (input > 0) input_includes_cached_ = raw.has(F::prompt_tokens) || !raw.has(F::input_tokens);
  replace(input_, input);
  replace(output_, output);
  if (raw.has(F::write_beside) || raw.has(F::write_beside_5m) || raw.has(F::write_beside_1h)) add_cache_writes(raw);
  for (std::uint32_t rest = raw.stated() & ~kWholes; rest != 0; rest &= rest - 1) {
    const auto f = static_cast<F>(std::countr_zero(rest));
    const std::uint32_t bit = rest & (~rest + 1);
    // A negative or absurd cost is no cost: the computed one stands.
    const bool money = f == F::cost_nano_usd || f == F::upstream_cost_nano_usd || f == F::cost_ticks;
    if (money && raw.bad(f)) continue;
    const std::int64_t value = raw.count(f);
    const std::int64_t whole = (bit & kInputParts) != 0 ? input : (bit & kOutputParts) != 0 ? output : 0;
    if (value > 0) positive_ |= bit;
    if (value > 0 || whole > 0 || !parts_.has(f)) parts_.set(f, value);
  }
  // An event without a total of its own counts as input + output, so an earlier written total no longer stands. What it
  // counts as need not be kept: no field falls back to 0, so result() comes to at least as much.
  const bool counts = input > 0 || output > 0 || raw.count(F::read_beside) > 0 || raw.count(F::write_beside) > 0 ||
                      raw.count(F::write_beside_5m) > 0 || raw.count(F::write_beside_1h) > 0;
  if (counts) total_ = 0;
  replace(total_, raw.count(F::total_tokens));
}

void UsageTotals::set_items(const ToolCounts& items) {
  if (items.any()) whole_ = items;
}

void UsageTotals::add_item(ToolItem item, std::int64_t index) {
  if (item == ToolItem::none || index < 0 || index >= 256) return;
  std::uint64_t& word = single_seen_[static_cast<std::size_t>(index / 64)];
  const std::uint64_t bit = std::uint64_t{1} << (index % 64);
  if ((word & bit) != 0) return;
  word |= bit;
  single_.add(item);
}

// Cached parts are told apart first, since their price differs most from that of the rest.
void UsageTotals::put_input(Usage& u) const {
  const std::int64_t beside = parts_.count(F::read_beside);
  u.input_tokens = input_;
  if ((positive_ & kInputParts) == 0 && write_5m_ == 0 && write_1h_ == 0) return;
  if (!input_includes_cached_) u.input_tokens = capped(input_ + beside + write_5m_ + write_1h_);

  const std::int64_t cached_audio = parts_.count(F::cached_audio);
  const std::int64_t cached_image = parts_.count(F::cached_image);
  const bool sum_stated = beside > 0 || parts_.has(F::cached) || parts_.has(F::cached_flat);
  const std::int64_t cached = sum_stated ? std::max({beside, parts_.count(F::cached), parts_.count(F::cached_flat)})
                                         : capped(cached_audio + cached_image);
  Shares of_cached(std::min(cached, u.input_tokens));
  Shares of_input(u.input_tokens);
  u.cache_read_audio_tokens = of_input.take(of_cached.take(cached_audio));
  u.cache_read_image_tokens = of_input.take(of_cached.take(cached_image));
  u.cache_read_tokens = of_input.take(cached - u.cache_read_audio_tokens - u.cache_read_image_tokens);

  const bool writes_beside = write_5m_ > 0 || write_1h_ > 0;
  u.cache_write_1h_tokens = of_input.take(write_1h_);
  u.cache_write_5m_tokens = of_input.take(writes_beside ? write_5m_ : parts_.count(F::cache_write));
  const bool fits = !of_input.fell_short() && !of_cached.fell_short();
  u.input_audio_tokens =
      of_input.take(std::max<std::int64_t>(0, parts_.count(F::input_audio) - u.cache_read_audio_tokens));
  u.input_image_tokens =
      of_input.take(std::max<std::int64_t>(0, parts_.count(F::input_image) - u.cache_read_image_tokens));
  // Audio and images that do not fit beside the cached part are in it where the provider does not tell what it is of.
  const bool untold = fits && cached > 0 && !parts_.has(F::cached_audio) && !parts_.has(F::cached_image) &&
                      parts_.count(F::input_audio) + parts_.count(F::input_image) <= u.input_tokens;
  if (of_input.fell_short() && untold) u.estimated = true;
  if (!fits || (of_input.fell_short() && !untold)) u.anomalous = true;
}

// Some servers count reasoning beside the completion: then, and only then, their total has it on top.
void UsageTotals::put_output(Usage& u) const {
  u.output_tokens = output_;
  if ((positive_ & (kOutputParts | RawUsage::bit(F::images_api))) == 0) return;
  const std::int64_t reasoning = parts_.count(F::reasoning);
  if (reasoning > 0 && total_ == u.input_tokens + output_ + reasoning) u.output_tokens = capped(output_ + reasoning);
  const bool details = parts_.has(F::output_image) || parts_.has(F::output_audio) || parts_.has(F::reasoning);
  const bool all_images = parts_.count(F::images_api) > 0 && !details;
  Shares of_output(u.output_tokens);
  u.reasoning_tokens = of_output.take(reasoning);
  u.output_audio_tokens = of_output.take(parts_.count(F::output_audio));
  u.output_image_tokens = of_output.take(all_images ? u.output_tokens : parts_.count(F::output_image));
  if (of_output.fell_short()) u.anomalous = true;
}

void UsageTotals::put_units(Usage& u) const {
  const auto pieces = [this](ToolItem item) { return std::int64_t{std::max(whole_[item], single_[item])}; };
  u.web_searches =
      std::max({parts_.count(F::web_searches), parts_.count(F::sources_used), pieces(ToolItem::web_search)});
  u.file_searches = std::max(parts_.count(F::file_searches), pieces(ToolItem::file_search));
  u.code_executions = std::max(parts_.count(F::code_executions), pieces(ToolItem::code_execution));
  u.audio_ms = parts_.count(F::audio_ms);
  const bool own_key = parts_.count(F::own_key) > 0;
  if (parts_.has(F::cost_ticks)) u.provider_cost_nano_usd = (parts_.count(F::cost_ticks) + 5) / 10;
  if (parts_.has(F::cost_nano_usd) && !own_key) u.provider_cost_nano_usd = parts_.count(F::cost_nano_usd);
  // With a key of the user's own the cost is only the fee for passing on: alone it is not what the answer costs.
  if (own_key && parts_.has(F::upstream_cost_nano_usd))
    u.provider_cost_nano_usd = capped(parts_.count(F::cost_nano_usd) + parts_.count(F::upstream_cost_nano_usd));
}

Usage UsageTotals::result() const {
  Usage u;
  u.seen = seen_;
  u.estimated = writes_guessed_;
  u.anomalous = anomalous_ || (total_ > 0 && total_ < input_ + output_);
  put_input(u);
  put_output(u);
  if ((parts_.stated() & kUnits) != 0 || has_items()) put_units(u);
  const std::int64_t sum = capped(u.input_tokens + u.output_tokens);
  u.total_tokens = std::max(total_, sum);
  // Some servers count what a model thought in the total alone; a hundredfold is no thought.
  if (sum > 0 && u.total_tokens / 2 > sum) u.anomalous = true;
  if (sum > 0 && u.total_tokens / 100 >= sum) u.total_tokens = sum;
  return u;
}

}  // namespace gw::provider
