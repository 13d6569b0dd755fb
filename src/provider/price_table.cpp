#include "provider/price_table.h"

#include <re2/re2.h>

#include <atomic>

#include "base/strings.h"
#include "provider/embedded_prices.h"

namespace gw::provider {
namespace {

constexpr std::int64_t kNs = 1'000'000'000;
constexpr std::int64_t kDay = 86'400;

std::uint64_t next_serial() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

/// `#` stands for a digit.
bool digits_match(std::string_view pattern, std::string_view name) {
  if (pattern.size() != name.size()) return false;
  for (std::size_t i = 0; i < name.size(); ++i)
    if (pattern[i] == '#' ? !is_digit(name[i]) : pattern[i] != name[i]) return false;
  return true;
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
std::int64_t days_from_civil(int y, int m, int d) {
  y -= m <= 2 ? 1 : 0;
  const int era = y / 400;
  const int year_of_era = y - era * 400;
  const int day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  const int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return static_cast<std::int64_t>(era) * 146'097 + day_of_era - 719'468;
}

bool is_date(int y, int m, int d) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (y < 1 || m < 1 || m > 12 || d < 1) return false;
  const bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
  return d <= kDays[m - 1] + (m == 2 && leap ? 1 : 0);
}

int number(std::string_view digits) {
  int n = 0;
  for (const char c : digits) n = n * 10 + (c - '0');
  return n;
}

/// Providers name dated models with and without dashes: `-20250805` becomes `-2025-08-05`. False: there is none.
bool with_dashed_dates(std::string_view name, std::string& out) {
  bool changed = false;
  out.clear();
  for (std::size_t i = 0; i < name.size(); ++i) {
    out += name[i];
    const std::string_view date = name.substr(i + 1, 8);
    if (name[i] != '-' || !digits_match("20######", date)) continue;
    const char after = i + 9 < name.size() ? name[i + 9] : ':';
    if (after != '-' && after != ':') continue;
    if (!is_date(number(date.substr(0, 4)), number(date.substr(4, 2)), number(date.substr(6, 2)))) continue;
    out.append(date.substr(0, 4)).append("-").append(date.substr(4, 2)).append("-").append(date.substr(6, 2));
    i += 8;
    changed = true;
  }
  return changed;
}

}  // namespace

Result<std::int64_t> parse_price_date(std::string_view text) {
  if (!digits_match("####-##-##", text)) return fail("must be a date like 2026-01-31");
  const int y = number(text.substr(0, 4)), m = number(text.substr(5, 2)), d = number(text.substr(8, 2));
  if (!is_date(y, m, d)) return fail("must be a date of the calendar, like 2026-01-31");
  return days_from_civil(y, m, d) * kDay;
}

PriceTable::PriceTable() : serial_(next_serial()) {}

Result<std::shared_ptr<const PriceTable>> PriceTable::built_in(std::span<const PriceOverride> overrides) {
  return parse(embedded::prices(), overrides);
}

bool PriceTable::matches(std::uint32_t rule, std::string_view name) const {
  const Rule& r = rules_[rule];
  const std::string_view text = view(r.text);
  switch (r.op) {
    case Op::equals:
      return name == text;
    case Op::starts_with:
      return name.starts_with(text);
    case Op::ends_with:
      return name.ends_with(text);
    case Op::contains:
      return name.find(text) != std::string_view::npos;
    case Op::digits:
      return digits_match(text, name);
    case Op::digits_start:
      return digits_match(text, name.substr(0, text.size()));
    default:
      break;
  }
  for (std::uint32_t child = rule + 1; child < r.end; child = rules_[child].end) {
    const bool hit = matches(child, name);
    if (hit && r.op == Op::any) return true;
    if (hit && r.op == Op::none) return false;
    if (!hit && r.op == Op::all) return false;
  }
  return r.op != Op::any;
}

/// The last period whose condition holds; the first one when none does.
const PriceTable::Period& PriceTable::period_of(const Model& model, std::int64_t at_s) const {
  const std::int64_t second = ((at_s % kDay) + kDay) % kDay;
  for (std::uint32_t i = model.first_period + model.periods; i-- > model.first_period;) {
    const Period& p = periods_[i];
    if (p.kind == Period::Kind::always) return p;
    if (p.kind == Period::Kind::from_date) {
      if (at_s >= p.from) return p;
    } else if (p.to < p.from ? second >= p.from || second < p.to : second >= p.from && second < p.to) {
      return p;
    }
  }
  return periods_[model.first_period];
}

const PriceTable::ProviderEntry* PriceTable::provider(std::string_view id) const {
  for (const ProviderEntry& p : providers_)
    if (view(p.id) == id) return &p;
  return nullptr;
}

const PriceTable::Model* PriceTable::find_model(const ProviderEntry& p, std::string_view name, bool fall_back) const {
  for (std::uint32_t i = p.first_model; i < p.first_model + p.models; ++i)
    if (matches(models_[i].rule, name)) return &models_[i];
  if (!fall_back) return nullptr;
  for (const std::string& other : p.fallback)
    if (const ProviderEntry* q = provider(other))
      if (const Model* model = find_model(*q, name, false)) return model;
  return nullptr;
}

void PriceTable::fill(const Card& card, PriceMatch& out) const {
  out.card.fill(nullptr);
  for (std::uint32_t i = card.first_rate; i < card.first_rate + card.rates; ++i)
    out.card[static_cast<std::size_t>(rates_[i].unit)] = &rates_[i];
  out.uncounted = card.uncounted;
  out.free = card.rates == 0 && !card.uncounted;
}

void PriceTable::narrow(const Model& model, std::int64_t at_s, PriceMatch& out) const {
  const std::int64_t midnight = at_s - ((at_s % kDay) + kDay) % kDay;
  for (std::uint32_t i = model.first_period; i < model.first_period + model.periods; ++i) {
    const Period& p = periods_[i];
    if (p.kind == Period::Kind::from_date) out.change_at(p.from, at_s);
    if (p.kind != Period::Kind::time_of_day) continue;
    for (const std::int64_t second : {p.from, p.to})
      for (const std::int64_t day : {-kDay, std::int64_t{0}, kDay}) out.change_at(midnight + day + second, at_s);
  }
}

bool PriceTable::find(std::string_view provider_id, std::string_view name, std::int64_t at_ns, PriceMatch& out) const {
  const ProviderEntry* p = provider(provider_id);
  if (p == nullptr || name.empty()) return false;
  const Model* model = find_model(*p, name, true);
  if (std::string dashed; model == nullptr && with_dashed_dates(name, dashed)) model = find_model(*p, dashed, true);
  if (model == nullptr) return false;
  fill(period_of(*model, at_ns / kNs).card, out);
  narrow(*model, at_ns / kNs, out);
  out.min_audio_ms = model->min_audio_ms;
  return true;
}

bool PriceTable::find_override(std::string_view route, std::string_view provider_id, std::string_view name,
                               std::string_view service_tier, std::int64_t at_ns, PriceMatch& out) const {
  // They are sorted so that the first hit applies.
  for (const Override& o : overrides_) {
    if (o.service_tier != service_tier || (o.provider != route && o.provider != provider_id)) continue;
    if (!glob_matches(o.pattern, name)) continue;
    out.change_at(o.from, at_ns / kNs);
    if (o.from > at_ns / kNs) continue;
    fill(o.card, out);
    out.min_audio_ms = 0;
    return true;
  }
  return false;
}

std::string PriceTable::provider_of(std::string_view route_name, std::string_view kind,
                                    std::string_view upstream_url) const {
  const re2::StringPiece url(upstream_url.data(), upstream_url.size());
  for (const ProviderEntry& p : providers_) {
    const re2::RE2 pattern("^(?:" + p.api_pattern + ")", re2::RE2::Quiet);
    if (pattern.ok() && re2::RE2::PartialMatch(url, pattern)) return std::string(view(p.id));
  }
  for (const std::string_view given : {route_name, kind}) {
    std::string name = lowercase(trim(given));
    if (name.empty()) continue;
    if (provider(name) != nullptr) return name;
    for (const ProviderEntry& p : providers_)
      if (p.names >= 0 && matches(static_cast<std::uint32_t>(p.names), name)) return std::string(view(p.id));
  }
  return {};
}

}  // namespace gw::provider
