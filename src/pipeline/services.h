#pragma once
// What every exchange needs and no exchange changes: built once by app from the configuration, shared read-only by all
// workers. The few counters are atomics; what else changes locks itself.
#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "auth/credential_headers.h"
#include "guard/body_redactor.h"
#include "guard/header_redactor.h"
#include "guard/policy.h"
#include "limits/limiter.h"
#include "net/resolver.h"
#include "net/tls.h"
#include "net/upstream.h"
#include "pipeline/background_answers.h"
#include "pipeline/commit_signal.h"
#include "pipeline/held_credentials.h"
#include "pipeline/key_book.h"
#include "pipeline/lease_desk.h"
#include "pipeline/price_book.h"
#include "pipeline/query_pool.h"
#include "pipeline/request_metrics.h"
#include "pipeline/unpriced_models.h"
#include "provider/bpe.h"
#include "proxy/heads.h"
#include "route/route_table.h"

namespace gw::pipeline {

struct ServerLimits {
  std::size_t max_header_bytes = 64 * 1024;
  std::int64_t header_timeout_ns = 10'000'000'000;
  std::int64_t idle_timeout_ns = 120'000'000'000;
  std::int64_t max_connections = 10'000;
  /// How long health, readiness and diagnostics wait for the store.
  std::int64_t status_timeout_ns = 5'000'000'000;
};

/// How one provider is reached; index = route index.
struct ProviderLink {
  net::UpstreamTarget target;
  std::int64_t idle_timeout_ns = 900'000'000'000;
  bool absolute_form = false;       ///< plain HTTP through a forward proxy
  std::string proxy_authorization;  ///< sent with each request then
  proxy::AddedFields added;
  bool adds_credential = false;   ///< among them is the provider's key, so that the caller need not bring one
  bool holds_credential = false;  ///< so has Services::held, for callers that bring none
};

struct CaptureOptions {
  bool bodies = false;
  std::size_t body_max_size = 1024 * 1024;
};

/// What is done beyond reading to know what an exchange used.
struct AccountingOptions {
  bool inject_include_usage = false;               ///< ask for the usage of chat streams that do not
  std::size_t inject_max_bytes = 8 * 1024 * 1024;  ///< a longer request body goes on as it came
  std::int64_t drain_ns = 0;  ///< how long a stream is read on after its client left; 0: not at all
};

/// Since the start, of all workers.
struct AccountingCounters {
  std::atomic<std::int64_t> injected{0};        ///< requests that were made to ask for their usage
  std::atomic<std::int64_t> usage_removed{0};   ///< usage chunks taken out of answers
  std::atomic<std::int64_t> over_max_bytes{0};  ///< requests left alone for inject_max_bytes
  std::atomic<std::int64_t> encoded{0};         ///< answers with a content coding: the usage chunk stayed
  std::atomic<std::int64_t> drained{0};         ///< streams read on after their client left
  std::atomic<std::int64_t> drain_refused{0};   ///< streams that were not, because too many were already
};

/// How what a request may spend is found out before it is sent on.
struct LimitOptions {
  std::int64_t default_output_reserve = 1'024;   ///< tokens, of a request that bounds its answer not
  std::size_t hold_max_bytes = 8 * 1024 * 1024;  ///< a longer body is not read for that
};

/// Since the start, of all workers.
struct LimitCounters {
  std::array<std::array<std::atomic<std::int64_t>, limits::kSubjects>, limits::kMeasures> refused{};
  std::atomic<std::int64_t> unavailable{0};     ///< requests refused because too many keys are in use
  std::atomic<std::int64_t> over_max_bytes{0};  ///< requests that went on though their body was too long to be held
  std::atomic<std::int64_t> model_unseen{0};    ///< requests that were refused for that, since models are limited
};

/// The deciding stages.
struct Stages {
  route::RouteTable routes;
  auth::CredentialHeaders credentials;
  guard::HeaderRedactor request_header_redactor;
  guard::HeaderRedactor response_header_redactor;
  guard::Policy policies;
};

struct Services : Stages {
  Services(Stages stages, auth::Authorizer authorizer, std::shared_ptr<const provider::PriceTable> table,
           std::vector<PricedRoute> priced)
      : Stages(std::move(stages)), keys(std::move(authorizer)), prices(std::move(table), std::move(priced)) {}

  std::vector<ProviderLink> providers;
  std::unique_ptr<guard::BodyRedactor> request_body_redactor;  ///< null: the stage is off
  std::unique_ptr<guard::BodyRedactor> response_body_redactor;
  std::unique_ptr<guard::BodyRedactor> id_redactor;  ///< of ids of sessions and lineage that clients send; null: off
  std::string cors_allow_headers;
  KeyBook keys;
  PriceBook prices;
  HeldCredentials held;
  UnpricedModels unpriced;
  BackgroundAnswers background_answers;
  provider::TokenizerSet tokenizers;
  ServerLimits limits;
  std::unique_ptr<limits::Limiter> limiter;  ///< null: nothing can be limited
  LeaseDesk* leases = nullptr;               ///< null: this gateway counts for itself
  LimitOptions limit_options;
  CaptureOptions capture;
  AccountingOptions accounting;
  std::unique_ptr<net::TlsServerContext> tls;  ///< null: plain HTTP
  net::Resolver* resolver = nullptr;
  QueryPool* queries = nullptr;
  std::unique_ptr<RequestMetrics> metrics;  ///< null: nobody asks for them
  std::string metrics_path;                 ///< where Prometheus scrapes; empty: nowhere
  /// An answer that reads no traces, made without asking the store; for when that does not answer. Any thread.
  std::function<api::ApiResponse(const api::ApiRequest&)> status_without_store;

  std::atomic<std::int64_t> connections{0};
  std::atomic<std::int64_t> refused_connections{0};
  std::atomic<bool> draining{false};
  CommitSignal commits;
  std::int64_t auth_failure_delay_ns = 0;     ///< most that a refusal for a bad key is held back
  std::atomic<std::int64_t> auth_refused{0};  ///< requests, for a missing or bad key
  std::atomic<std::int64_t> auth_delayed{0};  ///< those whose refusal was held back
  std::atomic<int> api_streams{0};            ///< API answers that are sent in pieces and end
  std::atomic<int> api_endless{0};            ///< and that do not
  std::atomic<int> api_waits{0};              ///< API requests that wait for a commit
  AccountingCounters accounting_counters;
  LimitCounters limit_counters;
};

/// The accounting counters by name; none when the policies that they count are off.
std::map<std::string, std::int64_t> accounting_figures(const Services& services);
/// Refusals by limit code; none when nothing is limited.
std::map<std::string, std::int64_t> limit_figures(const Services& services);
/// Refused keys by name; none when auth is off.
std::map<std::string, std::int64_t> auth_figures(const Services& services);

}  // namespace gw::pipeline
