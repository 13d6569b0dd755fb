#include "app/limit_setup.h"

#include <chrono>
#include <thread>

#include "app/limit_recovery.h"
#include "app/pipeline_events.h"
#include "app/spend_watch.h"
#include "app/stores.h"
#include "app/wiring.h"
#include "base/clock.h"
#include "config/redis_url.h"
#include "store/postgres/postgres_store.h"
#include "store/redis/redis_counters.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::app {
namespace {

using std::chrono::milliseconds;

/// How long a start waits for what limits have to know, twice at most.
constexpr std::int64_t kRecoveryNs = 20'000 * kMs;
/// How long a change of limits waits for what requests that have ended spent to be stored. What takes longer is counted
/// when it is.
constexpr std::int64_t kStoredNs = 2'000 * kMs;
/// By then a worker has offered the trace of a request that ended, and the next one is under the new limits.
constexpr std::int64_t kOfferNs = 1'000 * kMs;

}  // namespace

void LimitSetup::recover(limits::Limiter& limiter, store::TraceReader& reader) const {
  const std::int64_t began = mono_now_ns();
  const auto unstored = [this] {
    const PipelineDiagnostics d = traces_.diagnostics();
    return d.queued + d.spilled;
  };
  while (unstored() > 0 && mono_now_ns() < began + kRecoveryNs) std::this_thread::sleep_for(milliseconds(5));
  if (const std::int64_t left = unstored(); left > 0)
    log_.error("limits start without traces that the store has not taken in time").field("traces", left);
  tell_spending(limiter, reader);
}

void LimitSetup::tell_spending(limits::Limiter& limiter, store::TraceReader& reader) const {
  const limits::Moment now{.wall_ns = wall_now_ns(), .mono_ns = mono_now_ns()};
  const auto done =
      learn_spending(limiter, reader, tenants_of(services_.keys.view()->authorizer()), now, now.mono_ns + kRecoveryNs);
  if (!done) log_.error("limits start without what was spent before").field("error", done.error().message);
}

void LimitSetup::tell_stored(limits::Limiter& limiter, const config::Config& config) const {
  const std::int64_t now_ns = wall_now_ns(), began = mono_now_ns();
  while (traces_.complete_until_ns() < now_ns && mono_now_ns() < began + kStoredNs)
    std::this_thread::sleep_for(milliseconds(5));
  if (auto reader = app::open_store(config, static_cast<int>(kRecoveryNs / kMs)))
    tell_spending(limiter, **reader);
  else
    log_.error("limits start without what was spent before").field("error", reader.error().message);
}

std::shared_ptr<pipeline::Limiting> LimitSetup::anew(const config::Config& next) const {
  const limits::Limiter* const before = services_.snapshot()->limiter();
  if (before == nullptr) return nullptr;
  const limits::Options options = limit_options(next);
  std::shared_ptr<pipeline::Limiting> made;
  if (options.shared) {
    made = std::make_shared<pipeline::Limiting>(options, std::make_shared<limits::Ledger>(), mono_now_ns());
    tell_stored(made->limiter, next);
  } else {
    // One that limits no rates leaves those in force alone until the very end, when the new ones take them over.
    limits::Limiter lesson(options.without(limits::Measure::requests), before->ledger());
    tell_stored(lesson, next);
    made = std::make_shared<pipeline::Limiting>(options, before->ledger(), mono_now_ns());
  }
  const std::int64_t begun_ns = wall_now_ns();
  const auto stored = [&traces = traces_, begun_ns] { return traces.complete_until_ns() >= begun_ns + kOfferNs; };
  if (auto ok = begin(*made, stored); !ok) log_.error("limits cannot be shared now").field("error", ok.error().message);
  return made;
}

Result<void> LimitSetup::begin(pipeline::Limiting& limiting, std::function<bool()> stored) const {
  follow_store(limiting, std::move(stored));
  return share(limiting);
}

Result<void> LimitSetup::share(pipeline::Limiting& limiting) const {
  if (!limiting.limiter.options().shared) return {};
  auto url = config::parse_redis_url(config_.limits.redis_url);
  if (!url) return fail("limits.redis_url " + url.error().message);
  const std::string shown = url->shown();
  limiting.leases = std::make_unique<pipeline::LeaseDesk>(
      limiting.limiter, std::make_unique<store::redis::RedisCounters>(std::move(*url)),
      [&log = log_, shown](bool reachable, const std::string& error) {
        if (reachable)
          log.info("limits are shared with other gateways").field("redis", shown);
        else
          log.error("limits cannot be shared now: this gateway goes on with its share (limits.redis_url)")
              .field("redis", shown)
              .field("error", error);
      });
  return {};
}

/// For a thread of its own that is ended with the gateway: its answers are worth waiting for only a little.
Result<std::unique_ptr<store::TraceReader>> LimitSetup::open_reader() const {
  constexpr int kPatienceMs = 2'000;
  if (is_postgres(config_)) {
    store::PgOptions o = postgres_options(config_);
    o.connect_timeout_ms = o.read_deadline_ms = kPatienceMs;
    return store::open_postgres_reader(o);
  }
  store::SqliteOptions o;
  o.path = config_.storage.path;
  o.busy_timeout_ms = o.read_deadline_ms = kPatienceMs;
  return store::open_sqlite_reader(o);
}

/// Gateways on one Postgres share what they spend through it, unless they do through Redis.
void LimitSetup::follow_store(pipeline::Limiting& limiting, std::function<bool()> stored) const {
  const bool others = is_postgres(config_) && !limiting.limiter.options().shared;
  SpendReader reader(
      limiting.limiter, services_.keys, others, [this] { return open_reader(); },
      [&log = log_](const limits::Crossing& crossing, const Tenant& tenant, std::string_view key) {
        log_crossing(log, crossing, tenant, key);
      });
  if (stored) reader.learn_again(std::move(stored));
  auto watch = std::make_shared<SpendWatch>(std::move(reader), [&log = log_](bool reachable, const std::string& error) {
    if (reachable)
      log.info("limits know again what the database has");
    else
      log.error("limits cannot be shared now: this gateway counts alone (the database does not answer)")
          .field("error", error);
  });
  limiting.follower_figures = [follower = std::weak_ptr<SpendWatch>(watch)] {
    const auto alive = follower.lock();  // gone once nothing is shared any more
    return alive ? alive->figures() : std::map<std::string, std::int64_t>();
  };
  limiting.follower = std::move(watch);
}

}  // namespace gw::app
