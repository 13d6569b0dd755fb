#include "api/time_buckets.h"
#include "base/time_format.h"

namespace gw::api {
namespace {

constexpr std::int64_t kHour = 3600;

constexpr std::int64_t floor_mod(std::int64_t a, std::int64_t b) { return (a % b + b) % b; }
constexpr std::int64_t floor_div(std::int64_t a, std::int64_t b) { return (a - floor_mod(a, b)) / b; }

/// Hours and minutes: the clock of the zone at a whole one, or at an instant where it jumps by a part of one.
class ClockEdges {
 public:
  ClockEdges(const TimeZone& zone, std::int64_t unit, std::int64_t from) : zone_(zone), unit_(unit) {
    const std::int64_t offset = zone.offset(from);
    at_ = from - floor_mod(from + offset, unit);
    if (floor_mod(zone.offset(at_) - offset, unit) == 0) return;
    while (const auto jump = zone.change(at_, from)) at_ = *jump;
  }
  std::int64_t start() const { return at_; }
  std::int64_t next() {
    const std::int64_t offset = zone_.offset(at_);
    std::int64_t next = at_ + unit_ - floor_mod(at_ + offset, unit_);
    if (floor_mod(zone_.offset(next) - offset, unit_) != 0) next = zone_.change(at_, next).value_or(next);
    return at_ = next;
  }

 private:
  const TimeZone& zone_;
  std::int64_t unit_;
  std::int64_t at_;
};

/// Days, weeks and months: midnights of the calendar.
class CalendarEdges {
 public:
  CalendarEdges(const TimeZone& zone, BucketUnit unit, std::int64_t from) : zone_(zone), unit_(unit) {
    day_ = cctz::civil_day(zone.civil(from));
    if (unit == BucketUnit::week) day_ -= static_cast<int>(cctz::get_weekday(day_));  // Monday is 0
    if (unit == BucketUnit::month) day_ = cctz::civil_day(cctz::civil_month(day_));
    // Where clocks go back over midnight, `from` may show a day again that is over.
    while (peek() <= from) step();
    do {
      back();
    } while (peek() > from);
    at_ = peek();
  }
  std::int64_t start() const { return at_; }
  std::int64_t next() {
    do {
      step();
    } while (peek() <= at_);  // a day that a zone left out
    return at_ = peek();
  }

 private:
  std::int64_t peek() const { return zone_.instant(cctz::civil_second(day_)); }
  void step() { move(1); }
  void back() { move(-1); }
  void move(int n) {
    if (unit_ == BucketUnit::month)
      day_ = cctz::civil_day(cctz::civil_month(day_) + n);
    else
      day_ += unit_ == BucketUnit::week ? 7 * n : n;
  }

  const TimeZone& zone_;
  BucketUnit unit_;
  cctz::civil_day day_;
  std::int64_t at_ = 0;
};

template <class Edges>
std::optional<Buckets> cut(std::int64_t from, std::int64_t to, Edges edges, std::size_t most) {
  Buckets out;
  out.starts.push_back(edges.start() * kSecondNs);
  out.edges.push_back(from);
  for (std::int64_t s = edges.next(); s * kSecondNs < to; s = edges.next()) {
    if (out.starts.size() == most) return std::nullopt;
    out.whole_hours = out.whole_hours && s % kHour == 0;
    out.starts.push_back(s * kSecondNs);
    out.edges.push_back(s * kSecondNs);
  }
  out.edges.push_back(to);
  return out;
}

}  // namespace

std::optional<Buckets> cut_into_buckets(std::int64_t from, std::int64_t to, BucketUnit unit, const TimeZone& zone,
                                        std::size_t most) {
  const std::int64_t first = floor_div(from, kSecondNs);
  if (unit == BucketUnit::minute) return cut(from, to, ClockEdges(zone, 60, first), most);
  if (unit == BucketUnit::hour) return cut(from, to, ClockEdges(zone, kHour, first), most);
  return cut(from, to, CalendarEdges(zone, unit, first), most);
}

std::int64_t day_start(const TimeZone& zone, std::int64_t utc_midnight, int days) {
  const cctz::civil_day day = cctz::civil_day(1970, 1, 1) + floor_div(utc_midnight, 24 * kHour * kSecondNs) + days;
  return zone.instant(cctz::civil_second(day)) * kSecondNs;
}

}  // namespace gw::api
