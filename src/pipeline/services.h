#pragma once
// What all workers share for as long as the process lives, whatever the configuration. The few counters are atomics;
// what else changes locks itself.
#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "guard/request_guard.h"
#include "limits/limiter.h"
#include "net/resolver.h"
#include "pipeline/background_answers.h"
#include "pipeline/commit_signal.h"
#include "pipeline/genai_metrics.h"
#include "pipeline/key_book.h"
#include "pipeline/query_pool.h"
#include "pipeline/request_metrics.h"
#include "pipeline/snapshot.h"
#include "pipeline/unpriced_models.h"
#include "provider/bpe.h"

namespace gw::pipeline {

/// Since the start, of all workers.
struct AccountingCounters {
  std::atomic<std::int64_t> injected{0};        ///< requests that were made to ask for their usage
  std::atomic<std::int64_t> usage_removed{0};   ///< usage chunks taken out of answers
  std::atomic<std::int64_t> over_max_bytes{0};  ///< requests left alone for inject_max_bytes
  std::atomic<std::int64_t> encoded{0};         ///< answers with a content coding: the usage chunk stayed
  std::atomic<std::int64_t> drained{0};         ///< streams read on after their client left
  std::atomic<std::int64_t> drain_refused{0};   ///< streams that were not, because too many were already
};

/// Since the start, of all workers.
struct LimitCounters {
  std::array<std::array<std::atomic<std::int64_t>, limits::kSubjects>, limits::kMeasures> refused{};
  std::atomic<std::int64_t> unavailable{0};     ///< requests refused because too many keys are in use
  std::atomic<std::int64_t> over_max_bytes{0};  ///< requests that went on though their body was too long to be held
  std::atomic<std::int64_t> model_unseen{0};    ///< requests that were refused for that, since models are limited
};

/// What the guard did about requests and answers, since the start, of all workers: by mode and verdict.
struct GuardCounters {
  std::array<std::array<std::atomic<std::int64_t>, guard::kVerdicts>, guard::kAnswerModes> answers{};
  std::array<std::array<std::atomic<std::int64_t>, guard::kVerdicts>, guard::kModes> requests{};
};

struct Services {
  Services(auth::Authorizer authorizer, std::shared_ptr<const Snapshot> first)
      : keys(std::move(authorizer)), snapshot_(std::move(first)) {}

  /// The configuration in force. Any thread; a worker has its own, which may be older for a moment.
  std::shared_ptr<const Snapshot> snapshot() const {
    const std::lock_guard lock(snapshot_mutex_);
    return snapshot_;
  }
  void replace(std::shared_ptr<const Snapshot> next) {
    const std::lock_guard lock(snapshot_mutex_);
    snapshot_.swap(next);
  }

  KeyBook keys;
  UnpricedModels unpriced;
  BackgroundAnswers background_answers;
  provider::TokenizerSet tokenizers;
  net::Resolver* resolver = nullptr;
  QueryPool* queries = nullptr;
  std::unique_ptr<RequestMetrics> metrics;      ///< null: nobody asks for them
  std::unique_ptr<GenAiMetrics> genai_metrics;  ///< likewise
  std::string metrics_path;                     ///< where Prometheus scrapes; empty: nowhere
  /// An answer that reads no traces, made without asking the store; for when that does not answer. Any thread.
  std::function<api::ApiResponse(const api::ApiRequest&)> status_without_store;

  std::atomic<std::int64_t> connections{0};
  std::atomic<std::int64_t> refused_connections{0};
  std::atomic<bool> draining{false};
  CommitSignal commits;
  std::atomic<std::int64_t> auth_refused{0};  ///< requests, for a missing or bad key
  std::atomic<std::int64_t> auth_delayed{0};  ///< those whose refusal was held back
  std::atomic<int> api_streams{0};            ///< API answers that are sent in pieces and end
  std::atomic<int> api_endless{0};            ///< and that do not
  std::atomic<int> api_waits{0};              ///< API requests that wait for a commit
  AccountingCounters accounting_counters;
  LimitCounters limit_counters;
  GuardCounters guard_counters;

 private:
  mutable std::mutex snapshot_mutex_;
  std::shared_ptr<const Snapshot> snapshot_;
};

/// The accounting counters by name; none when the policies that they count are off.
std::map<std::string, std::int64_t> accounting_figures(const Services& services);
/// Refusals by limit code; none when nothing is limited.
std::map<std::string, std::int64_t> limit_figures(const Services& services);
/// Calls f(mode, verdict, count) for all that happened.
void each_judged(const Services& services,
                 const std::function<void(std::string_view, std::string_view, std::int64_t)>& f);
/// Requests that the guard judged, by mode and what came of it (`block_refused`); none when it judges none.
std::map<std::string, std::int64_t> guard_figures(const Services& services);
/// Refused keys by name; none when auth is off.
std::map<std::string, std::int64_t> auth_figures(const Services& services);

}  // namespace gw::pipeline
