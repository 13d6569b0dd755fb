// Any bytes as a price file: refused with a reason, or a table that answers every question with prices that can be.
// The first line is the models of overrides, the rest the file.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "provider/price_table.h"

namespace {

using namespace gw::provider;

void require(bool holds) {
  if (!holds) std::abort();
}

/// `model,input,date` for each override, separated by `;`.
std::vector<PriceOverride> overrides_of(std::string_view line) {
  std::vector<PriceOverride> all;
  while (!line.empty() && all.size() < 4) {
    const std::size_t end = std::min(line.find(';'), line.size());
    std::string_view one = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    PriceOverride o;
    o.provider = "p";
    for (std::string* part : {&o.model, &o.input, &o.effective_from}) {
      const std::size_t comma = std::min(one.find(','), one.size());
      part->assign(one.substr(0, comma));
      one.remove_prefix(std::min(comma + 1, one.size()));
    }
    all.push_back(std::move(o));
  }
  return all;
}

void check(const PriceTable& table, const PriceMatch& match, std::int64_t at_s) {
  require(match.valid_from <= at_s && at_s < match.valid_to);
  for (const PriceRate* rate : match.card) {
    if (rate == nullptr) continue;
    require(rate->base <= kMaxPrice);
    std::int64_t last = -1;
    for (const PriceTier& tier : table.tiers(*rate)) {
      require(tier.start > last && tier.price <= kMaxPrice);
      last = tier.start;
    }
  }
}

/// What stands in quotes may be the name of something.
std::vector<std::string> names_in(std::string_view json) {
  std::vector<std::string> names;
  while (names.size() < 24) {
    const std::size_t from = json.find('"');
    if (from == std::string_view::npos) break;
    json.remove_prefix(from + 1);
    const std::size_t to = json.find('"');
    if (to == std::string_view::npos) break;
    const std::string name = gw::lowercase(json.substr(0, to));
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    json.remove_prefix(to + 1);
  }
  return names;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(all.find('\n'), all.size());
  const std::string_view json = all.substr(std::min(line + 1, all.size()));
  const auto overrides = overrides_of(all.substr(0, line));
  const auto table = PriceTable::parse(json, overrides, true);
  if (!table) {
    require(!table.error().message.empty());
    return 0;
  }
  require(PriceTable::check(overrides).has_value());
  const auto again = PriceTable::parse(json, overrides, true);
  require(again && (*again)->price_version() == (*table)->price_version() && (*again)->serial() != (*table)->serial());
  const auto names = names_in(json);
  for (const std::string& provider : names) {
    (void)(*table)->provider_of(provider, "openai", "https://" + provider);
    if (!(*table)->has_provider(provider)) continue;
    for (const std::string& name : names)
      for (const std::int64_t at_s : {std::int64_t{0}, std::int64_t{1'790'000'000}, std::int64_t{1'790'050'000}}) {
        PriceMatch match;
        if ((*table)->find(provider, name, at_s * 1'000'000'000, match)) check(**table, match, at_s);
        PriceMatch own;
        if ((*table)->find_override("p", provider, name, "", at_s * 1'000'000'000, own)) check(**table, own, at_s);
      }
  }
  return 0;
}
