#pragma once
// Who may send how much. A request takes a Permit, which reserves what it may spend, and settles it with what it spent.
//
//   limiter.find(...) -> Meters of a key, its workspace and its org
//   limiter.take(meters, estimate, moment) -> Permit or Denial
//
// A request is admitted while what is spent and reserved is below the threshold, so the last one admitted may cross it,
// as it does when requests come one by one. What all of them together spend is therefore over a threshold by no more
// than that one's reservation and what requests in flight spend beyond theirs, whatever the concurrency.
//
// What a request spends counts for the period in which it was admitted.
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "limits/denial.h"
#include "limits/meter.h"
#include "limits/thresholds.h"

namespace gw::limits {

/// Of one key. Shared by all that use it.
struct Meters {
  std::string org, workspace, key;
  std::shared_ptr<Meter> subjects[kSubjects];
  /// What the whole workspace spends, where keys without an id are measured by it; else null.
  std::shared_ptr<Meter> whole;

  Meter& of(Subject s) const { return *subjects[static_cast<std::size_t>(s)]; }
};
using MetersPtr = std::shared_ptr<Meters>;

/// A share of a threshold that a request's spending reached: 80, 90 or 100 %.
struct Crossing {
  Subject subject = Subject::key;
  Measure measure = Measure::day_tokens;
  int percent = 0;
  std::int64_t spent = 0, threshold = 0;
};
struct Crossings {
  std::array<Crossing, kSubjects * kSpends> list{};
  std::size_t count = 0;

  const Crossing* begin() const { return list.data(); }
  const Crossing* end() const { return list.data() + count; }
};

/// How much of a rate is left.
struct Standing {
  std::int64_t limit = 0, remaining = 0;
  std::int64_t reset_s = 0;  ///< until more is left; 0: all of it is
};

class Limiter;

/// What one admitted request holds. One owner, one thread; the limiter outlives it. Destroyed unsettled it is settled
/// with its estimate: a request whose end nobody saw was not free.
class Permit {
 public:
  Permit() = default;
  Permit(Permit&& from) noexcept { *this = std::move(from); }
  Permit& operator=(Permit&& from) noexcept {
    end();
    limiter_ = std::exchange(from.limiter_, nullptr);
    meters_ = std::move(from.meters_);
    reserved_ = from.reserved_;
    periods_ = from.periods_;
    settled_ = from.settled_;
    return *this;
  }
  ~Permit() { end(); }

  /// Something is counted for this request.
  bool held() const { return limiter_ != nullptr; }
  /// The first call replaces the reservation by what was spent; later ones do nothing.
  Crossings settle(const Spend& spent);
  Crossings settle_as_reserved() { return settle(reserved_); }
  /// Spent beside that, at a time: by the responses of a WebSocket.
  Crossings charge(const Spend& spent, std::int64_t wall_ns);
  const Spend& reserved() const { return reserved_; }
  const MetersPtr& meters() const { return meters_; }

 private:
  friend class Limiter;
  void end();

  const Limiter* limiter_ = nullptr;
  MetersPtr meters_;
  Spend reserved_;
  Periods periods_;
  bool settled_ = false;
};

/// Any thread. take() and what follows from it neither lock nor allocate; find() locks for as long as a look-up in a
/// table takes, so workers remember what it gave (MeterCache).
///
/// Bounded by Options::max_keys: for another one, those are forgotten of which nothing is counted.
class Limiter {
 public:
  explicit Limiter(Options options);

  /// False: every threshold is off, and nothing else need be called.
  bool on() const { return !steps_.empty(); }
  /// A request has to say what it may spend, in tokens or in money too.
  bool estimates() const { return estimates_; }
  bool prices() const { return prices_; }

  /// Null: max_keys are in use.
  MetersPtr find(std::string_view org, std::string_view workspace, std::string_view key, const Moment& now);

  /// Whether take() would give a permit to a request that spends nothing. Changes nothing.
  std::optional<Denial> look(const Meters& meters, const Moment& now) const;
  tl::expected<Permit, Denial> take(MetersPtr meters, const Spend& estimate, const Moment& now) const;

  /// Of `requests` or `minute_tokens`, of the subject that has the least left. Nothing where that is not limited.
  std::optional<Standing> standing(const Meters& meters, Measure measure, const Moment& now) const;

  /// What the store says was spent, before the first take().
  void seed(const Meters& meters, Subject subject, Measure measure, std::int64_t spent, std::int64_t wall_ns) const;

  const Options& options() const { return options_; }

 private:
  friend class Permit;
  struct Step {
    Subject subject;
    Measure measure;
    std::int64_t threshold;
  };
  class Lock;

  std::optional<Denial> look_at(const Step& step, const Meters& meters, const Periods& at, const Moment& now) const;
  enum class Reserved : std::uint8_t { yes, no, period_over };
  Reserved reserve(const Step& step, Permit& permit, const Moment& now, std::optional<Denial>& denial) const;
  std::optional<Denial> reserve_all(Permit& permit, const Moment& now) const;
  std::optional<Denial> record_requests(const Meters& meters, const Moment& now, std::optional<Subject> only) const;
  void give_back(const Permit& permit, std::size_t steps) const;
  Crossings settle(const Permit& permit, const Spend& reserved, const Spend& spent, const Periods& at) const;
  static std::int64_t part_of(Measure m, const Spend& spend) {
    return m == Measure::day_cost || m == Measure::month_cost ? spend.cost_nano_usd : spend.tokens;
  }
  std::shared_ptr<Meter> shared_meter(std::string_view kind, std::string_view org, std::string_view workspace);
  void forget_idle(const Moment& now);

  Options options_;
  std::vector<Step> steps_;  ///< those that are on, in the order of the contract
  bool estimates_ = false, prices_ = false;

  std::atomic_flag busy_;
  std::unordered_map<std::string, MetersPtr> keys_;
  std::unordered_map<std::string, std::shared_ptr<Meter>> shared_;
  std::int64_t swept_mono_ns_ = 0;
};

/// What one worker remembers of Limiter::find. One thread.
class MeterCache {
 public:
  /// Null as there.
  const MetersPtr& find(Limiter& limiter, std::string_view org, std::string_view workspace, std::string_view key,
                        const Moment& now);

 private:
  static constexpr std::size_t kPlaces = 256;
  std::array<MetersPtr, kPlaces> places_;
};

}  // namespace gw::limits
