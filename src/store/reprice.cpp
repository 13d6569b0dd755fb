#include "store/reprice.h"

#include <array>
#include <charconv>

#include "base/json_writer.h"
#include "base/strings.h"
#include "base/usd.h"
#include "store/metadata_text.h"

namespace gw::store {
namespace {

constexpr std::int64_t kMostCount = (std::int64_t{1} << 53) - 1;

/// A count; what is none is 0.
std::int64_t count(std::string_view value) {
  std::int64_t n = 0;
  const auto r = std::from_chars(value.data(), value.data() + value.size(), n);
  return r.ec == std::errc() && r.ptr == value.data() + value.size() && n > 0 && n <= kMostCount ? n : 0;
}

Usage usage_of(std::span<const JsonMember> m) {
  const auto number = [&](std::string_view key) { return count(find_member(m, key)); };
  Usage u;
  u.input_tokens = number("input_tokens");
  u.output_tokens = number("output_tokens");
  u.total_tokens = number("total_tokens");
  u.cache_read_tokens = number("cache_read_tokens");
  u.cache_read_audio_tokens = number("cache_read_audio_tokens");
  u.cache_read_image_tokens = number("cache_read_image_tokens");
  u.cache_write_5m_tokens = number("cache_write_5m_tokens");
  u.cache_write_1h_tokens = number("cache_write_1h_tokens");
  u.input_audio_tokens = number("input_audio_tokens");
  u.input_image_tokens = number("input_image_tokens");
  u.reasoning_tokens = number("reasoning_tokens");
  u.output_audio_tokens = number("output_audio_tokens");
  u.output_image_tokens = number("output_image_tokens");
  u.web_searches = number("web_searches");
  u.file_searches = number("file_searches");
  u.code_executions = number("code_executions");
  u.audio_ms = number("audio_ms");
  u.provider_cost_nano_usd = parse_usd(find_member(m, "provider_cost_usd")).value_or(Usage::kNoCost);
  u.estimated = find_member(m, "estimated") == "true";
  u.anomalous = find_member(m, "anomalous") == "true";
  u.seen = true;
  return u;
}

std::string json_string(std::string_view s) {
  std::string out;
  append_json_string(out, s);
  return out;
}

std::int64_t saturated(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? (b < 0 ? INT64_MIN : INT64_MAX) : sum;
}

StoredUsage stored_usage(const CostRow& row, std::span<const JsonMember> m) {
  StoredUsage s{.provider = row.provider,
                .model = row.model,
                .response_model = json_text(find_member(m, "response_model")),
                .service_tier_asked = json_text(find_member(m, "service_tier_asked")),
                .service_tier = json_text(find_member(m, "service_tier")),
                .inference_geo = json_text(find_member(m, "inference_geo")),
                .timestamp_ns = row.timestamp_ns,
                .usage = {}};
  if (const auto usage = json_members(find_member(m, "usage"))) {
    s.usage = usage_of(*usage);
    return s;
  }
  s.usage.input_tokens = row.input_tokens;
  s.usage.output_tokens = row.output_tokens;
  s.usage.total_tokens = row.total_tokens;
  s.usage.seen = row.input_tokens != 0 || row.output_tokens != 0;
  return s;
}

}  // namespace

StoredUsage stored_usage(const CostRow& row) {
  const auto members = json_members(row.metadata);
  return stored_usage(row, members ? std::span<const JsonMember>(*members) : std::span<const JsonMember>());
}

RepriceOutcome reprice_row(CostRow& row, const Repricer& price) {
  const auto members = json_members(row.metadata);
  const std::span<const JsonMember> m = members ? std::span<const JsonMember>(*members) : std::span<const JsonMember>();
  const StoredUsage stored = stored_usage(row, m);
  if (!stored.usage.seen) return RepriceOutcome::no_usage;
  Repriced now = price(stored);
  if (now.cost.source == CostSource::unpriced) return RepriceOutcome::unpriced;
  if (json_text(find_member(m, "cost_source")) == to_string(CostSource::provider)) {
    now.cost.nano_usd = row.cost_nano_usd;
    now.cost.source = CostSource::provider;
  }
  std::string metadata = row.metadata;
  if (members || trim(row.metadata).empty()) {  // what is no object stays as it is
    std::array<char, kUsdTextBytes> buffer, saved_buffer;
    const std::string source = json_string(to_string(now.cost.source)), version = json_string(now.price_version);
    const std::string_view computed =
        now.cost.source == CostSource::provider ? usd_text(now.cost.computed_nano_usd, buffer) : std::string_view();
    const std::string_view saved =
        now.cost.cache_saved_nano_usd != 0 ? usd_text(now.cost.cache_saved_nano_usd, saved_buffer) : std::string_view();
    const JsonMember changes[] = {{"cache_saved_usd", saved},
                                  {"computed_cost_usd", computed},
                                  {"cost_source", source},
                                  {"price_version", now.price_version.empty() ? std::string_view() : version}};
    metadata = with_members(m, changes);
  }
  if (now.cost.nano_usd == row.cost_nano_usd && metadata == row.metadata) return RepriceOutcome::unchanged;
  row.cost_nano_usd = now.cost.nano_usd;
  row.metadata = std::move(metadata);
  return RepriceOutcome::changed;
}

void RepriceTotals::add(RepriceOutcome outcome, std::int64_t old_nano, std::int64_t new_nano) {
  ++rows;
  changed += outcome == RepriceOutcome::changed ? 1 : 0;
  unpriced += outcome == RepriceOutcome::unpriced ? 1 : 0;
  old_nano_usd = saturated(old_nano_usd, old_nano);
  new_nano_usd = saturated(new_nano_usd, new_nano);
}

std::int64_t RepriceTotals::difference() const {
  std::int64_t d = 0;
  return __builtin_sub_overflow(new_nano_usd, old_nano_usd, &d) ? (new_nano_usd < 0 ? INT64_MIN : INT64_MAX) : d;
}

void RepriceReport::add(const CostRow& row, RepriceOutcome outcome, std::int64_t old_nano) {
  if (outcome == RepriceOutcome::no_usage) return;
  total.add(outcome, old_nano, row.cost_nano_usd);
  auto at = models.find({row.provider, row.model});
  if (at == models.end()) {
    const bool room = models.size() < kMaxModels;
    at = models
             .try_emplace(room ? std::pair(row.provider, row.model)
                               : std::pair(std::string(), std::string(kOtherModels)))
             .first;
  }
  at->second.add(outcome, old_nano, row.cost_nano_usd);
}

}  // namespace gw::store
