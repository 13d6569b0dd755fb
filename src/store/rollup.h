#pragma once
// Roll-ups: Figures per UTC hour and day, tenant and value of one dimension (ADR 0002). The cells of one hour or day,
// tenant and dimension lie together on a page, which is what a store reads and writes. Plain data; one thread.
#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time_format.h"
#include "store/analytics.h"
#include "store/trace_block.h"

namespace gw::store {

/// The numbers are stored ones.
enum class Dimension : std::uint8_t { model = 0, route = 1, gateway_key = 2, api_key = 3, status = 4 };
inline constexpr std::size_t kDimensions = 5;

enum class RollupLevel : std::uint8_t { hour = 0, day = 1 };

constexpr std::int64_t level_ns(RollupLevel l) { return l == RollupLevel::hour ? kHourNs : kDayNs; }
/// Start of the hour or day that holds a time, also before 1970.
std::int64_t bucket_start(RollupLevel level, std::int64_t ns);

/// [from, to) on timestamp.
struct TimeRange {
  std::int64_t from_ns = std::numeric_limits<std::int64_t>::min(), to_ns = std::numeric_limits<std::int64_t>::max();
};

struct PageKey {
  RollupLevel level = RollupLevel::hour;
  std::int64_t start_ns = 0;
  Dimension dimension = Dimension::model;
  std::string org, workspace;

  friend auto operator<=>(const PageKey&, const PageKey&) = default;
};

/// A value of a dimension as pages hold it: the name; for a model see model_value, for a status see status_name.
std::string model_value(std::string_view provider, std::string_view model);
/// Provider and model of it; what is none gives two empty views.
std::pair<std::string_view, std::string_view> split_model_value(std::string_view value);

class RollupPage {
 public:
  /// More distinct values than this are together in one more cell, kOtherValue.
  static constexpr std::size_t kMaxCells = 1000;
  /// No name is this: it is not UTF-8.
  static constexpr std::string_view kOtherValue = "\xFF";

  struct Cell {
    std::string value;
    Figures figures;
  };

  /// By value, bytewise.
  const std::vector<Cell>& cells() const { return cells_; }
  bool empty() const { return cells_.empty(); }
  /// A new value when there is no room goes to kOtherValue; the page's own stay.
  void merge(const RollupPage& other);

  /// Three parts, so that a query without percentiles reads the first only.
  void encode(std::string& sums, std::string& latency, std::string& ttft) const;
  /// Nothing when a part is malformed or they do not fit together.
  static std::optional<RollupPage> decode(std::string_view sums, std::string_view latency, std::string_view ttft);

 private:
  friend class PageMaker;
  std::vector<Cell> cells_;
};

struct RollupDelta {
  struct Entry {
    PageKey key;
    RollupPage page;
  };
  std::vector<Entry> pages;  ///< by key
};

/// What the rows of a block with a timestamp in `range` add to the pages of hours and, if asked, days. A day's page is
/// the sum of its hours': merging it once from them when the day is over (Coverage::days_until_ns) costs far less than
/// merging every block into it, since with 500 keys the histograms of a day have half a megabyte.
RollupDelta rollup_of(const TraceBlock& block, const TimeRange& range = {}, bool days = true);

}  // namespace gw::store
