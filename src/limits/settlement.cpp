// What a request spent, in place of what was reserved for it; what the store knows was spent; and who is told.
#include <algorithm>
#include <iterator>

#include "base/usd.h"
#include "limits/flag_lock.h"
#include "limits/limiter.h"
#include "limits/spending.h"

namespace gw::limits {
namespace {

using M = Measure;
using S = Subject;

/// 0: none was reached.
int percent_reached(std::int64_t before, std::int64_t after, std::int64_t threshold) {
  for (const int percent : {100, 90, 80}) {
    const std::int64_t share = threshold / 100 * percent + threshold % 100 * percent / 100;
    if (before < share && after >= share) return percent;
  }
  return 0;
}

/// What was spent before and after.
PeriodStep settle_one(Meter& meter, M measure, std::int64_t period, std::int64_t reserved, std::int64_t amount) {
  const PeriodStep spent = meter.with(measure, [&](auto& account) {
    account.committed.add(period, amount - reserved);
    return account.spent.add(period, amount);
  });
  if (Share* share = meter.share(measure)) share->give(period, reserved - amount);
  return spent;
}

/// That much of a threshold was reached, which may not be known here alone.
void note_crossing(const Step& step, std::int64_t period, std::int64_t before, std::int64_t after,
                   std::string_view pattern, Crossings& out) {
  if (step.share != nullptr) {
    after += step.share->others(period);
    before = 0;
  }
  const int percent = percent_reached(before, after, step.threshold);
  if (percent > 0 && (step.share == nullptr || step.share->tell(period, percent)))
    out.push_back({step.subject, step.measure, percent, after, step.threshold, pattern});
}

void book_otherwise(const Step& step, const Spend& reserved, const Spend& spent, const Periods& at,
                    std::string_view pattern, Crossings& out) {
  if (!is_spend(step.measure)) return;
  const std::int64_t amount = part_of(step.measure, spent), before = part_of(step.measure, reserved);
  const std::int64_t period = at.of(step.measure);
  const PeriodStep done = settle_one(*step.meter, step.measure, period, before, amount);
  if (step.whole != nullptr) settle_one(*step.whole, step.measure, period, before, amount);
  if (step.measure != M::minute_tokens) note_crossing(step, period, done.before, done.after, pattern, out);
}

/// In place of what was reserved.
void book(std::span<const Step> steps, Spend reserved, Spend spent, const Periods& at, std::string_view pattern,
          Crossings& out) {
  const Periods begun = at;
  const Spend more{spent.tokens - reserved.tokens, spent.cost_nano_usd - reserved.cost_nano_usd};
  for (const Step& step : steps) {
    if (step.account == nullptr) {
      book_otherwise(step, reserved, spent, at, pattern, out);
      continue;
    }
    const std::int64_t period = lasting_period(step.measure, begun);
    step.account->committed.add(period, lasting_part(step.measure, more));
    const PeriodStep done = step.account->spent.add(period, lasting_part(step.measure, spent));
    if (done.after >= step.threshold / 2) [[unlikely]]
      note_crossing(step, period, done.before, done.after, pattern, out);
  }
}

void book(const Steps& steps, const Spend& reserved, const Spend& spent, const Periods& at, Crossings& out) {
  if (!steps.plain) return book(steps.list, reserved, spent, at, {}, out);
  const Booking all(spent, at),
      more({spent.tokens - reserved.tokens, spent.cost_nano_usd - reserved.cost_nano_usd}, at);
  for (const Sum& sum : steps.sums) {
    sum.account->committed.add(all.period(sum), more.amount(sum));
    const PeriodStep done = sum.account->spent.add(all.period(sum), all.amount(sum));
    if (done.after >= sum.tell_from) [[unlikely]]
      note_crossing(steps.list[sum.step], all.period(sum), done.before, done.after, {}, out);
  }
}

void book(const ModelMeters* model, const Spend& reserved, const Spend& spent, const Periods& at, Crossings& out) {
  if (model != nullptr) book(model->steps.list, reserved, spent, at, model->pattern, out);
}

}  // namespace

CrossingText text_of(const Crossing& c) {
  CrossingText out{.limit = "limits.per_", .spent = {}, .threshold = {}};
  out.limit.append(to_string(c.subject)).append(".");
  if (c.subject == S::model) out.limit.append(c.pattern).append(".");
  out.limit.append(to_string(c.measure));
  std::array<char, kUsdTextBytes> buffer;
  const auto text = [&](std::int64_t amount) {
    return c.measure == M::day_tokens ? std::to_string(amount) : std::string(usd_text(amount, buffer));
  };
  out.spent = text(c.spent);
  out.threshold = text(c.threshold);
  return out;
}

void Permit::give_back() {
  if (!settled_) settle(reserved_);
  const auto release_slots = [](const Steps& steps) {
    if (!steps.have(M::concurrent)) return;
    for (const Step& step : steps.list)
      if (step.measure == M::concurrent) release(step);
  };
  release_slots(meters_->steps);
  if (model_ != nullptr) release_slots(model_->steps);
  limiter_ = nullptr;
  meters_.reset();
}

Crossings Permit::settle(const Spend& spent, const ModelMeters* found) {
  Crossings out;
  if (limiter_ == nullptr || std::exchange(settled_, true)) return out;
  book(meters_->steps, reserved_, spent, periods_, out);
  if (model_ != nullptr)
    book(model_, reserved_, spent, periods_, out);
  else
    book(found, {}, spent, periods_, out);
  return out;
}

Crossings Permit::charge(const Spend& spent, const ModelMeters* model, std::int64_t wall_ns) {
  Crossings out;
  if (limiter_ == nullptr) return out;
  const Periods at = Periods::at(wall_ns);
  book(meters_->steps, {}, spent, at, out);
  book(model, {}, spent, at, out);
  return out;
}

PeriodStep Limiter::learn(Meter& meter, Measure measure, std::int64_t spent, std::int64_t wall_ns) {
  const std::int64_t period = Periods::at(wall_ns).of(measure);
  if (options_.shared) {
    const FlagLock lock(busy_);
    Meter::Learnt& learnt = meter.learnt(measure);
    learnt = {.period = period, .spent = learnt.period == period ? std::max(learnt.spent, spent) : spent};
    if (Share* share = meter.share(measure)) share->learn(period, spent);
    return {};
  }
  return meter.with(measure, [&](auto& account) {
    const PeriodStep done = account.spent.raise(period, spent);
    if (done.after > done.before) account.committed.add(period, done.after - done.before);
    return done;
  });
}

std::optional<Crossing> Limiter::learn(const Meters& meters, Subject subject, Measure measure, std::int64_t spent,
                                       std::int64_t wall_ns) {
  const auto done = learn(meters.of(subject), measure, spent, wall_ns);
  if (subject == S::workspace && meters.whole != nullptr) learn(*meters.whole, measure, spent, wall_ns);
  const std::int64_t most = meters.steps.most(subject, measure);
  const int percent = most > 0 ? percent_reached(done.before, done.after, most) : 0;
  if (percent == 0) return std::nullopt;
  return Crossing{subject, measure, percent, done.after, most};
}

std::optional<Crossing> Limiter::learn(const ModelMeters& model, Measure measure, std::int64_t spent,
                                       std::int64_t wall_ns) {
  const auto done = learn(*model.meter, measure, spent, wall_ns);
  const std::int64_t most = model.steps.most(S::model, measure);
  const int percent = most > 0 ? percent_reached(done.before, done.after, most) : 0;
  if (percent == 0) return std::nullopt;
  return Crossing{S::model, measure, percent, done.after, most, model.pattern};
}

Crossings Limiter::count_late(const Meters& meters, const ModelMeters* model, const Permit& earlier,
                              const ModelMeters* earlier_model, const Spend& spent, std::int64_t wall_ns) const {
  const auto beyond = [](std::span<const Step> steps, std::span<const Step> counted) {
    std::vector<Step> out;
    std::copy_if(steps.begin(), steps.end(), std::back_inserter(out), [&](const Step& s) {
      return std::none_of(counted.begin(), counted.end(),
                          [&](const Step& c) { return c.subject == s.subject && c.measure == s.measure; });
    });
    return out;
  };
  Crossings out;
  const Periods at = Periods::at(wall_ns);
  const bool permitted = earlier.meters_ != nullptr;
  book(beyond(meters.steps.list, permitted ? earlier.tenant_steps() : std::span<const Step>()), {}, spent, at, {}, out);
  if (model == nullptr) return out;
  const ModelMeters* const counted = earlier.model_ != nullptr ? earlier.model_ : earlier_model;
  const bool same = permitted && counted != nullptr && counted->pattern == model->pattern;
  book(beyond(model->steps.list, same ? std::span<const Step>(counted->steps.list) : std::span<const Step>()), {},
       spent, at, model->pattern, out);
  return out;
}

}  // namespace gw::limits
