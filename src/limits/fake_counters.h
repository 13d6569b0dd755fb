#pragma once
// For tests: the shared counters as slowly and plainly as they can be kept, with a clock that is set, and with the
// misfortunes of a network.
#include <algorithm>
#include <map>
#include <string>

#include "limits/shared_counters.h"

namespace gw::limits {

class FakeCounters final : public SharedCounters {
 public:
  std::int64_t now_ms = 1;
  bool up = true;
  bool lose_reply = false;  ///< what is asked is done, and nobody hears of it
  int rounds = 0;

  void forget_all() {
    const std::int64_t now = now_ms;
    *this = FakeCounters();
    now_ms = now;
    epoch_ = std::to_string(now);
  }

  Result<Round> exchange(const Hello& hello, std::span<const CounterAsk> asks) override {
    ++rounds;
    if (!up) return fail("away");
    Round round = greet(hello);
    if (round.known)
      for (const CounterAsk& ask : asks) round.answers.push_back(answer(hello.instance, ask));
    if (lose_reply) return fail("no answer in time");
    return round;
  }
  void leave(std::string_view instance) override { alive_.erase(std::string(instance)); }

 private:
  struct Counter {
    std::int64_t base = 0;
    std::map<std::string, std::int64_t> spent, held;
    std::map<std::int64_t, std::int64_t> used;  ///< by second
    std::int64_t based_at = 0;                  ///< of a window's base: the second
  };

  bool alive(const std::string& name) const {
    const auto at = alive_.find(name);
    return at != alive_.end() && at->second > now_ms;
  }
  Round greet(const Hello& hello) {  // Nobody was heard for longer than anybody is silent: they could not, and come
                                     // back with what they hold.
    if (now_ms - heard_ms_ > 2'000 && !alive_.empty() && (!hello.fresh || hello.returning)) {
      for (auto& [name, until_ms] : alive_) until_ms = std::max(until_ms, now_ms + 2'000);
      frozen_until_ms_ = now_ms + 2'000;
    }
    heard_ms_ = now_ms;
    std::erase_if(alive_, [&](const auto& entry) { return entry.second <= now_ms; });
    const bool frozen = now_ms < frozen_until_ms_;
    if (!hello.fresh && !alive(hello.instance))
      return {.known = false, .frozen = alive_.empty() || frozen, .epoch = epoch_, .answers = {}};
    if (hello.fresh && hello.returning && alive_.empty()) frozen_until_ms_ = now_ms + 2'000;
    alive_[hello.instance] = now_ms + hello.lease_ms;
    return {.known = true,
            .instances = static_cast<std::int64_t>(alive_.size()),
            .frozen = now_ms < frozen_until_ms_,
            .epoch = epoch_,
            .answers = {}};
  }
  CounterAnswer answer(const std::string& me, const CounterAsk& ask) {
    Counter& c = counters_[ask.name];
    const std::int64_t second = now_ms / 1'000;
    for (auto at = c.held.begin(); at != c.held.end();) {
      if (alive(at->first)) {
        ++at;
        continue;
      }
      if (ask.kind == Share::Kind::window) c.used[second] += at->second;
      at = c.held.erase(at);
    }
    for (auto at = c.spent.begin(); at != c.spent.end();) {
      if (at->first == me || alive(at->first)) {
        ++at;
        continue;
      }
      if (ask.kind == Share::Kind::sum) c.base += at->second;
      at = c.spent.erase(at);
    }
    std::int64_t total = 0;
    if (ask.kind == Share::Kind::sum) {
      total = c.base;
      for (const auto& [name, amount] : c.spent) total += amount;
      const std::int64_t missing = std::max({std::int64_t{0}, ask.known - total, ask.base - c.base});
      c.base += missing;
      c.spent[me] = ask.spent;
      total = c.base;
      for (const auto& [name, amount] : c.spent) total += amount;
    } else if (ask.kind == Share::Kind::window) {
      c.used[second] += std::max<std::int64_t>(0, ask.spent - c.spent[me]);
      c.spent[me] = ask.spent;
      std::erase_if(c.used, [&](const auto& entry) { return second - entry.first > 60; });
      if (second - c.based_at > 60) c.base = 0;
      if (ask.base > c.base) {
        c.base = ask.base;
        c.based_at = second;
      }
      total = c.base;
      for (const auto& [at, amount] : c.used) total += amount;
    }
    c.held[me] = ask.held;
    std::int64_t pool = ask.threshold - total;
    for (const auto& [name, amount] : c.held) pool -= amount;
    std::int64_t grant = 0;
    if (ask.need + ask.extra > 0 && pool > 0 && now_ms >= frozen_until_ms_) {
      const std::int64_t spare =
          std::max<std::int64_t>(0, (pool - ask.need) / (static_cast<std::int64_t>(alive_.size()) + 1));
      grant = std::min(pool, ask.need + std::min(ask.extra, spare));
      if (ask.kind == Share::Kind::sum) grant = std::max(grant, ask.single);
    }
    c.held[me] += grant;
    return {.granted = grant, .total = total, .base = c.base, .pool = pool - grant, .retry_after_s = 1};
  }

  std::map<std::string, std::int64_t> alive_;  ///< until when
  std::map<std::string, Counter> counters_;
  std::int64_t frozen_until_ms_ = 0, heard_ms_ = 0;
  std::string epoch_ = "first";
};

}  // namespace gw::limits
