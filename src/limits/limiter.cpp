#include "limits/limiter.h"

#include <algorithm>
#include <iterator>

#include "base/glob.h"
#include "base/usd.h"
#include "limits/flag_lock.h"
#include "model/limit_bounds.h"

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
static_assert(std::size(kOrder) == kTenants * kMeasures);
/// Behind them.
constexpr M kModelOrder[] = {M::day_tokens, M::day_cost, M::month_cost, M::requests, M::minute_tokens, M::concurrent};
static_assert(std::size(kModelOrder) == kMeasures);

constexpr std::int64_t kMinuteNs = 60'000'000'000;
constexpr std::int64_t kSweepNs = 2 * kMinuteNs;

/// Of a day or month: the store knows it.
bool is_lasting(M m) { return m == M::day_tokens || m == M::day_cost || m == M::month_cost; }
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
  if (after < threshold / 2) return 0;  // as nearly always
  for (const int percent : {100, 90, 80}) {
    const std::int64_t share = threshold / 100 * percent + threshold % 100 * percent / 100;
    if (before < share && after >= share) return percent;
  }
  return 0;
}

std::int64_t whole_seconds(std::int64_t ns) { return std::max<std::int64_t>(1, (ns + 999'999'999) / 1'000'000'000); }
std::int64_t until_next_minute_s(std::int64_t wall_ns) { return whole_seconds(kMinuteNs - wall_ns % kMinuteNs); }

std::int64_t part_of(M m, const Spend& spend) {
  return m == M::day_cost || m == M::month_cost ? spend.cost_nano_usd : spend.tokens;
}

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

enum class Reserved : std::uint8_t { yes, no, period_over };

void commit(Meter& meter, M measure, std::int64_t period, std::int64_t amount) {
  meter.with(measure, [&](auto& account) { account.committed.add(period, amount); });
  if (Share* share = meter.share(measure)) share->give(period, -amount);
}

Reserved reserve_share(const Step& step, const Spend& amounts, const Periods& at, std::int64_t& begun,
                       const Moment& now, std::optional<Denial>& denial) {
  const std::int64_t period = share_period(step.measure, at);
  if (step.measure == M::requests) {  // taken when everything else has agreed
    if (step.share->peek(period)) return Reserved::yes;
    denial = share_denial(step, at, now);
    return Reserved::no;
  }
  const std::int64_t amount = step.measure == M::concurrent ? 1 : part_of(step.measure, amounts);
  const auto done = step.share->take(period, amount);
  if (!done.taken && done.period != period) {
    begun = done.period;
    return Reserved::period_over;
  }
  if (!done.taken) {
    denial = share_denial(step, at, now);
    return Reserved::no;
  }
  if (!is_spend(step.measure)) return Reserved::yes;
  step.meter->with(step.measure, [&](auto& account) { account.committed.add(period, amount); });
  if (step.whole != nullptr) commit(*step.whole, step.measure, period, amount);
  return Reserved::yes;
}

/// `begun` is set where the period is over: the one that has begun.
Reserved reserve(const Step& step, const Spend& amounts, const Periods& at, std::int64_t& begun, const Moment& now,
                 std::optional<Denial>& denial) {
  if (step.share != nullptr) return reserve_share(step, amounts, at, begun, now, denial);
  if (step.measure == M::requests) {  // recorded when everything else has agreed
    const auto answer = step.requests->peek(step.threshold, now.mono_ns);
    if (answer.accepted) return Reserved::yes;
    denial = denial_of(step, answer.retry_after_s);
    return Reserved::no;
  }
  if (step.measure == M::concurrent) {
    if (step.meter->concurrent().fetch_add(1, std::memory_order_relaxed) < step.threshold) return Reserved::yes;
    step.meter->concurrent().fetch_sub(1, std::memory_order_relaxed);
    denial = denial_of(step, 1);
    return Reserved::no;
  }
  const std::int64_t period = at.of(step.measure);
  const std::int64_t amount = part_of(step.measure, amounts);
  const bool taken = step.meter->with(step.measure, [&](auto& account) {
    const auto done = account.committed.add_below(period, amount, step.threshold);
    if (done.taken) return true;
    if (done.period == period)
      denial = spend_denial(step, account.spent.read(period) >= step.threshold, now);
    else
      begun = done.period;
    return false;
  });
  if (!taken) return denial ? Reserved::no : Reserved::period_over;
  if (step.whole != nullptr) commit(*step.whole, step.measure, period, amount);
  return Reserved::yes;
}

void release(const Step& step) {
  if (step.share != nullptr)
    step.share->give(Share::kForever, 1);
  else
    step.meter->concurrent().fetch_sub(1, std::memory_order_relaxed);
}

void give_back(const Step& step, const Spend& amounts, const Periods& at) {
  if (step.measure == M::concurrent) release(step);
  if (!is_spend(step.measure)) return;
  const std::int64_t period = at.of(step.measure), amount = part_of(step.measure, amounts);
  commit(*step.meter, step.measure, period, -amount);
  if (step.whole != nullptr) commit(*step.whole, step.measure, period, -amount);
}

/// Checks of two kinds, one behind the other.
struct AllSteps {
  std::span<const Step> tenant, model;

  std::size_t size() const { return tenant.size() + model.size(); }
  const Step& operator[](std::size_t i) const { return i < tenant.size() ? tenant[i] : model[i - tenant.size()]; }
};

/// All steps or none.
std::optional<Denial> reserve_all(const AllSteps& steps, const Spend& amounts, Periods& at, const Moment& now) {
  std::optional<Denial> denial;
  for (std::size_t done = 0; done < steps.size();) {
    const Step& step = steps[done];
    std::int64_t begun = 0;
    const Reserved r = reserve(step, amounts, at, begun, now, denial);
    if (r == Reserved::yes) {
      ++done;
      continue;
    }
    while (done > 0) give_back(steps[--done], amounts, at);
    if (r == Reserved::no) return denial;
    at.of(step.measure) = begun;  // once a measure, since periods are longer than this takes
  }
  return std::nullopt;
}

/// A key's event stays also when its workspace is then refused, as the contract has it; nothing stays where a share may
/// yet be filled and the request comes again.
std::optional<Denial> record_requests(const AllSteps& steps, const Moment& now, std::optional<Subject> only) {
  std::optional<Denial> denial;
  std::size_t end = 0;
  bool shared = false;
  const auto wanted = [&](const Step& s) { return s.measure == M::requests && (!only || s.subject == *only); };
  for (; end < steps.size() && !denial; ++end) {
    const Step& step = steps[end];
    if (!wanted(step)) continue;
    if (step.share != nullptr) {
      shared = true;
      if (!step.share->take(Share::kForever, 1).taken) denial = share_denial(step, {}, now);
      continue;
    }
    const auto answer = step.requests->accept(step.threshold, now.mono_ns);
    if (!answer.accepted) denial = denial_of(step, answer.retry_after_s);
  }
  if (!shared) return denial;
  if (denial) --end;  // that one took nothing
  for (std::size_t i = 0; i < end; ++i) {
    if (!wanted(steps[i]) || steps[i].share == nullptr) continue;
    if (denial && denial->short_of_share)
      steps[i].share->give(Share::kForever, 1);
    else
      steps[i].share->use_one();
  }
  return denial;
}

/// What was spent before and after.
std::pair<std::int64_t, std::int64_t> settle_one(Meter& meter, M measure, std::int64_t period, std::int64_t reserved,
                                                 std::int64_t amount) {
  const auto spent = meter.with(measure, [&](auto& account) {
    account.committed.add(period, amount - reserved);
    const auto done = account.spent.add(period, amount);
    return std::pair(done.before, done.after);
  });
  if (Share* share = meter.share(measure)) share->give(period, reserved - amount);
  return spent;
}

/// In place of what was reserved.
void book(std::span<const Step> steps, const Spend& reserved, const Spend& spent, const Periods& at,
          std::string_view pattern, Crossings& out) {
  for (const Step& step : steps) {
    if (!is_spend(step.measure)) continue;
    const std::int64_t amount = part_of(step.measure, spent);
    const std::int64_t period = at.of(step.measure);
    auto [before, after] = settle_one(*step.meter, step.measure, period, part_of(step.measure, reserved), amount);
    if (step.whole != nullptr) settle_one(*step.whole, step.measure, period, part_of(step.measure, reserved), amount);
    if (step.measure == M::minute_tokens) continue;
    if (step.share != nullptr) {
      after += step.share->others(period);
      before = 0;
    }
    const int percent = percent_reached(before, after, step.threshold);
    if (percent > 0 && (step.share == nullptr || step.share->tell(period, percent)))
      out.push_back({step.subject, step.measure, percent, after, step.threshold, pattern});
  }
}

void book(const ModelMeters* model, const Spend& reserved, const Spend& spent, const Periods& at, Crossings& out) {
  if (model != nullptr) book(model->steps.list, reserved, spent, at, model->pattern, out);
}

Standing standing_of(const Step& step, const Moment& now) {
  Standing s{.limit = step.threshold};
  if (step.share != nullptr && step.measure == M::requests) {
    s.remaining = std::clamp<std::int64_t>(step.share->pool() + step.share->left(Share::kForever), 0, step.threshold);
    if (s.remaining < step.threshold) s.reset_s = step.share->retry_after_s();
    return s;
  }
  if (step.measure == M::requests) {
    const RateWindow::View view = step.requests->view(step.threshold, now.mono_ns);
    s.remaining = step.threshold - view.count;
    if (view.count > 0) s.reset_s = whole_seconds(view.oldest_ns + RateWindow::kWindowNs - now.mono_ns);
  } else {
    const std::int64_t committed = step.meter->with(
        step.measure, [&](auto& account) { return account.committed.read(Periods::at(now.wall_ns).of(step.measure)); });
    s.remaining = step.threshold - committed;
    if (step.share != nullptr) s.remaining -= step.share->others(Periods::at(now.wall_ns).of(step.measure));
    if (committed > 0) s.reset_s = until_next_minute_s(now.wall_ns);
  }
  s.remaining = std::max<std::int64_t>(0, s.remaining);
  return s;
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

void Steps::add(const Step& step) {
  if (step.threshold <= 0) return;
  list.push_back(step);
  if (step.measure == M::requests) list.back().threshold = std::min(step.threshold, kMaxRequestsPerMinute);
  measures = static_cast<std::uint8_t>(measures | 1U << static_cast<int>(step.measure));
  tokens = tokens || is_spend(step.measure);
  money = money || step.measure == M::day_cost || step.measure == M::month_cost;
}

std::int64_t Steps::most(Subject subject, Measure measure) const {
  for (const Step& step : list)
    if (step.subject == subject && step.measure == measure) return step.threshold;
  return 0;
}

void Permit::end() {
  if (limiter_ == nullptr) return;
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
  book(tenant_steps(), reserved_, spent, periods_, {}, out);
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
  book(tenant_steps(), {}, spent, at, {}, out);
  book(model, {}, spent, at, out);
  return out;
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

std::optional<Standing> Limiter::standing(const Meters& meters, const ModelMeters* model, Measure measure,
                                          const Moment& now) const {
  std::optional<Standing> least;
  for (const Steps* steps : {&meters.steps, model != nullptr ? &model->steps : nullptr}) {
    if (steps == nullptr || !steps->have(measure)) continue;
    for (const Step& step : steps->list) {
      if (step.measure != measure) continue;
      const Standing s = standing_of(step, now);
      if (!least || s.remaining < least->remaining) least = s;
    }
  }
  return least;
}

tl::expected<Permit, Denial> Limiter::take(MetersPtr meters, const ModelMeters* model, const Spend& estimate,
                                           const Moment& now) const {
  Permit permit;
  permit.meters_ = std::move(meters);
  permit.model_ = model;
  permit.reserved_ = {std::max<std::int64_t>(0, estimate.tokens), std::max<std::int64_t>(0, estimate.cost_nano_usd)};
  permit.periods_ = Periods::at(now.wall_ns);
  const AllSteps steps{permit.tenant_steps(), permit.model_steps()};
  std::optional<Denial> denial = reserve_all(steps, permit.reserved_, permit.periods_, now);
  if (denial) {
    if (denial->measure == M::requests && denial->subject == S::workspace && !denial->short_of_share)
      record_requests(steps, now, S::key);
  } else if ((denial = record_requests(steps, now, std::nullopt))) {
    for (std::size_t i = 0; i < steps.size(); ++i) give_back(steps[i], permit.reserved_, permit.periods_);
  }
  if (denial) return tl::make_unexpected(*denial);
  permit.limiter_ = this;
  return permit;
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

PeriodSum<10>::Step Limiter::learn(Meter& meter, Measure measure, std::int64_t spent, std::int64_t wall_ns) {
  const std::int64_t period = Periods::at(wall_ns).of(measure);
  if (options_.shared) {
    const FlagLock lock(busy_);
    Meter::Learnt& learnt = meter.learnt(measure);
    learnt = {.period = period, .spent = learnt.period == period ? std::max(learnt.spent, spent) : spent};
    if (Share* share = meter.share(measure)) share->learn(period, spent);
    return {};
  }
  return meter.with(measure, [&](auto& account) -> PeriodSum<10>::Step {
    const auto done = account.spent.raise(period, spent);
    if (done.after > done.before) account.committed.add(period, done.after - done.before);
    return {.taken = done.taken, .period = done.period, .before = done.before, .after = done.after};
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

bool Limiter::wishes(const Meters& meters, const ModelMeters* model, const Spend& estimate, const Moment& now,
                     std::vector<Wish>& out) const {
  const Periods at = Periods::at(now.wall_ns);
  const AllSteps steps{meters.steps.list, model != nullptr ? std::span(model->steps.list) : std::span<const Step>()};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    if (step.share == nullptr) continue;
    const std::int64_t period = share_period(step.measure, at);
    const std::int64_t need = std::max<std::int64_t>(1, is_spend(step.measure) ? part_of(step.measure, estimate) : 1);
    if (step.share->left(period) >= need) continue;
    if (step.share->closed(now.mono_ns)) return false;
    out.push_back({.meter = step.meter->shared_from_this(), .measure = step.measure, .period = period, .need = need});
  }
  return true;
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
