#pragma once
// What limits are asked about and in which units. Plain data.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace gw::limits {

/// Whose traffic is counted.
enum class Subject : std::uint8_t { key, workspace, org, model };
inline constexpr std::size_t kTenants = 3;  ///< the first ones: known by the key that a request comes with
inline constexpr std::size_t kSubjects = 4;

enum class Measure : std::uint8_t { minute_tokens, day_tokens, day_cost, month_cost, requests, concurrent };
inline constexpr std::size_t kSpends = 4;  ///< the first ones: what a request spends, as against that it is there
inline constexpr std::size_t kMeasures = 6;

/// By measure: tokens, nano-dollars, or requests. 0 or less: off. Days, months and minutes are UTC's; requests are
/// those of the last 60 seconds.
struct Thresholds {
  std::array<std::int64_t, kMeasures> most{};

  std::int64_t of(Measure m) const { return most[static_cast<std::size_t>(m)]; }
  std::int64_t& of(Measure m) { return most[static_cast<std::size_t>(m)]; }
};

/// Of all models together that one pattern matches, over the whole gateway.
struct ModelLimit {
  std::string pattern;  ///< a model's name, `*` for any run of characters
  Thresholds thresholds;
};

/// By subject: the same for each of its kind.
struct Options {
  std::array<Thresholds, kTenants> thresholds{};
  /// A model is measured by the entry of its very name, else by the first one that matches.
  std::vector<ModelLimit> models{};
  /// Some keys have no id: such a one is measured against all that its workspace spends.
  bool keys_without_id = false;
  /// Counted together with other gateways: see LeaseBook.
  bool shared = false;
  /// Keys that are known at a time; see Limiter.
  std::size_t max_keys = 65'536;

  const Thresholds& of(Subject s) const { return thresholds[static_cast<std::size_t>(s)]; }
  Thresholds& of(Subject s) { return thresholds[static_cast<std::size_t>(s)]; }
  /// The same, but that this is not limited.
  Options without(Measure m) const {
    Options out = *this;
    for (Thresholds& t : out.thresholds) t.of(m) = 0;
    for (ModelLimit& model : out.models) model.thresholds.of(m) = 0;
    return out;
  }
};

struct Spend {
  std::int64_t tokens = 0;
  std::int64_t cost_nano_usd = 0;

  friend bool operator==(const Spend&, const Spend&) = default;
};

/// Both clocks at one time.
struct Moment {
  std::int64_t wall_ns = 0;  ///< since the Unix epoch: days and months
  std::int64_t mono_ns = 0;  ///< > 0, never goes back: rates
};

}  // namespace gw::limits
