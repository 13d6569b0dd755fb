#include "store/redis/redis_counters.h"

#include <algorithm>
#include <array>

#include "base/random.h"
#include "store/redis/counter_scripts.h"

namespace gw::store::redis {
namespace {

const char* to_string(limits::Share::Kind kind) {
  switch (kind) {
    case limits::Share::Kind::sum:
      return "sum";
    case limits::Share::Kind::window:
      return "window";
    case limits::Share::Kind::slots:
      return "slots";
  }
  return "";
}

/// Stand for the digests, which only the server knows.
constexpr std::string_view kHello = "hello", kCounter = "counter";

bool is_list(const Reply& r, std::size_t size) { return r.kind == Reply::Kind::list && r.items.size() == size; }

tl::unexpected<Error> odd(const Reply& r) {
  return fail(r.kind == Reply::Kind::error ? r.text : "the server answered something else than was asked");
}

}  // namespace

Command RedisCounters::hello_command(const limits::Hello& hello) const {
  return {"EVALSHA",
          std::string(kHello),
          "4",
          prefix_ + "instances",
          prefix_ + "epoch",
          prefix_ + "frozen",
          prefix_ + "heard",
          hello.instance,
          hello.fresh ? "1" : "0",
          hello.returning ? "1" : "0",
          std::to_string(hello.lease_ms),
          std::to_string(random_u64())};
}

Command RedisCounters::ask_command(std::string_view instance, const limits::CounterAsk& ask) const {
  return {"EVALSHA",
          std::string(kCounter),
          "3",
          prefix_ + "c:" + ask.name,
          prefix_ + "instances",
          prefix_ + "frozen",
          std::string(instance),
          to_string(ask.kind),
          std::to_string(ask.threshold),
          std::to_string(ask.known),
          std::to_string(ask.spent),
          std::to_string(ask.held),
          std::to_string(ask.need),
          std::to_string(ask.single),
          std::to_string(ask.extra),
          std::to_string(ask.keep_s),
          std::to_string(ask.base)};
}

/// By digest, so that a script's text goes over once in the server's life.
Result<std::vector<Reply>> RedisCounters::run(const std::vector<Command>& commands, std::int64_t deadline_ns) {
  for (bool again = false;; again = true) {
    if (digests_.empty())
      if (auto loaded = load_scripts(deadline_ns); !loaded) return tl::make_unexpected(loaded.error());
    std::vector<Command> by_digest = commands;
    for (Command& c : by_digest) c[1] = digests_[c[1] == kHello ? 0 : 1];
    auto replies = client_.run(by_digest, deadline_ns);
    if (!replies) return replies;
    const bool missing = std::any_of(replies->begin(), replies->end(), [](const Reply& r) {
      return r.kind == Reply::Kind::error && r.text.starts_with("NOSCRIPT");
    });
    if (!missing || again) return replies;
    digests_.clear();
  }
}

Result<void> RedisCounters::load_scripts(std::int64_t deadline_ns) {
  const Command commands[] = {{"SCRIPT", "LOAD", std::string(kHelloScript)},
                              {"SCRIPT", "LOAD", std::string(kCounterScript)}};
  const auto replies = client_.run(commands, deadline_ns);
  if (!replies) return tl::make_unexpected(replies.error());
  for (const Reply& r : *replies)
    if (r.kind != Reply::Kind::text) return odd(r);
  digests_ = {(*replies)[0].text, (*replies)[1].text};
  return {};
}

Result<limits::Round> RedisCounters::exchange(const limits::Hello& hello, std::span<const limits::CounterAsk> asks) {
  std::vector<Command> commands;
  commands.reserve(asks.size() + 1);
  commands.push_back(hello_command(hello));
  for (const limits::CounterAsk& ask : asks) commands.push_back(ask_command(hello.instance, ask));
  const auto replies = run(commands, mono_now_ns() + (client_.connected() ? kRoundNs : kConnectNs));
  if (!replies) return tl::make_unexpected(replies.error());
  const Reply& greeted = replies->front();
  if (!is_list(greeted, 4)) return odd(greeted);
  limits::Round round{.known = greeted.items[0].integer == 1,
                      .instances = greeted.items[1].integer,
                      .frozen = greeted.items[2].integer == 1,
                      .epoch = greeted.items[3].text,
                      .answers = {}};
  for (std::size_t i = 1; i < replies->size() && round.known; ++i) {
    const Reply& r = (*replies)[i];
    if (is_list(r, 1) && r.items[0].integer == -1) {
      round.known = false;
      break;
    }
    if (!is_list(r, 5)) return odd(r);
    round.answers.push_back({.granted = r.items[0].integer,
                             .total = r.items[1].integer,
                             .base = r.items[4].integer,
                             .pool = r.items[2].integer,
                             .retry_after_s = r.items[3].integer});
  }
  return round;
}

void RedisCounters::leave(std::string_view instance) {
  const Command command{"ZREM", prefix_ + "instances", std::string(instance)};
  (void)client_.run(std::array{command}, mono_now_ns() + kRoundNs);
}

}  // namespace gw::store::redis
