#include "app/reloader.h"

#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "app/wiring.h"
#include "base/strings.h"
#include "config/load.h"
#include "config/validate.h"

namespace gw::app {
namespace {

constexpr std::chrono::seconds kHandOutPatience{5};

/// What is counted, or for whom, is another.
bool changes_limits(const config::ReloadPlan& plan, const config::Config& running) {
  const auto counts_whole_workspaces = [](const config::Config& c) {
    return std::any_of(c.auth.keys.begin(), c.auth.keys.end(), [](const auto& k) { return trim(k.id).empty(); });
  };
  return counts_whole_workspaces(running) != counts_whole_workspaces(plan.config) ||
         std::any_of(plan.applied.begin(), plan.applied.end(),
                     [](const std::string& key) { return key.starts_with("limits.per_"); });
}

bool changes_keys(const config::ReloadPlan& plan) {
  return std::find(plan.applied.begin(), plan.applied.end(), "auth.keys") != plan.applied.end();
}

}  // namespace

Result<cli::ReloadReport> Reloader::reload() {
  look_around();
  auto report = apply();
  if (!report) {
    parts_.log.error("configuration not reloaded; nothing has changed")
        .field("config_path", parts_.config_path)
        .field("error", report.error().message);
    return report;
  }
  parts_.log.info("configuration reloaded")
      .field("config_path", parts_.config_path)
      .field("applied", std::span<const std::string>(report->applied));
  if (!report->needs_restart.empty())
    parts_.log.warn("configuration changes need a restart; the gateway goes on without them")
        .field("keys", std::span<const std::string>(report->needs_restart));
  return report;
}

Result<cli::ReloadReport> Reloader::apply() {
  if (earlier_.size() >= kMostEarlier)
    return fail("streams that are open still use " + std::to_string(earlier_.size()) +
                " earlier configurations; try again when some have ended, or restart");
  auto next = config::load({.path = parts_.config_path, .path_given = parts_.file_needed});
  if (!next) return fail("failed to load config: " + next.error().message);
  if (auto valid = config::validate(*next, check_servable); !valid)
    return fail("config is invalid: " + valid.error().message);
  config::ReloadPlan plan = config::plan_reload(config(), *next);
  // A part that needs a restart may be what made the rest valid.
  if (auto valid = config::validate(plan.config, check_servable); !plan.needs_restart.empty() && !valid)
    return fail("config is valid only after a restart: " + valid.error().message);

  auto made = InForce::make(plan.config);
  if (!made) return tl::make_unexpected(made.error());
  std::function<void()> put_keys_in_force;
  if (changes_keys(plan)) {
    auto prepared = parts_.prepare_keys(plan.config);
    if (!prepared) return tl::make_unexpected(prepared.error());
    put_keys_in_force = std::move(*prepared);
  }

  // Nothing fails from here on.
  if (put_keys_in_force) put_keys_in_force();
  pipeline::Snapshot& snapshot = *(*made)->snapshot();
  snapshot.limiting =
      changes_limits(plan, config()) ? parts_.make_limiting(plan.config) : in_force_->snapshot()->limiting;
  earlier_.push_back(in_force_->snapshot());
  in_force_ = std::move(*made);
  parts_.taken(config());
  hand_out();
  return cli::ReloadReport{.pid = static_cast<int>(::getpid()),
                           .applied = std::move(plan.applied),
                           .needs_restart = std::move(plan.needs_restart)};
}

void Reloader::hand_out() {
  struct Waiting {
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t left;
  };
  const auto waiting = std::make_shared<Waiting>();
  waiting->left = parts_.workers.size();
  parts_.services.replace(in_force_->snapshot());
  for (const auto& worker : parts_.workers)
    worker->take_up(in_force_->snapshot(), [waiting] {
      const std::lock_guard lock(waiting->mutex);
      --waiting->left;
      waiting->changed.notify_one();
    });
  std::unique_lock lock(waiting->mutex);
  if (!waiting->changed.wait_for(lock, kHandOutPatience, [&] { return waiting->left == 0; }))
    parts_.log.warn("a worker is slow to take up the new configuration").field("workers", waiting->left);
}

void Reloader::look_around() {
  in_force_->look_at_files(parts_.log);
  std::erase_if(earlier_, [](const auto& snapshot) { return snapshot.use_count() == 1; });
}

void Reloader::stop_sharing() {
  earlier_.push_back(in_force_->snapshot());
  for (const auto& snapshot : earlier_) {
    if (pipeline::LeaseDesk* leases = snapshot->leases()) leases->stop();
    if (snapshot->limiting) snapshot->limiting->follower.reset();
  }
  earlier_.pop_back();
}

}  // namespace gw::app
