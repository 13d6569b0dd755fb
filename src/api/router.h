#pragma once
// The JSON API as a function from request to answer: no sockets, no threads. One Router per query thread, because a
// TraceReader is; handle() may block for as long as the reader's deadline. One without a reader is for all threads.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/chunk_source.h"
#include "auth/policy.h"
#include "base/clock.h"
#include "model/pipeline_diagnostics.h"
#include "store/key_store.h"
#include "store/trace_store.h"

namespace gw::api {

/// The gateway key that a request came with.
struct Caller {
  std::string key_id;
  auth::PermissionSet permissions = 0;
  store::KeyLimits limits{};  ///< of its own
};

struct ApiRequest {
  std::string method;  ///< as received; case-sensitive
  std::string path;    ///< percent-decoded, not cleaned
  std::string query;   ///< raw, without `?`
  std::string body;    ///< of a POST; at most max_body() bytes
  /// The caller's tenant; nothing when auth is off: then everything is seen.
  std::optional<store::TenantScope> scope = {};
  /// Header fields, empty when absent.
  std::string accept = {}, accept_encoding = {}, last_event_id = {};
  bool may_wait = true;               ///< false: answer now, with what there is
  std::int64_t resume = 0;            ///< ApiWait::resume of the answer before; 0: asked for the first time
  bool body_too_large = false;        ///< there was more of it; `body` is not filled in then
  std::optional<Caller> caller = {};  ///< nothing when auth is off
  std::string correlation_id = {};
};

/// Instead of an answer: the same request is to be asked again when something was committed, and after `for_ns` from
/// the first time at the latest, then without may_wait.
struct ApiWait {
  std::int64_t for_ns = 0;
  std::int64_t resume = 0;  ///< up to which row nothing was found
};

/// What a client may send to the API in one request, and about gateway keys.
inline constexpr std::size_t kMaxRequestBody = 16 * 1024;
inline constexpr std::size_t kMaxKeyBody = 64 * 1024;

/// For HEAD the body is what GET would have answered: the caller takes Content-Length from it and sends none of it. The
/// caller adds Content-Length and the correlation id.
struct ApiResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::unique_ptr<ChunkSource> source = nullptr;  ///< the body comes from there, and `body` is empty
  std::optional<ApiWait> wait = std::nullopt;     ///< only when the request may wait: there is no answer yet
};

/// What was done to a gateway key, or refused. Valid during the call.
struct KeyAudit {
  std::string_view correlation_id;
  std::string_view action;  ///< create, revoke or rotate
  std::string_view reason;  ///< of a failure; empty: it was done
  int status = 0;
  std::string_view actor, org_id, workspace_id, target;
  std::string_view path;  ///< of the request
};

struct KeyDeps {
  store::KeyStore* store = nullptr;       ///< null: 503
  std::function<Result<void>()> changed;  ///< the store has changed: puts that in force here
  std::function<void(const KeyAudit&)> audit;
};

/// Everything here outlives the router; the functions are called on the router's thread.
struct ApiDeps {
  store::TraceReader* traces = nullptr;  ///< null: 503 with the contract's text
  KeyDeps keys;
  std::function<std::optional<PipelineDiagnostics>()> diagnostics;
  /// Why the process wants no traffic (it is draining, …); empty: it does. Storage is asked by the router itself.
  std::function<std::string()> not_ready_reason;
  /// A time (Unix ns) such that every trace that ended before it is stored; 0: none is known. Not set: likewise.
  std::function<std::int64_t()> complete_until_ns;
  /// Told of store failures that a client only sees as 500: operation and error.
  std::function<void(std::string_view, std::string_view)> on_error;
  std::string version;  ///< the version line
  std::string storage_driver;
  std::string auth_header;  ///< as configured
  std::int64_t started_mono_ns = 0;
  Clock clock;
};

/// Whether the answer is made from traces. Not so: redirects, refusals, and what the gateway says about itself.
bool reads_traces(const ApiRequest& request);
/// Whether it is about gateway keys.
bool handles_keys(const ApiRequest& request);
std::size_t max_body(const ApiRequest& request);

using Headers = std::vector<std::pair<std::string, std::string>>;

/// Also on what refuses `/api` requests before they get here.
void append_cors_headers(Headers& headers, std::string_view auth_header);
/// `{"error":"…"}` with a newline.
std::string error_body(std::string_view message);

class Router {
 public:
  explicit Router(ApiDeps deps);
  /// Never fails: what went wrong is in the answer.
  ApiResponse handle(const ApiRequest& request) const;
  /// The next piece of an answer of this router or of another one on the same store. A failure is reported.
  Chunk next(ChunkSource& source);

 private:
  ApiResponse route(const ApiRequest& request) const;

  ApiDeps deps_;
};

}  // namespace gw::api
