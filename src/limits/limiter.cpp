#include "limits/limiter.h"

#include <algorithm>
#include <functional>
#include <span>

namespace gw::limits {
namespace {

using M = Measure;
using S = Subject;

/// The contract's six, then ours.
constexpr std::pair<S, M> kOrder[] = {{S::key, M::day_tokens},       {S::key, M::day_cost},
                                      {S::workspace, M::day_tokens}, {S::workspace, M::day_cost},
                                      {S::key, M::requests},         {S::workspace, M::requests},
                                      {S::key, M::month_cost},       {S::workspace, M::month_cost},
                                      {S::org, M::day_tokens},       {S::org, M::day_cost},
                                      {S::org, M::month_cost},       {S::org, M::requests},
                                      {S::key, M::minute_tokens},    {S::workspace, M::minute_tokens},
                                      {S::org, M::minute_tokens},    {S::key, M::concurrent},
                                      {S::workspace, M::concurrent}, {S::org, M::concurrent}};
static_assert(std::size(kOrder) == kSubjects * kMeasures);

constexpr std::int64_t kMinuteNs = 60'000'000'000;
constexpr std::int64_t kSweepNs = 2 * kMinuteNs;

bool is_spend(M m) { return static_cast<std::size_t>(m) < kSpends; }

/// No id holds a line break that was read from a header or a file's plain text; where one does, subjects stay apart by
/// the lengths.
std::string key_text(std::string_view kind, std::string_view org, std::string_view workspace, std::string_view key) {
  std::string out(kind);
  for (const std::string_view part : {org, workspace, key})
    out.append(std::to_string(part.size())).append("\n").append(part);
  return out;
}

/// 0: none was reached.
int percent_reached(std::int64_t before, std::int64_t after, std::int64_t threshold) {
  for (const int percent : {100, 90, 80}) {
    const std::int64_t share = threshold / 100 * percent + threshold % 100 * percent / 100;
    if (before < share && after >= share) return percent;
  }
  return 0;
}

std::int64_t whole_seconds(std::int64_t ns) { return std::max<std::int64_t>(1, (ns + 999'999'999) / 1'000'000'000); }
std::int64_t until_next_minute_s(std::int64_t wall_ns) { return whole_seconds(kMinuteNs - wall_ns % kMinuteNs); }

Denial spend_denial(S subject, M measure, bool lasting, const Moment& now) {
  if (measure == M::minute_tokens)
    return {.subject = subject, .measure = measure, .retry_after_s = until_next_minute_s(now.wall_ns)};
  return {.subject = subject, .measure = measure, .lasting = lasting};
}

}  // namespace

/// Of the tables. Held for a look-up; by the first request of a key for as long as it takes to make its meters.
class Limiter::Lock {
 public:
  explicit Lock(std::atomic_flag& flag) : flag_(flag) {
    while (flag_.test_and_set(std::memory_order_acquire)) flag_.wait(true, std::memory_order_relaxed);
  }
  ~Lock() {
    flag_.clear(std::memory_order_release);
    flag_.notify_one();
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  std::atomic_flag& flag_;
};

void Permit::end() {
  if (limiter_ == nullptr) return;
  settle(reserved_);
  for (const Limiter::Step& step : limiter_->steps_)
    if (step.measure == M::concurrent) meters_->of(step.subject).concurrent().fetch_sub(1, std::memory_order_relaxed);
  limiter_ = nullptr;
  meters_.reset();
}

Crossings Permit::settle(const Spend& spent) {
  if (limiter_ == nullptr || std::exchange(settled_, true)) return {};
  return limiter_->settle(*this, reserved_, spent, periods_);
}

Crossings Permit::charge(const Spend& spent, std::int64_t wall_ns) {
  if (limiter_ == nullptr) return {};
  return limiter_->settle(*this, {}, spent, Periods::at(wall_ns));
}

Limiter::Limiter(Options options) : options_(options) {
  for (const auto& [subject, measure] : kOrder) {
    std::int64_t threshold = options_.of(subject).of(measure);
    if (threshold <= 0) continue;
    if (measure == M::requests) threshold = std::min(threshold, kMaxRequestsPerMinute);
    steps_.push_back({subject, measure, threshold});
    estimates_ = estimates_ || is_spend(measure);
    prices_ = prices_ || measure == M::day_cost || measure == M::month_cost;
  }
}

std::optional<Denial> Limiter::look_at(const Step& step, const Meters& meters, const Periods& at,
                                       const Moment& now) const {
  Meter& meter = meters.of(step.subject);
  if (step.measure == M::requests) {
    const auto answer = meter.requests().peek(step.threshold, now.mono_ns);
    if (answer.accepted) return std::nullopt;
    return Denial{.subject = step.subject, .measure = step.measure, .retry_after_s = answer.retry_after_s};
  }
  if (step.measure == M::concurrent) {
    if (meter.concurrent().load(std::memory_order_relaxed) < step.threshold) return std::nullopt;
    return Denial{.subject = step.subject, .measure = step.measure, .retry_after_s = 1};
  }
  return meter.with(step.measure, [&](auto& account) -> std::optional<Denial> {
    const std::int64_t period = at.of(step.measure);
    if (account.committed.read(period) < step.threshold) return std::nullopt;
    return spend_denial(step.subject, step.measure, account.spent.read(period) >= step.threshold, now);
  });
}

std::optional<Denial> Limiter::look(const Meters& meters, const Moment& now) const {
  const Periods at = Periods::at(now.wall_ns);
  for (const Step& step : steps_)
    if (auto denial = look_at(step, meters, at, now)) return denial;
  return std::nullopt;
}

std::optional<Standing> Limiter::standing(const Meters& meters, Measure measure, const Moment& now) const {
  std::optional<Standing> least;
  for (const Step& step : steps_) {
    if (step.measure != measure) continue;
    Standing s{.limit = step.threshold};
    Meter& meter = meters.of(step.subject);
    if (measure == M::requests) {
      const RateWindow::View view = meter.requests().view(step.threshold, now.mono_ns);
      s.remaining = step.threshold - view.count;
      if (view.count > 0) s.reset_s = whole_seconds(view.oldest_ns + RateWindow::kWindowNs - now.mono_ns);
    } else {
      const std::int64_t committed = meter.with(
          measure, [&](auto& account) { return account.committed.read(Periods::at(now.wall_ns).of(measure)); });
      s.remaining = step.threshold - committed;
      if (committed > 0) s.reset_s = until_next_minute_s(now.wall_ns);
    }
    s.remaining = std::max<std::int64_t>(0, s.remaining);
    if (!least || s.remaining < least->remaining) least = s;
  }
  return least;
}

Limiter::Reserved Limiter::reserve(const Step& step, Permit& permit, const Moment& now,
                                   std::optional<Denial>& denial) const {
  const Meters& meters = *permit.meters_;
  if (step.measure == M::requests) {  // recorded when everything else has agreed
    denial = look_at(step, meters, permit.periods_, now);
    return denial ? Reserved::no : Reserved::yes;
  }
  Meter& meter = meters.of(step.subject);
  if (step.measure == M::concurrent) {
    if (meter.concurrent().fetch_add(1, std::memory_order_relaxed) < step.threshold) return Reserved::yes;
    meter.concurrent().fetch_sub(1, std::memory_order_relaxed);
    denial = Denial{.subject = step.subject, .measure = step.measure, .retry_after_s = 1};
    return Reserved::no;
  }
  std::int64_t& period = permit.periods_.of(step.measure);
  const std::int64_t amount = part_of(step.measure, permit.reserved_);
  const bool taken = meter.with(step.measure, [&](auto& account) {
    const auto done = account.committed.add_below(period, amount, step.threshold);
    if (done.taken) return true;
    if (done.period == period)
      denial = spend_denial(step.subject, step.measure, account.spent.read(period) >= step.threshold, now);
    else
      period = done.period;
    return false;
  });
  if (!taken) return denial ? Reserved::no : Reserved::period_over;
  if (step.subject == S::key && meters.whole != nullptr)
    meters.whole->with(step.measure, [&](auto& whole) { whole.committed.add(period, amount); });
  return Reserved::yes;
}

/// All steps or none.
std::optional<Denial> Limiter::reserve_all(Permit& permit, const Moment& now) const {
  std::optional<Denial> denial;
  for (std::size_t done = 0; done < steps_.size();) {
    const Periods at = permit.periods_;
    const Reserved r = reserve(steps_[done], permit, now, denial);
    if (r == Reserved::yes) {
      ++done;
      continue;
    }
    const Periods next = std::exchange(permit.periods_, at);
    give_back(permit, done);
    if (r == Reserved::no) return denial;
    permit.periods_ = next;  // once a measure, since periods are longer than this takes
    done = 0;
  }
  return std::nullopt;
}

/// A key's event stays also when its workspace is then refused, as the contract has it.
std::optional<Denial> Limiter::record_requests(const Meters& meters, const Moment& now,
                                               std::optional<Subject> only) const {
  for (const Step& step : steps_) {
    if (step.measure != M::requests || (only && step.subject != *only)) continue;
    const auto answer = meters.of(step.subject).requests().accept(step.threshold, now.mono_ns);
    if (!answer.accepted)
      return Denial{.subject = step.subject, .measure = step.measure, .retry_after_s = answer.retry_after_s};
  }
  return std::nullopt;
}

tl::expected<Permit, Denial> Limiter::take(MetersPtr meters, const Spend& estimate, const Moment& now) const {
  Permit permit;
  permit.meters_ = std::move(meters);
  permit.reserved_ = {std::max<std::int64_t>(0, estimate.tokens), std::max<std::int64_t>(0, estimate.cost_nano_usd)};
  permit.periods_ = Periods::at(now.wall_ns);
  std::optional<Denial> denial = reserve_all(permit, now);
  if (denial) {
    if (denial->measure == M::requests && denial->subject == S::workspace)
      record_requests(*permit.meters_, now, S::key);
  } else if ((denial = record_requests(*permit.meters_, now, std::nullopt))) {
    give_back(permit, steps_.size());
  }
  if (denial) return tl::make_unexpected(*denial);
  permit.limiter_ = this;
  return permit;
}

/// What the first `steps` of them reserved.
void Limiter::give_back(const Permit& permit, std::size_t steps) const {
  for (const Step& step : std::span(steps_).first(steps)) {
    Meter& meter = permit.meters_->of(step.subject);
    if (step.measure == M::concurrent) meter.concurrent().fetch_sub(1, std::memory_order_relaxed);
    if (!is_spend(step.measure)) continue;
    const auto take_away = [&](auto& account) {
      account.committed.add(permit.periods_.of(step.measure), -part_of(step.measure, permit.reserved_));
    };
    meter.with(step.measure, take_away);
    if (step.subject == S::key && permit.meters_->whole != nullptr)
      permit.meters_->whole->with(step.measure, take_away);
  }
}

Crossings Limiter::settle(const Permit& permit, const Spend& reserved, const Spend& spent, const Periods& at) const {
  Crossings out;
  for (const Step& step : steps_) {
    if (!is_spend(step.measure)) continue;
    const std::int64_t amount = part_of(step.measure, spent);
    const std::int64_t period = at.of(step.measure);
    const auto book = [&](auto& account) {
      account.committed.add(period, amount - part_of(step.measure, reserved));
      const auto done = account.spent.add(period, amount);
      return std::pair(done.before, done.after);
    };
    const auto [before, after] = permit.meters_->of(step.subject).with(step.measure, book);
    if (step.subject == S::key && permit.meters_->whole != nullptr) permit.meters_->whole->with(step.measure, book);
    if (step.measure == M::minute_tokens) continue;
    if (const int percent = percent_reached(before, after, step.threshold); percent > 0)
      out.list[out.count++] = {step.subject, step.measure, percent, after, step.threshold};
  }
  return out;
}

std::shared_ptr<Meter> Limiter::shared_meter(std::string_view kind, std::string_view org, std::string_view workspace) {
  std::shared_ptr<Meter>& meter = shared_[key_text(kind, org, workspace, {})];
  if (meter == nullptr) meter = std::make_shared<Meter>();
  return meter;
}

/// Of keys that nobody uses and of which nothing is counted; then of their workspaces and orgs.
void Limiter::forget_idle(const Moment& now) {
  if (swept_mono_ns_ != 0 && now.mono_ns - swept_mono_ns_ < kSweepNs) return;
  swept_mono_ns_ = now.mono_ns;
  const Periods at = Periods::at(now.wall_ns);
  const auto idle = [&](Meter& meter, Subject s) {
    return meter.idle(at, std::min(options_.of(s).of(M::requests), kMaxRequestsPerMinute), now.mono_ns);
  };
  std::erase_if(keys_, [&](const auto& entry) {
    return entry.second.use_count() == 1 && idle(entry.second->of(S::key), S::key);
  });
  std::erase_if(shared_, [&](const auto& entry) {
    const Subject kind = entry.first.starts_with("org") ? S::org : S::workspace;
    return entry.second.use_count() == 1 && idle(*entry.second, kind);
  });
}

MetersPtr Limiter::find(std::string_view org, std::string_view workspace, std::string_view key, const Moment& now) {
  std::string name = key_text("key", org, workspace, key);
  const Lock lock(busy_);
  if (const auto known = keys_.find(name); known != keys_.end()) return known->second;
  if (keys_.size() >= options_.max_keys) forget_idle(now);
  if (keys_.size() >= options_.max_keys) return nullptr;
  auto made = std::make_shared<Meters>();
  made->org = org;
  made->workspace = workspace;
  made->key = key;
  if (options_.keys_without_id) made->whole = shared_meter("whole", org, workspace);
  made->subjects[0] = key.empty() && made->whole != nullptr ? std::move(made->whole) : std::make_shared<Meter>();
  made->subjects[1] = shared_meter("workspace", org, workspace);
  made->subjects[2] = shared_meter("org", org, {});
  keys_.emplace(std::move(name), made);
  return made;
}

void Limiter::seed(const Meters& meters, Subject subject, Measure measure, std::int64_t spent,
                   std::int64_t wall_ns) const {
  const std::int64_t period = Periods::at(wall_ns).of(measure);
  const auto add = [&](auto& account) {
    account.committed.add(period, spent);
    account.spent.add(period, spent);
  };
  meters.of(subject).with(measure, add);
  if (subject == S::key && meters.whole != nullptr) meters.whole->with(measure, add);
}

const MetersPtr& MeterCache::find(Limiter& limiter, std::string_view org, std::string_view workspace,
                                  std::string_view key, const Moment& now) {
  const std::hash<std::string_view> hash;
  const std::size_t place = (hash(key) * 31 + hash(workspace)) * 31 + hash(org);
  MetersPtr& known = places_[place % kPlaces];
  if (known == nullptr || known->key != key || known->workspace != workspace || known->org != org)
    known = limiter.find(org, workspace, key, now);
  return known;
}

}  // namespace gw::limits
