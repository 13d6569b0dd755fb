#pragma once
// One gateway's leases of the counters that it shares with others: what to ask for, what to give back, what to do while
// nobody answers. Plain arithmetic over what SharedCounters says; no clock and no thread of its own.
//
// How it adds up. Of each counter this instance was granted G in all and has spent S of it; G - S is held: reserved by
// requests in flight, or spare. Everybody's S and G - S together stay within the threshold, since whoever grants knows
// them; the last request of a sum may cross it, once. What is told is S and G - S as they are, so that a message that
// is lost or comes twice changes nothing.
//
// Owner: one thread. Requests touch only the shares.
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "limits/meter.h"
#include "limits/shared_counters.h"
#include "limits/thresholds.h"

namespace gw::limits {

/// A request waits for this much of a share.
struct Wish {
  std::shared_ptr<Meter> meter;  ///< that the share belongs to
  Measure measure = Measure::requests;
  std::int64_t period = Share::kForever;
  std::int64_t need = 1;
};

class LeaseBook {
 public:
  static constexpr std::int64_t kLeaseNs = 5'000'000'000;  ///< an instance that is silent for so long holds nothing
  static constexpr std::int64_t kTickNs = 1'000'000'000;   ///< it says something so often
  static constexpr std::int64_t kClosedNs = 100'000'000;   ///< a share that got nothing is not asked for again before

  /// Names are never given twice, by nobody.
  LeaseBook(std::function<std::string()> new_name, const Moment& now)
      : new_name_(std::move(new_name)), name_(new_name_()), contact_ns_(now.mono_ns) {}

  /// In reserve, of a counter with that threshold: a hundredth. A share has room for it several times over.
  static std::int64_t worth_having(std::int64_t threshold) {
    return std::clamp<std::int64_t>(threshold / 100, 1, PeriodShare::kMost / 8);
  }
  /// What is one gateway's while nobody can be asked: no key of a small limit is shut out everywhere.
  std::int64_t part_of(std::int64_t amount) const { return std::max<std::int64_t>(amount > 0, amount / instances_); }

  /// Until the next plan().
  void add(const Wish& wish);
  void look_at(WantingShares& wanting);

  Hello hello() const {
    return {.instance = name_, .fresh = fresh_, .returning = met_, .lease_ms = kLeaseNs / 1'000'000};
  }
  /// What to say now; `tick`: a second has passed. To be answered by one of the next three.
  std::vector<CounterAsk> plan(const Moment& now, bool tick);
  /// To all of it, by a round that began at `now`.
  void answered(const Round& round, const Moment& now);
  /// Under that name nothing is held any more: plan again.
  void renew(const Round& round);
  /// Nobody answered: the shares are all there is, and after kLeaseNs each gateway has its part of every counter.
  void alone(const Moment& now);
  /// At the end: what is spare is taken out of the shares, for the next plan() to say so.
  void give_all_back();

  const std::string& name() const { return name_; }
  std::size_t size() const { return leases_.size(); }

 private:
  struct Lease {
    std::shared_ptr<Meter> meter;
    Share* share = nullptr;
    Measure measure = Measure::requests;
    std::int64_t period = 0;   ///< 0: none yet
    std::int64_t granted = 0;  ///< G
    std::int64_t before = 0;   ///< of S, what was spent under an earlier name
    std::int64_t told = 0;     ///< S as the last answer knew it
    std::int64_t asked = 0;    ///< S as of the last plan
    std::int64_t known = 0;    ///< everybody's,
    std::int64_t base = 0;     ///< and of that, of those who have no name any more
    std::int64_t need = 0, single = 0;
    std::int64_t wish_period = 0;
    std::int64_t answered_ns = 0;
    std::int64_t logged = 0;                                ///< of a window: S that the log has
    std::int64_t lately = 0;                                ///< and of that, of the last minute
    std::deque<std::pair<std::int64_t, std::int64_t>> log;  ///< when, how many: of the last minute
    int idle_ticks = 0;
    std::int64_t hungry_until_ns = 0;  ///< there was too little to be had: only requests that wait ask again before
    bool wanting = false, must_tell = false;
  };

  /// Begun where there is none.
  Lease& lease_on(Share& share, const std::shared_ptr<Meter>& meter, Measure measure);
  bool lapsed(const Moment& now) const { return now.mono_ns - contact_ns_ > kLeaseNs; }
  static std::int64_t spent(const Lease& lease);
  static std::int64_t learnt(const Lease& lease);
  static void begin_period(Lease& lease, const Moment& now);
  static void keep_log(Lease& lease, const Moment& now);
  void take_part(Lease& lease) const;
  static std::int64_t give_back(Lease& lease, bool tick);
  static void set_marks(Share& share, std::int64_t lease);
  bool ask_about(Lease& lease, const Moment& now, bool tick, CounterAsk& ask);
  void forget_unused();

  std::function<std::string()> new_name_;
  std::string name_;
  bool fresh_ = true;
  std::string epoch_;
  std::int64_t instances_ = 1;
  std::int64_t contact_ns_;  ///< when the last round that was answered began, or this one did
  bool met_ = false;         ///< some round was answered
  std::vector<std::unique_ptr<Lease>> leases_;
  std::vector<Lease*> planned_;
};

}  // namespace gw::limits
