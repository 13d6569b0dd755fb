#pragma once
// What one configuration says about exchanges. A reload puts another one in its place; exchanges under way keep the one
// they began with. Built by app, read by all workers. Immutable but for prices and held credentials, which files may
// renew and which lock themselves.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "auth/credential_headers.h"
#include "guard/answer_guard.h"
#include "guard/body_redactor.h"
#include "guard/header_redactor.h"
#include "guard/policy.h"
#include "guard/request_guard.h"
#include "limits/limiter.h"
#include "net/tls.h"
#include "net/upstream.h"
#include "pipeline/held_credentials.h"
#include "pipeline/lease_desk.h"
#include "pipeline/price_book.h"
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
  bool holds_credential = false;  ///< so has Snapshot::held, for callers that bring none
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

/// How what a request may spend is found out before it is sent on.
struct LimitOptions {
  std::int64_t default_output_reserve = 1'024;   ///< tokens, of a request that bounds its answer not
  std::size_t hold_max_bytes = 8 * 1024 * 1024;  ///< a longer body is not read for that
};

/// How answers are looked at on their way to the client (pii.response).
struct AnswerPolicy {
  AnswerPolicy(const guard::BodyOptions& options, guard::AnswerMode answers, std::size_t most)
      : redactor(options), mode(answers), max_body(most) {}

  const guard::BodyRedactor redactor;
  const guard::AnswerMode mode;
  const std::size_t max_body;  ///< bytes that are held of an answer
};

/// The deciding stages.
struct Stages {
  route::RouteTable routes;
  auth::CredentialHeaders credentials;
  guard::HeaderRedactor request_header_redactor;
  guard::HeaderRedactor response_header_redactor;
  guard::Policy policies;
};

/// What is counted against limits, by one set of them.
struct Limiting {
  explicit Limiting(limits::Options options, std::shared_ptr<limits::Ledger> ledger, std::int64_t mono_ns)
      : limiter(std::move(options), std::move(ledger), mono_ns) {}

  limits::Limiter limiter;
  std::unique_ptr<LeaseDesk> leases;  ///< null: this gateway counts for itself
  /// Keeps the limiter true to what the store knows; a thread of app's that ends with it. Its figures by name.
  std::shared_ptr<void> follower;
  std::function<std::map<std::string, std::int64_t>()> follower_figures;
};

struct Snapshot : Stages {
  Snapshot(Stages stages, std::shared_ptr<const provider::PriceTable> table, std::vector<PricedRoute> priced)
      : Stages(std::move(stages)), prices(std::move(table), std::move(priced)) {}

  limits::Limiter* limiter() const { return limiting ? &limiting->limiter : nullptr; }
  LeaseDesk* leases() const { return limiting ? limiting->leases.get() : nullptr; }

  std::vector<ProviderLink> providers;
  std::unique_ptr<guard::BodyRedactor> request_body_redactor;  ///< null: the stage is off
  std::unique_ptr<guard::BodyRedactor> response_body_redactor;
  guard::KindNames kind_names;                         ///< of what redaction counts
  std::unique_ptr<AnswerPolicy> answers;               ///< null: answers are not looked at
  std::unique_ptr<guard::RequestGuard> request_guard;  ///< null: no policy has requests looked at
  std::unique_ptr<guard::BodyRedactor> id_redactor;    ///< of ids of sessions and lineage that clients send; null: off
  std::string cors_allow_headers;
  PriceBook prices;
  HeldCredentials held;
  ServerLimits limits;
  std::shared_ptr<Limiting> limiting;  ///< null: nothing can be limited. The next configuration may have the same
  LimitOptions limit_options;
  CaptureOptions capture;
  AccountingOptions accounting;
  std::unique_ptr<net::TlsServerContext> tls;  ///< null: plain HTTP
  std::int64_t auth_failure_delay_ns = 0;      ///< most that a refusal for a bad key is held back
};

}  // namespace gw::pipeline
