#include "limits/lease_book.h"

#include <algorithm>
#include <utility>

#include "limits/period.h"
#include "limits/rate_window.h"

namespace gw::limits {
namespace {

/// Spare that nobody took for so many ticks goes back; a lease of which nothing is held is forgotten.
constexpr int kIdleTicks = 2, kForgetTicks = 60;
/// What is held is told again after so long, also when nothing changed.
constexpr std::int64_t kTellNs = 20'000'000'000;
/// A window is kept by seconds, so an event counts for up to one more.
constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kWindowNs = RateWindow::kWindowNs + kSecondNs;

std::int64_t period_of(const Share& share, Measure measure, const Moment& now) {
  return share.kind == Share::Kind::sum ? Periods::at(now.wall_ns).of(measure) : Share::kForever;
}

std::int64_t keep_s(Share::Kind kind, Measure measure) {
  if (kind == Share::Kind::window) return 300;
  if (kind == Share::Kind::slots) return 3'600;
  return measure == Measure::minute_tokens ? 600 : measure == Measure::month_cost ? 40 * 86'400 : 3 * 86'400;
}

}  // namespace

LeaseBook::Lease& LeaseBook::lease_on(Share& share, const std::shared_ptr<Meter>& meter, Measure measure) {
  if (share.lease_ != nullptr) return *static_cast<Lease*>(share.lease_);
  auto made = std::make_unique<Lease>();
  share.lease_ = made.get();
  made->meter = meter;
  made->share = &share;
  made->measure = measure;
  made->logged = made->told = made->before = share.used_.load(std::memory_order_acquire);
  made->granted = made->told;
  if (share.told_as_ == name_) made->before = share.told_before_;
  return *leases_.emplace_back(std::move(made));
}

void LeaseBook::add(const Wish& wish) {
  Share* const share = wish.meter->share(wish.measure);
  if (share == nullptr) return;
  Lease& lease = lease_on(*share, wish.meter, wish.measure);
  lease.need += wish.need;
  lease.single = std::max(lease.single, wish.need);
  lease.wish_period = std::max(lease.wish_period, wish.period);
}

void LeaseBook::look_at(WantingShares& wanting) {
  for (Share* share = wanting.take_all(); share != nullptr;) {
    Share* const next = share->next_;
    share->queued_.store(false, std::memory_order_release);
    if (share->lease_ != nullptr) static_cast<Lease*>(share->lease_)->wanting = true;
    share = next;
  }
}

std::int64_t LeaseBook::spent(const Lease& lease) {
  if (lease.share->kind == Share::Kind::slots) return 0;
  if (lease.share->kind == Share::Kind::window) return lease.share->used_.load(std::memory_order_acquire);
  return lease.meter->with(lease.measure, [&](auto& account) { return account.spent.read(lease.period); });
}

/// Of a sum: what the store knows of everybody's spending.
std::int64_t LeaseBook::learnt(const Lease& lease) {
  const bool lasting = lease.share->kind == Share::Kind::sum && lease.measure != Measure::minute_tokens;
  return lasting ? lease.share->learnt_.read(lease.period) : 0;
}

/// What was left of the one before is gone with it, here and wherever it is counted.
void LeaseBook::begin_period(Lease& lease, const Moment& now) {
  const std::int64_t period = std::max(period_of(*lease.share, lease.measure, now), lease.wish_period);
  if (period <= lease.period) return;
  lease.period = period;
  Share& share = *lease.share;
  share.amount_.begin(period);
  if (share.kind != Share::Kind::sum) return;
  lease.before = lease.told = lease.asked = lease.base = 0;
  lease.granted = spent(lease);  // by those who are only counted here
  lease.known = learnt(lease);
  share.others_period_.store(0, std::memory_order_relaxed);
  share.others_.store(lease.known, std::memory_order_relaxed);
  share.others_period_.store(period, std::memory_order_relaxed);
  share.closed_until_.store(0, std::memory_order_relaxed);
}

/// Of a window: when its share was used.
void LeaseBook::keep_log(Lease& lease, const Moment& now) {
  if (lease.share->kind != Share::Kind::window) return;
  const std::int64_t used = spent(lease);
  const std::int64_t more = used - std::exchange(lease.logged, used);
  lease.lately += more;
  if (!lease.log.empty() && now.mono_ns - lease.log.back().first < kSecondNs)
    lease.log.back().second += more;
  else if (more > 0)
    lease.log.emplace_back(now.mono_ns, more);
  for (; !lease.log.empty() && now.mono_ns - lease.log.front().first > kWindowNs; lease.log.pop_front())
    lease.lately -= lease.log.front().second;
}

/// Nobody is granted anything, so each gateway has its part: of a sum of what nobody had spent when it last heard of
/// it, of the others of all there is. Whoever has more of a window or of places gives it up as it comes free, so that
/// all together are within the limit again.
void LeaseBook::take_part(Lease& lease) const {
  Share& share = *lease.share;
  const bool sum = share.kind == Share::Kind::sum;
  const std::int64_t all = share.threshold() - (sum ? lease.known : 0);
  const std::int64_t part = std::min(part_of(all), PeriodShare::kMost / 2);
  const std::int64_t have = sum                                ? lease.granted - lease.told
                            : share.kind == Share::Kind::slots ? lease.granted
                                                               : lease.lately + share.left(lease.period);
  if (have < part) {
    lease.granted += part - have;
    share.give(lease.period, part - have);
  } else if (!sum) {
    lease.granted -= share.amount_.take_back(lease.period, have - part);
  }
}

std::int64_t LeaseBook::give_back(Lease& lease, bool tick) {
  if (lease.need > 0) return 0;
  Share& share = *lease.share;
  const std::int64_t worth = worth_having(share.threshold());
  const std::int64_t left = share.left(lease.period);
  std::int64_t most = 0;
  if (tick && lease.idle_ticks >= kIdleTicks)
    most = left;
  else if (left > (share.kind == Share::Kind::slots ? worth : 2 * worth))
    most = left - worth;
  const std::int64_t back = share.amount_.take_back(lease.period, most);
  lease.granted -= back;
  return back;
}

void LeaseBook::set_marks(Share& share, std::int64_t lease) {
  share.low_.store(std::max<std::int64_t>(1, lease / 2), std::memory_order_relaxed);
  share.high_.store(share.kind == Share::Kind::slots ? lease : PeriodShare::kMost, std::memory_order_relaxed);
}

/// False: there is nothing to say.
bool LeaseBook::ask_about(Lease& lease, const Moment& now, bool tick, CounterAsk& ask) {
  Share& share = *lease.share;
  begin_period(lease, now);
  keep_log(lease, now);
  if (tick) lease.idle_ticks = share.busy_.exchange(false) || lease.need > 0 ? 0 : lease.idle_ticks + 1;
  const std::int64_t worth = worth_having(share.threshold());
  if (const std::int64_t known = learnt(lease); known > lease.known) {
    lease.known = known;
    lease.must_tell = true;
  }
  set_marks(share, worth);
  // While nobody answers nobody else could have it.
  const std::int64_t back = now.mono_ns - contact_ns_ < 2 * kTickNs ? give_back(lease, tick) : 0;
  const std::int64_t left = share.left(lease.period);
  lease.asked = spent(lease);
  // What was spent beyond the share is not held by anybody: it is asked for with the rest.
  if (lease.need > 0 || left < 0) ask.need = std::max<std::int64_t>(0, lease.need - left);
  ask.single = std::min(ask.need, std::max(lease.single, -left));
  if (ask.need > 0 || (lease.wanting && left < worth)) ask.extra = worth - std::clamp<std::int64_t>(left, 0, worth);
  const bool say = ask.need > 0 || ask.extra > 0 || back > 0 || lease.must_tell || lease.asked != lease.told ||
                   (lease.granted > lease.asked && now.mono_ns - lease.answered_ns > kTellNs);
  ask.name = share.name;
  if (share.kind == Share::Kind::sum) ask.name.append("\n").append(std::to_string(lease.period));
  ask.kind = share.kind;
  ask.threshold = share.threshold();
  ask.known = lease.known;
  ask.base = lease.base;
  ask.spent = lease.asked - lease.before;
  ask.held = std::max<std::int64_t>(0, lease.granted - lease.asked);
  ask.keep_s = keep_s(share.kind, lease.measure);
  return say;
}

std::vector<CounterAsk> LeaseBook::plan(const Moment& now, bool tick) {
  if (tick) forget_unused();
  std::vector<CounterAsk> out;
  planned_.clear();
  for (const auto& lease : leases_) {
    // What is left over elsewhere has to be waited for; what is too much here is given back at once.
    if (now.mono_ns < lease->hungry_until_ns &&
        lease->share->left(lease->period) <= worth_having(lease->share->threshold()))
      lease->wanting = false;
    if (!tick && lease->need == 0 && !lease->wanting && !lease->must_tell) continue;
    CounterAsk ask;
    if (ask_about(*lease, now, tick, ask)) {
      out.push_back(std::move(ask));
      planned_.push_back(lease.get());
    }
    lease->wanting = false;
  }
  return out;
}

void LeaseBook::answered(const Round& round, const Moment& now) {
  contact_ns_ = now.mono_ns;
  epoch_ = round.epoch;
  fresh_ = false;
  met_ = true;
  instances_ = std::max<std::int64_t>(1, round.instances);
  for (std::size_t i = 0; i < planned_.size() && i < round.answers.size(); ++i) {
    Lease& lease = *planned_[i];
    Share& share = *lease.share;
    const CounterAnswer& answer = round.answers[i];
    const std::int64_t left = share.left(lease.period);
    lease.granted += answer.granted;
    if (answer.granted > 0) share.give(lease.period, answer.granted);
    lease.told = lease.asked;
    const bool sum = share.kind == Share::Kind::sum;
    lease.known = sum ? std::max(lease.known, answer.total) : answer.total;
    lease.base = sum ? std::max(lease.base, answer.base) : 0;
    lease.answered_ns = now.mono_ns;
    // More is held than there is: gateways that were alone took their parts. Whoever hears of it gives way.
    const std::int64_t back = share.amount_.take_back(lease.period, -answer.pool - answer.granted);
    lease.granted -= back;
    lease.must_tell = back > 0;
    share.pool_.store(std::max<std::int64_t>(0, answer.pool), std::memory_order_relaxed);
    if (sum) share.others_.store(std::max<std::int64_t>(0, answer.total - lease.asked), std::memory_order_relaxed);
    share.retry_after_s_.store(std::clamp<std::int64_t>(answer.retry_after_s, 1, 61), std::memory_order_relaxed);
    const bool low = share.left(lease.period) < share.low_.load(std::memory_order_relaxed);
    lease.hungry_until_ns = low ? now.mono_ns + kClosedNs : 0;
    const bool enough = lease.need == 0 || left + answer.granted >= lease.single;
    share.closed_until_.store(enough ? 0 : now.mono_ns + kClosedNs, std::memory_order_relaxed);
    lease.need = lease.single = 0;
  }
  planned_.clear();
}

void LeaseBook::renew(const Round& round) {
  const bool forgotten = round.epoch != epoch_;
  name_ = new_name_();
  fresh_ = true;
  for (const auto& lease : leases_) {
    lease->must_tell = true;
    // What went back may be somebody else's by now, unless there was nobody to grant it.
    if (!round.frozen) lease->granted -= lease->share->amount_.take_back(lease->period, PeriodShare::kMost);
    lease->before = lease->told;
    if (forgotten) lease->base = lease->known;  // of all who had another name
  }
}

void LeaseBook::alone(const Moment& now) {
  planned_.clear();
  for (const auto& entry : leases_) {
    Lease& lease = *entry;
    Share& share = *lease.share;
    begin_period(lease, now);
    keep_log(lease, now);
    lease.known = std::max(lease.known, learnt(lease));
    set_marks(share, worth_having(share.threshold()));
    if (lapsed(now)) take_part(lease);
    if (lease.need > 0) share.closed_until_.store(now.mono_ns + kClosedNs, std::memory_order_relaxed);
    lease.need = lease.single = 0;
    lease.wanting = false;
    lease.must_tell = true;
  }
}

void LeaseBook::give_all_back() {
  for (const auto& lease : leases_) {
    lease->granted -= lease->share->amount_.take_back(lease->period, PeriodShare::kMost);
    lease->must_tell = true;
    lease->need = lease->single = 0;
    lease->wanting = false;
  }
}

void LeaseBook::forget_unused() {
  std::erase_if(leases_, [this](const auto& entry) {
    Lease& lease = *entry;
    const bool idle = lease.need == 0 && lease.idle_ticks >= kForgetTicks && !lease.share->queued_.load();
    // What was told of a sum must not be told once more in its period.
    const std::int64_t told = lease.share->kind == Share::Kind::sum ? 0 : lease.told;
    const bool nothing =
        lease.share->left(lease.period) == 0 && spent(lease) == told && lease.granted == told && lease.log.empty();
    if (!idle || !nothing) return false;
    lease.share->lease_ = nullptr;
    lease.share->told_before_ = lease.before;
    lease.share->told_as_ = name_;
    return true;
  });
}

}  // namespace gw::limits
