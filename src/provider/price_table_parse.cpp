// Texts to a PriceTable: strict, every fault with its place. The JSON parser is used where it is eager (syntax, UTF-8
// and depth are checked before anything is read) and never for prices, which are texts.
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "base/sha256.h"
#include "base/strings.h"
#include "provider/price_adjustments.h"
#include "provider/price_table.h"

#include <re2/re2.h>

namespace gw::provider {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr int kMaxRuleDepth = 16;
constexpr std::size_t kMaxText = 256;
constexpr std::size_t kMaxOverrides = 1000;
constexpr std::int64_t kMaxCount = std::int64_t{1} << 53;

/// The way to a value, made into text only for a message.
struct Place {
  const Place* up = nullptr;
  std::string_view key = {};
  std::size_t index = 0;
  bool is_index = false;

  Place of(std::string_view member) const { return {this, member, 0, false}; }
  Place at(std::size_t i) const { return {this, {}, i, true}; }
  std::string text() const {
    if (up == nullptr) return {};
    std::string out = up->text();
    if (is_index) return out + "[" + std::to_string(index) + "]";
    if (!out.empty()) out += '.';
    const std::string shown = gw::in_quotes(key.substr(0, 64));
    return out + shown.substr(1, shown.size() - 2);
  }
};

struct Known {
  std::string_view key;
  PriceUnit unit;
  bool counted;
};

constexpr PriceUnit kNotCounted = PriceUnit::input;
constexpr Known kPriceKeys[] = {
    {"input_mtok", PriceUnit::input, true},
    {"cache_read_mtok", PriceUnit::cache_read, true},
    {"cache_audio_read_mtok", PriceUnit::cache_read_audio, true},
    {"cache_image_read_mtok", PriceUnit::cache_read_image, true},
    {"cache_write_mtok", PriceUnit::cache_write, true},
    {"cache_write_1h_mtok", PriceUnit::cache_write_1h, true},
    {"input_audio_mtok", PriceUnit::input_audio, true},
    {"input_image_mtok", PriceUnit::input_image, true},
    {"output_mtok", PriceUnit::output, true},
    {"output_reasoning_mtok", PriceUnit::reasoning, true},
    {"output_audio_mtok", PriceUnit::output_audio, true},
    {"output_image_mtok", PriceUnit::output_image, true},
    {"web_searches_kcount", PriceUnit::web_search, true},
    {"storage_searches_kcount", PriceUnit::file_search, true},
    {"code_executions_kcount", PriceUnit::code_execution, true},
    {"requests_kcount", PriceUnit::request, true},
    {"input_audio_hours", PriceUnit::audio_hour, true},
    {"audio_hours", PriceUnit::audio_hour, true},
    {"input_video_mtok", kNotCounted, false},
    {"output_video_mtok", kNotCounted, false},
    {"output_citation_mtok", kNotCounted, false},
    {"input_document_kpages", kNotCounted, false},
    {"input_annotated_document_kpages", kNotCounted, false},
    {"input_text_messages_kcount", kNotCounted, false},
};

const Known* known_price(std::string_view key) {
  for (const Known& k : kPriceKeys)
    if (k.key == key) return &k;
  return nullptr;
}

std::string short_hash(std::string_view text) { return sha256_hex(text).substr(0, 8); }

}  // namespace

class PriceTableParser {
 public:
  PriceTableParser() : table_(new PriceTable) {}

  bool read(std::string_view json) {
    if (json.size() > PriceTable::kMaxBytes) return fail({}, "the file is larger than 16 MiB");
    simdjson::dom::parser parser(PriceTable::kMaxBytes);
    element root;
    const simdjson::padded_string padded(json);
    if (const auto error = parser.parse(padded).get(root); error != simdjson::SUCCESS)
      return fail({}, std::string("not valid JSON: ") + simdjson::error_message(error));
    return document(root);
  }

  std::shared_ptr<PriceTable> table() const { return table_; }
  /// A line for each fault, at most kMostTold; of more only their number.
  std::string error() const {
    return faults_ > kMostTold ? error_ + "\nand " + std::to_string(faults_ - kMostTold) + " more" : error_;
  }

 private:
  using Op = PriceTable::Op;

  bool fail(const Place& place, std::string what) {
    if (++faults_ > kMostTold) return false;
    const std::string at = place.text();
    error_.append(error_.empty() ? "" : "\n").append(at.empty() ? what : at + ": " + what);
    return false;
  }

  /// Reads each; false: one or more were at fault, and all of them are told.
  template <class List, class Read>
  static bool every(const List& list, const Place& place, const Read& read) {
    bool all = true;
    std::size_t i = 0;
    for (const element e : list) all = read(e, place.at(i++)) && all;
    return all;
  }

  /// Members of an object, each of `keys` at most once and no other; those that are missing stay null.
  template <std::size_t N>
  bool members(element value, const Place& place, const std::array<std::string_view, N>& keys,
               std::array<element, N>& out, std::array<bool, N>& have) {
    object o;
    if (value.get(o) != simdjson::SUCCESS) return fail(place, "must be an object");
    have.fill(false);
    for (const auto& [key, member] : o) {
      std::size_t i = 0;
      while (i < N && keys[i] != key) ++i;
      if (i == N) return fail(place.of(key), "is not known");
      if (have[i]) return fail(place.of(key), "stands there twice");
      have[i] = true;
      out[i] = member;
    }
    return true;
  }

  bool text(element value, const Place& place, std::string_view& out) {
    if (value.get(out) != simdjson::SUCCESS) return fail(place, "must be a text");
    if (out.empty() || out.size() > kMaxText) return fail(place, "must have 1 to 256 bytes");
    return true;
  }

  bool list(element value, const Place& place, array& out) {
    if (value.get(out) != simdjson::SUCCESS) return fail(place, "must be a list");
    if (out.begin() == out.end()) return fail(place, "must not be empty");
    return true;
  }

  PriceTable::Text keep(std::string_view s) {
    const PriceTable::Text t{static_cast<std::uint32_t>(table_->pool_.size()), static_cast<std::uint32_t>(s.size())};
    table_->pool_.append(s);
    return t;
  }

  bool document(element root) {
    static constexpr std::array<std::string_view, 3> kKeys{"format", "version", "providers"};
    std::array<element, 3> m;
    std::array<bool, 3> have{};
    const Place top;
    if (!members(root, top, kKeys, m, have)) return false;
    for (std::size_t i = 0; i < kKeys.size(); ++i)
      if (!have[i]) return fail(top.of(kKeys[i]), "is missing");
    std::string_view format, version;
    if (!text(m[0], top.of(kKeys[0]), format) || !text(m[1], top.of(kKeys[1]), version)) return false;
    if (format != "ongoingai-prices/1") return fail(top.of(kKeys[0]), "must be \"ongoingai-prices/1\"");
    const auto plain = [](char c) { return c > ' ' && c < 0x7f; };
    if (version.size() > 64 || !std::all_of(version.begin(), version.end(), plain))
      return fail(top.of(kKeys[1]), "must be at most 64 printable ASCII characters without spaces");
    table_->version_ = version;
    array providers;
    const Place place = top.of(kKeys[2]);
    if (!list(m[2], place, providers)) return false;
    return every(providers, place, [this](element p, const Place& here) { return provider(p, here); }) &&
           fallbacks(place);
  }

  bool fallbacks(const Place& place) {
    bool all = true;
    for (std::size_t i = 0; i < table_->providers_.size(); ++i)
      for (const std::string& other : table_->providers_[i].fallback)
        if (!table_->has_provider(other))
          all = fail(place.at(i).of("fallback"), gw::in_quotes(other) + " is no provider of the file");
    return all;
  }

  bool provider(element value, const Place& place) {
    static constexpr std::array<std::string_view, 5> kKeys{"id", "api_pattern", "names", "fallback", "models"};
    std::array<element, 5> m;
    std::array<bool, 5> have{};
    if (!members(value, place, kKeys, m, have)) return false;
    for (const std::size_t i : {0, 4})
      if (!have[i]) return fail(place.of(kKeys[i]), "is missing");
    PriceTable::ProviderEntry entry;
    std::string_view id, pattern;
    if (!text(m[0], place.of(kKeys[0]), id)) return false;
    if (table_->has_provider(id)) return fail(place.of(kKeys[0]), gw::in_quotes(id) + " stands there twice");
    if (lowercase(id) != id) return fail(place.of(kKeys[0]), "must be lowercase");
    entry.id = keep(id);
    if (have[1]) {
      if (!text(m[1], place.of(kKeys[1]), pattern)) return false;
      entry.api_pattern = pattern;
      const re2::RE2 compiled(entry.api_pattern, re2::RE2::Quiet);
      if (!compiled.ok()) return fail(place.of(kKeys[1]), "is no regular expression: " + compiled.error());
    }
    if (have[2]) {
      entry.names = static_cast<std::int64_t>(table_->rules_.size());
      if (!rule(m[2], place.of(kKeys[2]), 0)) return false;
    }
    if (have[3]) {
      array names;
      if (!list(m[3], place.of(kKeys[3]), names)) return false;
      for (const element e : names) {
        std::string_view name;
        if (!text(e, place.of(kKeys[3]), name)) return false;
        entry.fallback.emplace_back(name);
      }
    }
    array list_of_models;
    if (!list(m[4], place.of(kKeys[4]), list_of_models)) return false;
    entry.first_model = static_cast<std::uint32_t>(table_->models_.size());
    const Place models = place.of(kKeys[4]);
    if (!every(list_of_models, models, [&](element e, const Place& here) { return model(e, here, id); })) return false;
    entry.models = static_cast<std::uint32_t>(list_of_models.size());
    if (!distinct(entry, models)) return false;
    table_->providers_.push_back(std::move(entry));
    return true;
  }

  bool distinct(const PriceTable::ProviderEntry& entry, const Place& place) {
    std::vector<std::pair<std::string_view, std::size_t>> ids;
    ids.reserve(entry.models);
    for (std::size_t i = 0; i < entry.models; ++i)
      ids.emplace_back(table_->view(table_->models_[entry.first_model + i].id), i);
    std::sort(ids.begin(), ids.end());
    for (std::size_t i = 1; i < ids.size(); ++i)
      if (ids[i].first == ids[i - 1].first)
        return fail(place.at(ids[i].second).of("id"), gw::in_quotes(ids[i].first) + " stands there twice");
    return true;
  }

  bool rule(element value, const Place& place, int depth) {
    static constexpr std::array<std::string_view, 9> kKeys{
        "equals", "starts_with", "ends_with", "contains", "digits", "digits_start", "or", "and", "not"};
    if (depth > kMaxRuleDepth) return fail(place, "is nested too deep");
    std::array<element, 9> m;
    std::array<bool, 9> have{};
    if (!members(value, place, kKeys, m, have)) return false;
    if (std::count(have.begin(), have.end(), true) != 1) return fail(place, "must hold exactly one rule");
    const auto at = static_cast<std::size_t>(std::find(have.begin(), have.end(), true) - have.begin());
    const std::size_t self = table_->rules_.size();
    table_->rules_.push_back({static_cast<Op>(at), {}, 0});
    const Place inner = place.of(kKeys[at]);
    if (at < 6) {
      std::string_view s;
      if (!text(m[at], inner, s)) return false;
      table_->rules_[self].text = keep(lowercase(s));
    } else if (at == 8) {
      if (!rule(m[at], inner, depth + 1)) return false;
    } else {
      array rules;
      if (!list(m[at], inner, rules)) return false;
      std::size_t i = 0;
      for (const element e : rules)
        if (!rule(e, inner.at(i++), depth + 1)) return false;
    }
    table_->rules_[self].end = static_cast<std::uint32_t>(table_->rules_.size());
    return true;
  }

  bool model(element value, const Place& place, std::string_view provider_id) {
    static constexpr std::array<std::string_view, 5> kKeys{"id", "match", "prices", "periods", "min_audio_seconds"};
    std::array<element, 5> m;
    std::array<bool, 5> have{};
    if (!members(value, place, kKeys, m, have)) return false;
    if (!have[0]) return fail(place.of(kKeys[0]), "is missing");
    if (have[2] == have[3]) return fail(place, "must have either prices or periods");
    PriceTable::Model out;
    std::string_view id;
    if (!text(m[0], place.of(kKeys[0]), id)) return false;
    out.id = keep(id);
    out.rule = static_cast<std::uint32_t>(table_->rules_.size());
    if (!have[1]) {  // the plain case of a file written by hand
      table_->rules_.push_back({Op::equals, keep(lowercase(id)), out.rule + 1});
    } else if (!rule(m[1], place.of(kKeys[1]), 0)) {
      return false;
    }
    if (have[4]) {
      std::int64_t seconds = 0;
      if (m[4].get(seconds) != simdjson::SUCCESS || seconds < 0 || seconds > 3600)
        return fail(place.of(kKeys[4]), "must be a number of seconds, 0 to 3600");
      out.min_audio_ms = seconds * 1000;
    }
    out.first_period = static_cast<std::uint32_t>(table_->periods_.size());
    model_ = id;
    provider_ = provider_id;
    if (have[2]) {
      PriceTable::Period only;
      if (!prices(m[2], place.of(kKeys[2]), only.card)) return false;
      table_->periods_.push_back(only);
    } else if (!periods(m[3], place.of(kKeys[3]))) {
      return false;
    }
    out.periods = static_cast<std::uint16_t>(table_->periods_.size() - out.first_period);
    table_->models_.push_back(out);
    return true;
  }

  bool periods(element value, const Place& place) {
    static constexpr std::array<std::string_view, 4> kKeys{"start_date", "start_time", "end_time", "prices"};
    array entries;
    if (!list(value, place, entries)) return false;
    if (entries.size() > 1000) return fail(place, "must have at most 1000 entries");
    return every(entries, place, [&](element e, const Place& here) {
      std::array<element, 4> m;
      std::array<bool, 4> have{};
      if (!members(e, here, kKeys, m, have)) return false;
      if (!have[3]) return fail(here.of(kKeys[3]), "is missing");
      if (have[1] != have[2] || (have[0] && have[1]))
        return fail(here, "must have start_date, or start_time and end_time, or none of them");
      PriceTable::Period p;
      using Kind = PriceTable::Period::Kind;
      p.kind = have[0] ? Kind::from_date : have[1] ? Kind::time_of_day : Kind::always;
      if (have[0] && !date(m[0], here.of(kKeys[0]), p.from)) return false;
      if (have[1] && (!time(m[1], here.of(kKeys[1]), p.from) || !time(m[2], here.of(kKeys[2]), p.to))) return false;
      if (!prices(m[3], here.of(kKeys[3]), p.card)) return false;
      table_->periods_.push_back(p);
      return true;
    });
  }

  bool date(element value, const Place& place, std::int64_t& out) {
    std::string_view s;
    if (!text(value, place, s)) return false;
    const auto parsed = parse_price_date(s);
    if (!parsed) return fail(place, parsed.error().message);
    out = *parsed;
    return true;
  }

  bool time(element value, const Place& place, std::int64_t& out) {
    std::string_view s;
    if (!text(value, place, s)) return false;
    const auto two = [&](std::size_t i) { return (s[i] - '0') * 10 + (s[i + 1] - '0'); };
    bool ok = s.size() == 9 && s[2] == ':' && s[5] == ':' && s[8] == 'Z';
    for (const std::size_t i : {0, 1, 3, 4, 6, 7}) ok = ok && s[i] >= '0' && s[i] <= '9';
    if (!ok || two(0) > 23 || two(3) > 59 || two(6) > 59) return fail(place, "must be a time like 16:30:00Z");
    out = two(0) * 3600 + two(3) * 60 + two(6);
    return true;
  }

  bool money(element value, const Place& place, Money& out) {
    std::string_view s;
    std::int64_t whole = 0;
    std::string digits;
    if (value.get(whole) == simdjson::SUCCESS) {
      digits = std::to_string(whole);
      s = digits;
    } else if (value.get(s) != simdjson::SUCCESS) {
      return fail(place, value.is<double>() ? "must be a text, so that it is read exactly: \"0.15\""
                                            : "must be a price, a decimal number as text: \"0.15\"");
    }
    const auto parsed = parse_price(s);
    if (!parsed) return fail(place, parsed.error().message);
    out = *parsed;
    return true;
  }

  bool rate(element value, const Place& place, PriceRate& out) {
    if (!value.is<object>()) return money(value, place, out.base);
    static constexpr std::array<std::string_view, 2> kKeys{"base", "tiers"};
    static constexpr std::array<std::string_view, 2> kTierKeys{"start", "price"};
    std::array<element, 2> m;
    std::array<bool, 2> have{};
    if (!members(value, place, kKeys, m, have)) return false;
    if (!have[0] || !have[1]) return fail(place, "must have base and tiers");
    if (!money(m[0], place.of(kKeys[0]), out.base)) return false;
    array entries;
    if (!list(m[1], place.of(kKeys[1]), entries)) return false;
    if (entries.size() > 100) return fail(place.of(kKeys[1]), "must have at most 100 entries");
    out.first_tier = static_cast<std::uint32_t>(table_->tiers_.size());
    std::size_t i = 0;
    const Place tiers = place.of(kKeys[1]);
    for (const element e : entries) {
      const Place here = tiers.at(i++);
      std::array<element, 2> t;
      std::array<bool, 2> got{};
      if (!members(e, here, kTierKeys, t, got)) return false;
      if (!got[0] || !got[1]) return fail(here, "must have start and price");
      PriceTier tier;
      if (t[0].get(tier.start) != simdjson::SUCCESS || tier.start < 0 || tier.start > kMaxCount)
        return fail(here.of(kTierKeys[0]), "must be a number of tokens");
      if (!money(t[1], here.of(kTierKeys[1]), tier.price)) return false;
#ifdef GW_PLANT_BUG
      if (i > 1 && tier.start < table_->tiers_.back().start)
#else
      if (i > 1 && tier.start <= table_->tiers_.back().start)
#endif
        return fail(here.of(kTierKeys[0]), "must be above that of the entry before");
      table_->tiers_.push_back(tier);
    }
    out.tiers = static_cast<std::uint16_t>(i);
    return true;
  }

  bool prices(element value, const Place& place, PriceTable::Card& card) {
    object o;
    if (value.get(o) != simdjson::SUCCESS) return fail(place, "must be an object");
    card.first_rate = static_cast<std::uint32_t>(table_->rates_.size());
    std::array<const Known*, kPriceUnits> seen{};
    std::array<bool, std::size(kPriceKeys)> keys{};
    bool uncounted = false, all = true;
    for (const auto& [key, member] : o) {
      const Place here = place.of(key);
      const Known* k = known_price(key);
      if (k == nullptr) {
        all = fail(here, "is not known");
        continue;
      }
      bool& again = keys[static_cast<std::size_t>(k - kPriceKeys)];
      if (again) {
        all = fail(here, "stands there twice");
        continue;
      }
      again = true;
      PriceRate r;
      r.unit = k->unit;
      all = rate(member, here, r) && all;
      if (!all) continue;
      uncounted = uncounted || !k->counted;
      if (!k->counted) continue;
      const Known*& same = seen[static_cast<std::size_t>(r.unit)];
      if (same == nullptr) {
        table_->rates_.push_back(r);
      } else if (k->key == "input_audio_hours") {  // audio that was sent in is sold under this name first
        for (std::size_t i = card.first_rate; i < table_->rates_.size(); ++i)
          if (table_->rates_[i].unit == r.unit) table_->rates_[i] = r;
      }
      same = k;
    }
    if (!all) return false;
    card.uncounted = uncounted && card.first_rate == table_->rates_.size();
    derive_cache_writes(card);
    card.rates = static_cast<std::uint16_t>(table_->rates_.size() - card.first_rate);
    return true;
  }

 public:
  /// Adds what the provider documents as a multiple of the input price and the card does not state.
  void derive_cache_writes(const PriceTable::Card& card) {
    const CacheWriteRule* rule = cache_write_rule(provider_, model_);
    if (rule == nullptr) return;
    std::array<bool, kPriceUnits> have{};
    PriceRate input;
    for (std::size_t i = card.first_rate; i < table_->rates_.size(); ++i) {
      have[static_cast<std::size_t>(table_->rates_[i].unit)] = true;
      if (table_->rates_[i].unit == PriceUnit::input) input = table_->rates_[i];
    }
    if (!have[static_cast<std::size_t>(PriceUnit::input)]) return;
    const auto derive = [&](PriceUnit unit, Fraction factor) {
      if (have[static_cast<std::size_t>(unit)]) return;
      const auto times = [&](Money price) { return price * factor.num / factor.den; };
      PriceRate out{times(input.base), static_cast<std::uint32_t>(table_->tiers_.size()), input.tiers, unit};
      for (std::uint32_t i = 0; i < input.tiers; ++i) {
        const PriceTier t = table_->tiers_[input.first_tier + i];
        table_->tiers_.push_back({t.start, times(t.price)});
      }
      table_->rates_.push_back(out);
    };
    derive(PriceUnit::cache_write, rule->five_minutes);
    derive(PriceUnit::cache_write_1h, rule->one_hour);
  }

 private:
  friend class PriceOverrideReader;
  std::shared_ptr<PriceTable> table_;
  static constexpr std::size_t kMostTold = 20;
  std::size_t faults_ = 0;
  std::string error_;                  ///< the first kMostTold
  std::string_view provider_, model_;  ///< of the card that is being read
};

class PriceOverrideReader {
 public:
  explicit PriceOverrideReader(PriceTableParser& parser) : parser_(parser), table_(*parser.table_) {}

  Result<void> read(std::span<const PriceOverride> all) {
    std::string text;
    if (all.size() > kMaxOverrides) return fail("pricing.overrides must have at most 1000 entries");
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (auto ok = one(all[i], "pricing.overrides[" + std::to_string(i) + "]", text); !ok) return ok;
    }
    const auto literals = [](const PriceTable::Override& o) {
      return o.pattern.size() - static_cast<std::size_t>(std::count(o.pattern.begin(), o.pattern.end(), '*'));
    };
    const auto rank = [&](const PriceTable::Override& o) {
      return std::tuple(o.pattern.find('*') != std::string::npos, -static_cast<std::int64_t>(literals(o)), ~o.from,
                        o.place);
    };
    std::sort(table_.overrides_.begin(), table_.overrides_.end(),
              [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
    if (!all.empty()) table_.version_ += "+over." + short_hash(text);
    return {};
  }

 private:
  struct Field {
    std::string_view key;
    std::string PriceOverride::* text;
    PriceUnit unit;
    unsigned times;  ///< to the price per unit of sale
  };
  static constexpr std::array<Field, 17> kFields{{
      {"input", &PriceOverride::input, PriceUnit::input, 1},
      {"output", &PriceOverride::output, PriceUnit::output, 1},
      {"cache_read", &PriceOverride::cache_read, PriceUnit::cache_read, 1},
      {"cache_write_5m", &PriceOverride::cache_write_5m, PriceUnit::cache_write, 1},
      {"cache_write_1h", &PriceOverride::cache_write_1h, PriceUnit::cache_write_1h, 1},
      {"input_audio", &PriceOverride::input_audio, PriceUnit::input_audio, 1},
      {"output_audio", &PriceOverride::output_audio, PriceUnit::output_audio, 1},
      {"input_image", &PriceOverride::input_image, PriceUnit::input_image, 1},
      {"output_image", &PriceOverride::output_image, PriceUnit::output_image, 1},
      {"cache_read_audio", &PriceOverride::cache_read_audio, PriceUnit::cache_read_audio, 1},
      {"cache_read_image", &PriceOverride::cache_read_image, PriceUnit::cache_read_image, 1},
      {"reasoning", &PriceOverride::reasoning, PriceUnit::reasoning, 1},
      {"web_search_per_1k", &PriceOverride::web_search_per_1k, PriceUnit::web_search, 1},
      {"file_search_per_1k", &PriceOverride::file_search_per_1k, PriceUnit::file_search, 1},
      {"code_execution_per_1k", &PriceOverride::code_execution_per_1k, PriceUnit::code_execution, 1},
      {"request_per_1k", &PriceOverride::request_per_1k, PriceUnit::request, 1},
      {"audio_minute", &PriceOverride::audio_minute, PriceUnit::audio_hour, 60},
  }};

  Result<void> one(const PriceOverride& o, const std::string& where, std::string& text) {
    PriceTable::Override out{lowercase(trim(o.provider)),
                             lowercase(trim(o.model)),
                             lowercase(trim(o.service_tier)),
                             std::numeric_limits<std::int64_t>::min(),
                             {}};
    if (out.provider.empty()) return fail(where + ".provider is required");
    if (out.pattern.empty()) return fail(where + ".model is required; \"*\" stands for every model");
    if (std::count(out.pattern.begin(), out.pattern.end(), '*') > 8) return fail(where + ".model: at most 8 stars");
    if (is_standard_tier(out.service_tier)) out.service_tier.clear();
    if (!trim(o.effective_from).empty()) {
      const auto from = parse_price_date(trim(o.effective_from));
      if (!from) return fail(where + ".effective_from " + from.error().message);
      out.from = *from;
    }
    for (const PriceTable::Override& before : table_.overrides_)
      if (before.provider == out.provider && before.pattern == out.pattern && before.from == out.from &&
          before.service_tier == out.service_tier)
        return fail(where + " has the provider, model, service_tier and effective_from of an entry before it");
    for (const std::string_view part : {std::string_view(out.provider), std::string_view(out.pattern),
                                        std::string_view(out.service_tier), std::string_view(o.effective_from)})
      text.append(part).append("\n");
    out.card.first_rate = static_cast<std::uint32_t>(table_.rates_.size());
    for (const Field& f : kFields) {
      text.append(o.*f.text).append("\n");
      if (trim(o.*f.text).empty()) continue;
      const auto price = parse_price(trim(o.*f.text));
      if (!price) return fail(where + "." + std::string(f.key) + " " + price.error().message);
      table_.rates_.push_back({*price * f.times, 0, 0, f.unit});
    }
    if (table_.rates_.size() == out.card.first_rate) return fail(where + " sets no price");
    parser_.provider_ = out.provider;
    parser_.model_ = out.pattern;
    parser_.derive_cache_writes(out.card);
    out.card.rates = static_cast<std::uint16_t>(table_.rates_.size() - out.card.first_rate);
    out.place = table_.overrides_.size();
    table_.overrides_.push_back(std::move(out));
    return {};
  }

  PriceTableParser& parser_;
  PriceTable& table_;
};

Result<std::shared_ptr<const PriceTable>> PriceTable::parse(std::string_view json,
                                                            std::span<const PriceOverride> overrides, bool from_file) {
  PriceTableParser parser;
  if (!parser.read(json)) return fail(parser.error());
  PriceOverrideReader reader(parser);
  auto table = parser.table();
  table->version_ += "+adj" + std::string(kAdjustmentsVersion);
  if (from_file) table->version_ += "+file." + short_hash(json);
  if (auto ok = reader.read(overrides); !ok) return tl::make_unexpected(ok.error());
  table->pool_.shrink_to_fit();
  table->rules_.shrink_to_fit();
  table->tiers_.shrink_to_fit();
  table->rates_.shrink_to_fit();
  table->periods_.shrink_to_fit();
  table->models_.shrink_to_fit();
  return std::shared_ptr<const PriceTable>(std::move(table));
}

Result<void> PriceTable::check(std::span<const PriceOverride> overrides) {
  PriceTableParser parser;
  return PriceOverrideReader(parser).read(overrides);
}

}  // namespace gw::provider
