#include "limits/limiter.h"

#include <algorithm>
#include <limits>

#include "base/glob.h"
#include "limits/flag_lock.h"
#include "limits/spending.h"
#include "model/limit_bounds.h"

namespace gw::limits {
namespace {

/// Of one request: more than any has, and far below what a sum holds. Lengths are what clients say.
constexpr std::int64_t kMostReservedTokens = std::int64_t{1} << 37, kMostReservedNanoUsd = std::int64_t{1} << 50;

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
static_assert(std::size(kOrder) == kTenants * kMeasures);
/// Behind them.
constexpr M kModelOrder[] = {M::day_tokens, M::day_cost, M::month_cost, M::requests, M::minute_tokens, M::concurrent};
static_assert(std::size(kModelOrder) == kMeasures);

constexpr std::int64_t kMinuteNs = 60'000'000'000;
constexpr std::int64_t kSweepNs = 2 * kMinuteNs;

/// No id holds a line break that was read from a header or a file's plain text; where one does, subjects stay apart by
/// the lengths.
std::string key_text(std::string_view kind, std::string_view org, std::string_view workspace, std::string_view key) {
  std::string out(kind);
  for (const std::string_view part : {org, workspace, key})
    out.append(std::to_string(part.size())).append("\n").append(part);
  return out;
}

std::int64_t whole_seconds(std::int64_t ns) { return std::max<std::int64_t>(1, (ns + 999'999'999) / 1'000'000'000); }
std::int64_t until_next_minute_s(std::int64_t wall_ns) { return whole_seconds(kMinuteNs - wall_ns % kMinuteNs); }

std::optional<std::int64_t> override_of(const store::KeyLimits& limits, M measure) {
  switch (measure) {
    case M::minute_tokens:
      return limits.tokens_per_minute;
    case M::day_tokens:
      return limits.max_tokens_per_day;
    case M::day_cost:
      return limits.max_cost_nano_usd_per_day;
    case M::month_cost:
      return limits.max_cost_nano_usd_per_month;
    case M::requests:
      return limits.requests_per_minute;
    case M::concurrent:
      return limits.concurrent_requests;
  }
  return std::nullopt;
}

Denial denial_of(const Step& step, std::int64_t retry_after_s, bool lasting = false) {
  return {.subject = step.subject, .measure = step.measure, .retry_after_s = retry_after_s, .lasting = lasting};
}

Denial spend_denial(const Step& step, bool lasting, const Moment& now) {
  if (step.measure == M::minute_tokens) return denial_of(step, until_next_minute_s(now.wall_ns));
  return denial_of(step, 0, lasting);
}

/// Of a share that is used up.
Denial share_denial(const Step& step, const Periods& at, const Moment& now) {
  Denial out = denial_of(step, 1);
  if (step.measure == M::requests) out.retry_after_s = step.share->retry_after_s();
  if (is_spend(step.measure)) {
    const std::int64_t period = at.of(step.measure);
    const std::int64_t mine = step.meter->with(step.measure, [&](auto& a) { return a.spent.read(period); });
    out = spend_denial(step, mine + step.share->others(period) >= step.threshold, now);
  }
  out.short_of_share = true;
  return out;
}

std::int64_t share_period(M measure, const Periods& at) { return is_spend(measure) ? at.of(measure) : Share::kForever; }

std::optional<Denial> look_at(const Step& step, const Periods& at, const Moment& now) {
  if (step.share != nullptr) {  // what is not here may be had by asking
    if (step.share->peek(share_period(step.measure, at)) || !step.share->closed(now.mono_ns)) return std::nullopt;
    return share_denial(step, at, now);
  }
  if (step.measure == M::requests) {
    const auto answer = step.requests->peek(step.threshold, now.mono_ns);
    return answer.accepted ? std::nullopt : std::optional(denial_of(step, answer.retry_after_s));
  }
  if (step.measure == M::concurrent) {
    if (step.meter->concurrent().load(std::memory_order_relaxed) < step.threshold) return std::nullopt;
    return denial_of(step, 1);
  }
  return step.meter->with(step.measure, [&](auto& account) -> std::optional<Denial> {
    const std::int64_t period = at.of(step.measure);
    if (account.committed.read(period) < step.threshold) return std::nullopt;
    return spend_denial(step, account.spent.read(period) >= step.threshold, now);
  });
}

void commit(Meter& meter, M measure, std::int64_t period, std::int64_t amount) {
  meter.with(measure, [&](auto& account) { account.committed.add(period, amount); });
  if (Share* share = meter.share(measure)) share->give(period, -amount);
}

/// What a request would take, when, and why it does not get it.
struct Reservation {
  const Spend& amounts;
  Periods& at;
  const Moment& now;
  std::optional<Denial> denial{};
  std::int64_t begun = 0;  ///< without a denial: the period that has begun, the one of the check being over
};

bool deny(Reservation& r, const Denial& denial) {
  r.denial = denial;
  return false;
}

bool reserve_share(const Step& step, Reservation& r) {
  const std::int64_t period = share_period(step.measure, r.at);
  if (step.measure == M::requests)  // taken when everything else has agreed
    return step.share->peek(period) || deny(r, share_denial(step, r.at, r.now));
  const std::int64_t amount = step.measure == M::concurrent ? 1 : part_of(step.measure, r.amounts);
  const auto done = step.share->take(period, amount);
  if (!done.taken && done.period != period) {
    r.begun = done.period;
    return false;
  }
  if (!done.taken) return deny(r, share_denial(step, r.at, r.now));
  if (!is_spend(step.measure)) return true;
  step.meter->with(step.measure, [&](auto& account) { account.committed.add(period, amount); });
  if (step.whole != nullptr) commit(*step.whole, step.measure, period, amount);
  return true;
}

/// What is not spent, counted here alone.
bool reserve_place(const Step& step, Reservation& r) {
  if (step.measure == M::concurrent) {
    if (step.meter->concurrent().fetch_add(1, std::memory_order_relaxed) < step.threshold) return true;
    step.meter->concurrent().fetch_sub(1, std::memory_order_relaxed);
    return deny(r, denial_of(step, 1));
  }
  if (step.asked_last) return true;
  const auto answer = step.requests->peek(step.threshold, r.now.mono_ns);
  return answer.accepted || deny(r, denial_of(step, answer.retry_after_s));
}

/// Why a sum did not take it.
bool refuse_spend(const Step& step, const PeriodStep& done, Reservation& r) {
  if (const std::int64_t period = r.at.of(step.measure); done.period == period) {
    const std::int64_t spent =
        step.meter->with(step.measure, [&](auto& account) { return account.spent.read(period); });
    return deny(r, spend_denial(step, spent >= step.threshold, r.now));
  }
  r.begun = done.period;
  return false;
}

[[gnu::noinline]] bool reserve(const Step& step, Reservation& r) {
  if (step.share != nullptr) return reserve_share(step, r);
  if (!is_spend(step.measure)) return reserve_place(step, r);
  const std::int64_t period = r.at.of(step.measure);
  const std::int64_t amount = part_of(step.measure, r.amounts);
  const PeriodStep done = step.meter->with(
      step.measure, [&](auto& account) { return account.committed.add_below(period, amount, step.threshold); });
  if (!done.taken) return refuse_spend(step, done, r);
  if (step.whole != nullptr) commit(*step.whole, step.measure, period, amount);
  return true;
}

void give_back(const Step& step, const Spend& amounts, const Periods& at) {
  if (step.measure == M::concurrent) release(step);
  if (!is_spend(step.measure)) return;
  const std::int64_t period = at.of(step.measure), amount = part_of(step.measure, amounts);
  commit(*step.meter, step.measure, period, -amount);
  if (step.whole != nullptr) commit(*step.whole, step.measure, period, -amount);
}

void give_back(std::span<const Sum> sums, const Spend& amounts, const Periods& at) {
  const Booking b(amounts, at);
  for (const Sum& sum : sums) sum.account->committed.add(b.period(sum), -b.amount(sum));
}

/// All of them or none. False: why, and what else it is that refuses, is for those to say who ask in order.
[[gnu::always_inline]] inline bool reserve_sums(std::span<const Sum> sums, const Spend& amounts, const Periods& at) {
  const Booking b(amounts, at);
  for (const Sum& sum : sums)
    if (!sum.account->committed.add_below(b.period(sum), b.amount(sum), sum.threshold).taken) [[unlikely]] {
      give_back(sums.first(static_cast<std::size_t>(&sum - sums.data())), amounts, at);
      return false;
    }
  return true;
}

/// As far as sums take it that count here alone: nearly always to the end. Else the step that remains to be asked.
[[gnu::noinline]] const Step* reserve_steps(const Step* step, const Step* end, std::int64_t tokens, std::int64_t cost,
                                            std::int64_t day, std::int64_t month) {
  for (; step != end; ++step) {
    if (step->account == nullptr) {
      if (step->asked_last) continue;
      break;
    }
    const std::int64_t period = step->measure == M::month_cost ? month : day;
    const std::int64_t amount = step->measure == M::day_tokens ? tokens : cost;
    if (!step->account->committed.add_below(period, amount, step->threshold).taken) break;
  }
  return step;
}

/// Checks of two kinds, one behind the other.
struct AllSteps {
  std::span<const Step> tenant, model;

  /// The first for which `use` says no; null: none.
  template <class Use>
  [[gnu::always_inline]] const Step* until(Use use) const {
    for (const std::span<const Step> part : {tenant, model})
      for (const Step& step : part)
        if (!use(step)) return &step;
    return nullptr;
  }
};

/// The first step that does not take it; null: all did.
const Step* reserve_most(const AllSteps& steps, Reservation& r) {
  for (const std::span<const Step> part : {steps.tenant, steps.model}) {
    const Step* const end = part.data() + part.size();
    for (const Step* step = part.data(); step != end; ++step) {
      step = reserve_steps(step, end, r.amounts.tokens, r.amounts.cost_nano_usd, r.at.day, r.at.month);
      if (step == end) break;
      if (!reserve(*step, r)) return step;
    }
  }
  return nullptr;
}

[[gnu::noinline]] void give_back_before(const Step* failed, const AllSteps& steps, const Reservation& r) {
  steps.until([&](const Step& step) {
    if (&step == failed) return false;
    give_back(step, r.amounts, r.at);
    return true;
  });
}

/// Of what was not asked something before the step that failed may refuse, too.
[[gnu::noinline]] std::optional<Denial> first_denial(const Step* failed, const AllSteps& steps, const Reservation& r) {
  std::optional<Denial> first;
  steps.until([&](const Step& step) {
    if (&step == failed) return false;
    if (step.asked_last) first = look_at(step, r.at, r.now);
    return !first;
  });
  return first ? first : r.denial;
}

/// All steps or none.
std::optional<Denial> reserve_all(const AllSteps& steps, const Spend& amounts, Periods& at, const Moment& now) {
  for (;;) {
    Reservation r{.amounts = amounts, .at = at, .now = now};
    const Step* const failed = reserve_most(steps, r);
    if (failed == nullptr) return std::nullopt;
    give_back_before(failed, steps, r);
    if (r.denial) return first_denial(failed, steps, r);
    at.of(failed->measure) = r.begun;  // once a measure, since periods are longer than this takes
  }
}

/// What refuses while a rate does that reserve_all() leaves for last: a request that it refuses must not, for a moment,
/// hold what other callers share.
[[gnu::noinline]] std::optional<Denial> refused_by_rate(const AllSteps& steps, const AllSteps& requests,
                                                        const Periods& at, const Moment& now) {
  const Step* const full = requests.until(
      [&](const Step& step) { return !step.asked_last || step.requests->peek(step.threshold, now.mono_ns).accepted; });
  if (full == nullptr) return std::nullopt;
  std::optional<Denial> first;
  steps.until([&](const Step& step) {
    first = look_at(step, at, now);
    return !first;
  });
  return first;
}

/// How much of a rate is left, and since when that is so of one that is counted by its events.
struct Remaining {
  std::int64_t amount = 0, oldest_ns = 0;
};

inline Remaining remaining_of(const Step& step, const Moment& now) {
  if (step.share != nullptr && step.measure == M::requests)
    return {std::clamp<std::int64_t>(step.share->pool() + step.share->left(Share::kForever), 0, step.threshold)};
  if (step.measure == M::requests) {
    const RateWindow::View view = step.requests->view(step.threshold, now.mono_ns);
    return {step.threshold - view.count, view.oldest_ns};
  }
  const std::int64_t period = Periods::at(now.wall_ns).of(step.measure);
  std::int64_t counted = step.meter->with(step.measure, [&](auto& account) { return account.committed.read(period); });
  if (step.share != nullptr) counted += step.share->others(period);
  return {std::max<std::int64_t>(0, step.threshold - counted)};
}

/// Until more is left.
inline std::int64_t reset_s(const Step& step, const Remaining& left, const Moment& now) {
  if (left.amount >= step.threshold) return 0;
  if (step.measure != M::requests) return until_next_minute_s(now.wall_ns);
  if (step.share != nullptr) return step.share->retry_after_s();
  return whole_seconds(left.oldest_ns + RateWindow::kWindowNs - now.mono_ns);
}

/// Of several, the one that has the least left.
class Least {
 public:
  [[gnu::always_inline]] void see(const Step& step, const Remaining& r) {
    if (step_ != nullptr && r.amount >= left_.amount) return;
    step_ = &step;
    left_ = r;
  }
  [[gnu::always_inline]] std::optional<Standing> standing(const Moment& now) const {
    if (step_ == nullptr) return std::nullopt;
    return Standing{.limit = step_->threshold, .remaining = left_.amount, .reset_s = reset_s(*step_, left_, now)};
  }

 private:
  const Step* step_ = nullptr;
  Remaining left_;
};

/// Likewise of rates that are shared; nothing stays where a share may yet be filled and the request comes again.
[[gnu::noinline]] std::optional<Denial> record_shared(const AllSteps& requests, const Moment& now) {
  std::optional<Denial> denial;
  const Step* const failed = requests.until([&](const Step& step) {
    if (!step.share->take(Share::kForever, 1).taken) denial = share_denial(step, {}, now);
    return !denial;
  });
  requests.until([&](const Step& step) {
    if (&step == failed) return false;  // that one took nothing
    if (denial && denial->short_of_share)
      step.share->give(Share::kForever, 1);
    else
      step.share->use_one();
    return true;
  });
  return denial;
}

/// Of those that count requests. A key's event stays also when its workspace is then refused, as the contract has it.
/// All of them are shared or none is.
std::optional<Denial> record_requests(const AllSteps& requests, const Moment& now, Least& least) {
  std::optional<Denial> denial;
  requests.until([&](const Step& step) {
    if (step.share != nullptr) {
      denial = record_shared(requests, now);
      return false;
    }
    const auto answer = step.requests->accept(step.threshold, now.mono_ns);
    if (answer.accepted)
      least.see(step, {step.threshold - answer.view.count, answer.view.oldest_ns});
    else
      denial = denial_of(step, answer.retry_after_s);
    return answer.accepted;
  });
  return denial;
}

}  // namespace

void Steps::add(const Step& step) {
  if (step.threshold <= 0) return;
  list.push_back(step);
  Step& added = list.back();
  if (step.measure == M::requests) {
    added.threshold = std::min(step.threshold, kMaxRequestsPerMinute);
    // Where an org or a model refuses nothing is recorded: those are asked before.
    added.asked_last = step.share == nullptr && (step.subject == S::key || step.subject == S::workspace);
    requests.push_back(added);
  }
  if (is_lasting(step.measure) && step.share == nullptr && step.whole == nullptr)
    added.account = &step.meter->lasting(step.measure);
  if (added.account != nullptr)
    sums.push_back({.account = added.account,
                    .threshold = step.threshold,
                    .tell_from = step.threshold / 2,
                    .money = step.measure == M::day_tokens ? 0U : 1U,
                    .month = step.measure == M::month_cost ? 1U : 0U,
                    .step = static_cast<std::uint32_t>(list.size() - 1)});
  const bool of_day = step.measure == M::day_tokens || step.measure == M::day_cost;
  contended = contended ||
              (step.measure != M::requests && (step.subject == S::org || (step.subject == S::workspace && !of_day)));
  plain = plain && !contended && (added.account != nullptr || added.asked_last);
  measures = static_cast<std::uint8_t>(measures | 1U << static_cast<int>(step.measure));
  tokens = tokens || is_spend(step.measure);
  money = money || step.measure == M::day_cost || step.measure == M::month_cost;
}

std::int64_t Steps::most(Subject subject, Measure measure) const {
  for (const Step& step : list)
    if (step.subject == subject && step.measure == measure) return step.threshold;
  return 0;
}

Limiter::Limiter(Options options, std::shared_ptr<Ledger> ledger, std::int64_t mono_ns)
    : options_(std::move(options)), ledger_(std::move(ledger)), number_(ledger_->join()) {
  add_models(mono_ns);
  const auto look_at = [this](const Thresholds& t) {
    for (std::size_t m = 0; m < kMeasures; ++m) {
      on_ = on_ || t.most[m] > 0;
      limits_spending_ = limits_spending_ || (t.most[m] > 0 && is_lasting(static_cast<M>(m)));
    }
  };
  for (const Thresholds& t : options_.thresholds) look_at(t);
  for (const ModelLimit& m : options_.models) look_at(m.thresholds);
}

void Limiter::add_models(std::int64_t mono_ns) {
  for (const bool exact : {true, false})
    for (const ModelLimit& limit : options_.models) {
      if ((limit.pattern.find('*') == std::string::npos) != exact) continue;
      const std::string name = key_text("model", limit.pattern, {}, {});
      auto made = std::make_unique<ModelMeters>();
      made->pattern = limit.pattern;
      made->meter = ledger_->meter(name);
      if (const std::int64_t most = limit.thresholds.of(M::requests); most > 0 && !options_.shared)
        made->requests = ledger_->requests(name, number_, std::min(most, kMaxRequestsPerMinute), mono_ns);
      for (const M measure : kModelOrder) {
        Step step{.subject = S::model,
                  .measure = measure,
                  .threshold = limit.thresholds.of(measure),
                  .meter = made->meter.get(),
                  .requests = made->requests.get()};
        share(step, name);
        made->steps.add(step);
      }
      models_.push_back(std::move(made));
    }
}

const ModelMeters* Limiter::model(std::string_view name) const {
  for (const auto& m : models_)
    if (glob_matches(m->pattern, name)) return m->steps.list.empty() ? nullptr : m.get();
  return nullptr;
}

std::optional<Denial> Limiter::look(const Meters& meters, const Moment& now) const {
  const Periods at = Periods::at(now.wall_ns);
  for (const Step& step : meters.steps.list)
    if (auto denial = look_at(step, at, now)) return denial;
  return std::nullopt;
}

void Limiter::count_refused(const Meters& meters, const Denial& denial, const Moment& now) const {
  if (denial.measure != M::requests || denial.subject != S::workspace || denial.short_of_share) return;
  const std::span<const Step> requests = meters.steps.requests;
  if (requests.front().subject != S::key) return;
  Least least;
  record_requests({requests.first(1), {}}, now, least);
}

std::optional<Standing> Limiter::standing(const Meters& meters, const ModelMeters* model, Measure measure,
                                          const Moment& now) const {
  if (!meters.steps.have(measure) && (model == nullptr || !model->steps.have(measure))) return std::nullopt;
  Least least;
  for (const Steps* steps : {&meters.steps, model != nullptr ? &model->steps : nullptr}) {
    if (steps == nullptr) continue;
    for (const Step& step : steps->list)
      if (step.measure == measure) least.see(step, remaining_of(step, now));
  }
  return least.standing(now);
}

std::optional<Denial> Limiter::take(const MetersPtr& meters, const ModelMeters* model, const Spend& estimate,
                                    const Moment& now, Permit& permit) const {
  // A sum that is full to its brim would have forgotten how much of it is this one's.
  permit.reserved_ = {std::clamp<std::int64_t>(estimate.tokens, 0, kMostReservedTokens),
                      std::clamp<std::int64_t>(estimate.cost_nano_usd, 0, kMostReservedNanoUsd)};
  permit.periods_ = Periods::at(now.wall_ns);
  permit.requests_left_.reset();
  const Steps& steps = meters->steps;
  if (steps.plain && model == nullptr && reserve_sums(steps.sums, permit.reserved_, permit.periods_)) [[likely]] {
    const Step* least = nullptr;
    RateWindow::View seen;
    std::int64_t left = std::numeric_limits<std::int64_t>::max();
    for (const Step& step : steps.requests) {
      const auto answer = step.requests->accept(step.threshold, now.mono_ns);
      if (!answer.accepted) [[unlikely]] {
        give_back(steps.sums, permit.reserved_, permit.periods_);
        return denial_of(step, answer.retry_after_s);
      }
      if (step.threshold - answer.view.count >= left) continue;
      least = &step;
      left = step.threshold - answer.view.count;
      seen = answer.view;
    }
    if (least != nullptr)
      permit.requests_left_ = Standing{.limit = least->threshold,
                                       .remaining = left,
                                       .reset_s = whole_seconds(seen.oldest_ns + RateWindow::kWindowNs - now.mono_ns)};
  } else if (const auto denial = take_in_order(*meters, model, now, permit)) {
    return denial;
  }
  permit.limiter_ = this;
  permit.meters_ = meters;
  permit.model_ = model;
  permit.settled_ = false;
  return std::nullopt;
}

/// As the contract has it to the letter: also of what has to be refused, and why.
std::optional<Denial> Limiter::take_in_order(const Meters& meters, const ModelMeters* model, const Moment& now,
                                             Permit& permit) const {
  const Spend& reserved = permit.reserved_;
  Periods& at = permit.periods_;
  const Steps& tenant = meters.steps;
  AllSteps steps{tenant.list, {}}, requests{tenant.requests, {}};
  if (model != nullptr) {
    steps.model = model->steps.list;
    requests.model = model->steps.requests;
  }
  Least least;
  std::optional<Denial> denial;
  if (tenant.contended || !steps.model.empty()) denial = refused_by_rate(steps, requests, at, now);
  if (!denial) denial = reserve_all(steps, reserved, at, now);
  if (denial) {
    count_refused(meters, *denial, now);
  } else if ((denial = record_requests(requests, now, least))) {
    steps.until([&](const Step& step) {
      give_back(step, reserved, at);
      return true;
    });
  }
  if (!denial) permit.requests_left_ = least.standing(now);
  return denial;
}

/// Keys that nobody uses and of which nothing is counted; then what only they had in the ledger.
void Limiter::forget_idle(const Moment& now) {
  if (swept_mono_ns_ != 0 && now.mono_ns - swept_mono_ns_ < kSweepNs) return;
  swept_mono_ns_ = now.mono_ns;
  const Periods at = Periods::at(now.wall_ns);
  std::erase_if(keys_, [&](const auto& entry) {
    const Meters& meters = *entry.second;
    if (entry.second.use_count() > 1 || !meters.of(S::key).idle(at)) return false;
    const RateWindow* const requests = meters.requests[0].get();
    return requests == nullptr || requests->view(meters.steps.most(S::key, M::requests), now.mono_ns).count == 0;
  });
  ledger_->forget_idle(now);
}

MetersPtr Limiter::find(std::string_view org, std::string_view workspace, std::string_view key,
                        const store::KeyLimits& overrides, const Moment& now) {
  if (overrides.unreadable) return nullptr;
  std::string name = key_text("key", org, workspace, key);
  const FlagLock lock(busy_);
  const auto known = keys_.find(name);
  if (known == keys_.end()) return make(std::move(name), org, workspace, key, overrides, now);
  if (known->second->overrides != overrides) known->second = with_overrides(*known->second, overrides, now);
  return known->second;
}

MetersPtr Limiter::meters_of(std::string_view org, std::string_view workspace, std::string_view key,
                             const Moment& now) {
  std::string name = key_text("key", org, workspace, key);
  const FlagLock lock(busy_);
  const auto known = keys_.find(name);
  return known != keys_.end() ? known->second : make(std::move(name), org, workspace, key, {}, now);
}

/// Under the lock.
MetersPtr Limiter::make(std::string name, std::string_view org, std::string_view workspace, std::string_view key,
                        const store::KeyLimits& overrides, const Moment& now) {
  if (keys_.size() >= options_.max_keys) forget_idle(now);
  if (keys_.size() >= options_.max_keys) return nullptr;
  auto made = std::make_shared<Meters>();
  made->org = org;
  made->workspace = workspace;
  made->key = key;
  made->overrides = overrides;
  if (options_.keys_without_id) made->whole = ledger_->meter(key_text("whole", org, workspace, {}));
  made->subjects[0] = key.empty() && made->whole != nullptr ? std::move(made->whole) : ledger_->meter(name);
  made->subjects[1] = ledger_->meter(key_text(to_string(S::workspace), org, workspace, {}));
  made->subjects[2] = ledger_->meter(key_text(to_string(S::org), org, {}, {}));
  add_steps(*made, now.mono_ns);
  keys_.emplace(std::move(name), made);
  return made;
}

void Limiter::add_steps(Meters& meters, std::int64_t mono_ns) {
  meters.steps = {};
  for (const auto& [subject, measure] : kOrder) {
    const bool both = subject == S::key && meters.whole != nullptr;
    std::int64_t threshold = options_.of(subject).of(measure);
    if (subject == S::key) threshold = override_of(meters.overrides, measure).value_or(threshold);
    const std::string name =
        key_text(to_string(subject), meters.org, subject == S::org ? std::string_view() : meters.workspace,
                 subject == S::key ? std::string_view(meters.key) : std::string_view());
    std::shared_ptr<RateWindow>& requests = meters.requests[static_cast<std::size_t>(subject)];
    if (measure == M::requests && threshold > 0 && !options_.shared)
      requests = ledger_->requests(name, number_, std::min(threshold, kMaxRequestsPerMinute), mono_ns);
    Step step{.subject = subject,
              .measure = measure,
              .threshold = threshold,
              .meter = &meters.of(subject),
              .whole = both ? meters.whole.get() : nullptr,
              .requests = requests.get()};
    share(step, name);
    meters.steps.add(step);
  }
}

/// By its name others know the counter.
void Limiter::share(Step& step, const std::string& name) {
  if (!options_.shared || step.threshold <= 0) return;
  step.share = step.meter->share(step.measure);
  if (step.share == nullptr) {
    const auto kind = step.measure == M::requests     ? Share::Kind::window
                      : step.measure == M::concurrent ? Share::Kind::slots
                                                      : Share::Kind::sum;
    auto made = std::make_unique<Share>(kind, std::string(to_string(step.measure)).append("\n").append(name), wanting_);
    if (is_lasting(step.measure)) {
      const Meter::Learnt& learnt = step.meter->learnt(step.measure);
      made->learn(learnt.period, learnt.spent);
    }
    step.share = &step.meter->share(step.measure, std::move(made));
  }
  step.share->limit_to(step.measure == M::requests ? std::min(step.threshold, kMaxRequestsPerMinute) : step.threshold);
}

MetersPtr Limiter::with_overrides(const Meters& known, const store::KeyLimits& overrides, const Moment& now) {
  auto made = std::make_shared<Meters>(known);
  made->overrides = overrides;
  made->requests[0].reset();
  add_steps(*made, now.mono_ns);
  return made;
}

bool Limiter::wishes(const Meters& meters, const ModelMeters* model, const Spend& estimate, const Moment& now,
                     std::vector<Wish>& out) const {
  const Periods at = Periods::at(now.wall_ns);
  const AllSteps steps{meters.steps.list, model != nullptr ? std::span(model->steps.list) : std::span<const Step>()};
  const Step* const closed = steps.until([&](const Step& step) {
    if (step.share == nullptr) return true;
    const std::int64_t period = share_period(step.measure, at);
    const std::int64_t need = std::max<std::int64_t>(1, is_spend(step.measure) ? part_of(step.measure, estimate) : 1);
    if (step.share->left(period) >= need) return true;
    if (step.share->closed(now.mono_ns)) return false;
    out.push_back({.meter = step.meter->shared_from_this(), .measure = step.measure, .period = period, .need = need});
    return true;
  });
  return closed == nullptr;
}

}  // namespace gw::limits
