#include "pipeline/lease_desk.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <span>

#include "base/clock.h"
#include "base/random.h"

namespace gw::pipeline {
namespace {

/// Counters asked about in one message: they have to be answered within the deadline.
constexpr std::size_t kMostAsks = 256;

limits::Moment now() { return {.wall_ns = wall_now_ns(), .mono_ns = mono_now_ns()}; }

}  // namespace

LeaseDesk::LeaseDesk(limits::Limiter& limiter, std::unique_ptr<limits::SharedCounters> counters, OnState on_state)
    : limiter_(limiter),
      counters_(std::move(counters)),
      on_state_(std::move(on_state)),
      book_([] { return std::to_string(random_u64()); }, now()) {
  serve(true);
  thread_ = std::thread([this] { work(); });
  ::pthread_setname_np(thread_.native_handle(), "limits");
}

std::shared_ptr<LeaseDesk::Question> LeaseDesk::ask(std::vector<limits::Wish> wishes, net::Wakeable& waiter) {
  const bool waits = reachable();
  auto q = std::make_shared<Question>();
  q->waiter = waits ? &waiter : nullptr;
  q->wishes = std::move(wishes);
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || jobs_.size() >= kMaxWaiting) return nullptr;
    jobs_.push_back({.loop = waits ? &waiter.loop() : nullptr, .question = q});
  }
  wanted_.notify_one();
  if (!waits) return nullptr;
  waits_.fetch_add(1, std::memory_order_relaxed);
  return q;
}

void LeaseDesk::poke() {
  const std::lock_guard lock(mutex_);
  wanted_.notify_one();
}

void LeaseDesk::set_reachable(bool reachable, const std::string& error) {
  if (said_ && reachable == reachable_.load()) return;
  said_ = true;
  reachable_.store(reachable, std::memory_order_relaxed);
  if (on_state_) on_state_(reachable, error);
}

Result<limits::Round> LeaseDesk::talk(const std::vector<limits::CounterAsk>& asks) {
  limits::Round all;
  std::size_t done = 0;
  do {
    const std::size_t count = std::min(kMostAsks, asks.size() - done);
    auto round = counters_->exchange(book_.hello(), std::span(asks).subspan(done, count));
    rounds_.fetch_add(1, std::memory_order_relaxed);
    if (!round || !round->known) return round;
    done += count;
    std::vector<limits::CounterAnswer> answers = std::move(all.answers);
    answers.insert(answers.end(), round->answers.begin(), round->answers.end());
    all = std::move(*round);
    all.answers = std::move(answers);
  } while (done < asks.size());
  return all;
}

void LeaseDesk::serve(bool tick) {
  const limits::Moment at = now();
  if (!reachable() && at.mono_ns < next_try_ns_) return book_.alone(at);
  std::string error = "the instance is forgotten again and again";
  for (int attempt = 0; attempt < 3; ++attempt) {
    const auto asks = book_.plan(at, tick && attempt == 0);
    if (asks.empty() && !tick && reachable()) return;
    const auto round = talk(asks);
    if (!round) {
      error = round.error().message;
      break;
    }
    if (round->known) {
      book_.answered(*round, at);
      instances_.store(round->instances, std::memory_order_relaxed);
      return set_reachable(true, {});
    }
    book_.renew(*round);
  }
  failures_.fetch_add(1, std::memory_order_relaxed);
  next_try_ns_ = now().mono_ns + kRetryNs;
  set_reachable(false, error);
  book_.alone(at);
}

void LeaseDesk::work() {
  std::int64_t next_tick_ns = mono_now_ns() + limits::LeaseBook::kTickNs;
  for (;;) {
    std::vector<Job> jobs;
    {
      std::unique_lock lock(mutex_);
      const std::int64_t until_ns = reachable() ? next_tick_ns : std::min(next_tick_ns, next_try_ns_);
      wanted_.wait_for(lock, std::chrono::nanoseconds(std::max<std::int64_t>(0, until_ns - mono_now_ns())),
                       [&] { return stopping_ || !jobs_.empty() || poked_.load(); });
      // Where little is left many ask again and again: together, then.
      wanted_.wait_for(lock, std::chrono::nanoseconds(std::max<std::int64_t>(0, next_round_ns_ - mono_now_ns())),
                       [&] { return stopping_; });
      if (stopping_) break;
      jobs.swap(jobs_);
    }
    poked_.store(false);
    book_.look_at(limiter_.wanting());
    for (const Job& job : jobs)
      for (const limits::Wish& wish : job.question->wishes) book_.add(wish);
    const std::int64_t now_ns = mono_now_ns();
    const bool tick = now_ns >= next_tick_ns;
    if (tick) next_tick_ns = now_ns + limits::LeaseBook::kTickNs;
    serve(tick);
    next_round_ns_ = mono_now_ns() + kGapNs;
    for (const Job& job : jobs)
      if (job.loop != nullptr)
        job.loop->post([q = job.question] {
          q->answered = true;
          if (q->waiter != nullptr) q->waiter->loop().ready(*q->waiter);
        });
  }
}

void LeaseDesk::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  wanted_.notify_all();
  thread_.join();
  if (!reachable()) return;
  book_.give_all_back();
  (void)talk(book_.plan(now(), false));
  counters_->leave(book_.name());
}

std::map<std::string, std::int64_t> LeaseDesk::figures() const {
  return {{"shared_reachable", reachable() ? 1 : 0},
          {"shared_instances", instances_.load()},
          {"shared_rounds_total", rounds_.load()},
          {"shared_failures_total", failures_.load()},
          {"shared_waits_total", waits_.load()}};
}

}  // namespace gw::pipeline
