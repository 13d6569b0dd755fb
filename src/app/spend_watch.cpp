#include "app/spend_watch.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <set>
#include <utility>

#include "base/clock.h"

namespace gw::app {
namespace {

/// A round that has not ended by then goes on the next time.
constexpr std::int64_t kLookNs = 1'000'000'000;
/// Of the time, at most one part in so many is spent asking.
constexpr std::int64_t kRestShare = 4;

bool limits_spending(const store::KeyLimits& limits) {
  return limits.max_tokens_per_day || limits.max_cost_nano_usd_per_day || limits.max_cost_nano_usd_per_month;
}

}  // namespace

SpendReader::SpendReader(limits::Limiter& limiter, const pipeline::KeyBook& keys, bool others, Open open,
                         OnCrossing on_crossing)
    : limiter_(limiter),
      keys_(keys),
      others_(others),
      open_(std::move(open)),
      lesson_(limiter, std::move(on_crossing)) {
  look_at_keys(0);
  due_.clear();
}

void SpendReader::look_at_keys(std::int64_t mono_ns) {
  const std::uint64_t epoch = keys_.epoch();
  if (epoch == epoch_) return;
  epoch_ = epoch;
  const auto view = keys_.view();
  tenants_ = tenants_of(view->authorizer());
  read_seq_ = -1;
  spending_limited_ = limiter_.limits_spending();
  std::map<Key, store::KeyLimits> limits;
  std::set<Tenant> changed;
  for (const auth::Identity& i : view->authorizer().identities()) {
    if (!limits_spending(i.limits)) continue;
    spending_limited_ = true;
    const Key key{{i.org_id, i.workspace_id}, i.key_id};
    const auto before = limits_.find(key);
    if (before == limits_.end() || before->second != i.limits) changed.insert(key.first);
    limits.emplace(key, i.limits);
  }
  limits_ = std::move(limits);
  if (!changed.empty()) read_soon({changed.begin(), changed.end()}, mono_ns);
}

void SpendReader::read_soon(const std::vector<Tenant>& tenants, std::int64_t mono_ns) {
  for (const std::int64_t at : {mono_ns, mono_ns + kAgainNs}) due_.emplace(at, tenants);
}

std::vector<Tenant> SpendReader::take_due(std::int64_t mono_ns) {
  if (others_) return spending_limited_ ? tenants_ : std::vector<Tenant>();
  std::set<Tenant> out;
  const auto end = due_.upper_bound(mono_ns);
  for (auto at = due_.begin(); at != end; ++at) out.insert(at->second.begin(), at->second.end());
  due_.erase(due_.begin(), end);
  return {out.begin(), out.end()};
}

/// Nobody has stored anything since the last round.
Result<bool> SpendReader::unchanged(std::int64_t day) {
  const auto state = reader_->sequence();
  if (!state) return tl::make_unexpected(state.error());
  if (state->last == read_seq_ && day == read_day_) return true;
  read_seq_ = state->last;
  read_day_ = day;
  return false;
}

/// False: there is nothing to ask.
Result<bool> SpendReader::begin_round(const limits::Moment& now) {
  if (reader_ == nullptr) {
    if (others_ ? !spending_limited_ : due_.empty() || due_.begin()->first > now.mono_ns) return false;
    auto opened = open_();
    if (!opened) return tl::make_unexpected(opened.error());
    reader_ = std::move(*opened);
  }
  std::vector<Tenant> tenants = take_due(now.mono_ns);
  if (tenants.empty()) return false;
  if (others_) {
    const auto same = unchanged(limits::Periods::at(now.wall_ns).day);
    if (!same) return tl::make_unexpected(same.error());
    if (*same) return false;
  }
  pending_ = std::move(tenants);
  return true;
}

Result<bool> SpendReader::look(const limits::Moment& now) {
  look_at_keys(now.mono_ns);
  if (stored_ && stored_()) {
    stored_ = nullptr;
    if (spending_limited_) read_soon(tenants_, now.mono_ns);
  }
  if (pending_.empty()) {
    const auto begun = begin_round(now);
    if (!begun || !*begun) return begun;
  }
  const auto done = lesson_.learn(*reader_, pending_, now, mono_now_ns() + kLookNs);
  if (!done) return tl::make_unexpected(done.error());
  if (*done == pending_.size())
    if (auto ok = lesson_.learn_models(*reader_, now); !ok) return tl::make_unexpected(ok.error());
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(*done));
  return true;
}

SpendWatch::SpendWatch(SpendReader reader, OnState on_state)
    : reader_(std::move(reader)), on_state_(std::move(on_state)) {
  thread_ = std::thread([this] { work(); });
  ::pthread_setname_np(thread_.native_handle(), "spending");
}

void SpendWatch::look() {
  const auto read = reader_.look({.wall_ns = wall_now_ns(), .mono_ns = mono_now_ns()});
  if (read) {
    rounds_.fetch_add(*read ? 1 : 0, std::memory_order_relaxed);
    if (!reachable_.exchange(true)) on_state_(true, {});
    return;
  }
  failures_.fetch_add(1, std::memory_order_relaxed);
  if (reachable_.exchange(false)) on_state_(false, read.error().message);
}

void SpendWatch::work() {
  std::int64_t rest_ns = kEveryNs;
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, std::chrono::nanoseconds(rest_ns), [this] { return stopping_; })) {
    lock.unlock();
    const std::int64_t began_ns = mono_now_ns();
    look();
    const std::int64_t took_ns = mono_now_ns() - began_ns;
    rest_ns = std::max(kEveryNs - took_ns, took_ns * (kRestShare - 1));
    lock.lock();
  }
}

void SpendWatch::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::map<std::string, std::int64_t> SpendWatch::figures() const {
  if (!reader_.others()) return {};
  return {{"store_reachable", reachable_.load() ? 1 : 0},
          {"store_rounds_total", rounds_.load()},
          {"store_failures_total", failures_.load()}};
}

}  // namespace gw::app
