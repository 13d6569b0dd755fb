#pragma once
// The whole configuration as plain data, mirroring the YAML file key for key; every member holds its default. Built
// once by load() and then only read: copies are cheap enough to hand one to whoever outlives the loader.
// docs/configuration.md explains each key to users.
//
// Integers are int64 as in the file, in the unit that the name says (`_ms` milliseconds, `_bytes` bytes); what is out
// of bounds is refused by validate(), not here. Strings are kept as written, untrimmed: take derived values from
// effective.h.
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "provider/price_override.h"

namespace gw::config {

struct TlsConfig {
  std::string cert;  ///< PEM chain, leaf first; empty: plain HTTP
  std::string key;   ///< PEM private key without passphrase; set exactly when cert is
};

struct ServerConfig {
  std::string host = "0.0.0.0";
  std::int64_t port = 8080;
  std::int64_t max_header_bytes = 65'536;   ///< request line and headers of one request, 1 KiB .. 1 MiB
  std::int64_t header_timeout_ms = 10'000;  ///< from the first byte of a request to the end of its headers, 1 ms .. 1 h
  std::int64_t idle_timeout_ms = 120'000;   ///< a client connection without a request, 1 ms .. 24 h
  std::int64_t max_connections = 10'000;    ///< client connections of the whole process, 1 .. 1,000,000
  std::int64_t workers = 0;                ///< threads that relay; 0: one per CPU available to the process; at most 256
  std::int64_t drain_timeout_ms = 25'000;  ///< how long shutdown waits for exchanges in flight, 0 .. 1 h
  std::int64_t drain_delay_ms = 0;         ///< readiness fails this long before the listener closes, 0 .. 1 h
  TlsConfig tls;
};

struct StorageConfig {
  std::string driver = "sqlite";  ///< sqlite or postgres
  std::string path = "./data/ongoingai.db";
  std::string dsn;         ///< secret: may hold a password
  std::string listen_dsn;  ///< of the Postgres server itself where `dsn` names a pooler; empty: `dsn`. Secret
  // How long what is kept; 0: for ever, without a bound.
  std::int64_t retention_days = 0;         ///< of traces
  std::int64_t bodies_retention_days = 0;  ///< of their bodies
  std::int64_t max_bytes = 0;              ///< of the SQLite file, or of the tables in Postgres
};

/// A header that the gateway puts on each request to a provider.
struct HeaderConfig {
  std::string name;
  std::string value;  ///< secret: may hold a key
};

struct ProviderConfig {
  std::string name;      ///< its key under `providers`; traces and metrics show it. Not a key
  int line = 0;          ///< of that key in the file; 0: not there. Not a key
  std::string kind;      ///< which API it speaks: openai or anthropic; fixed for the built-in two
  std::string upstream;  ///< http(s) URL; its path is prepended, its query merged
  std::string prefix;
  std::int64_t connect_timeout_ms = 30'000;    ///< name, TCP and TLS together, 1 ms .. 1 h
  std::int64_t idle_timeout_ms = 900'000;      ///< an exchange without a byte in either direction, 1 ms .. 24 h
  std::int64_t pool_idle_timeout_ms = 60'000;  ///< an unused upstream connection, 0 (never kept) .. 24 h
  std::int64_t max_idle_connections = 1'024;   ///< per worker, 0 .. 65,536
  std::vector<HeaderConfig> headers{};         ///< in the place of the client's of the same name; at most 32
  // The provider's key, for clients that bring none: at most one of the first two. See credential.h.
  std::string credential_env{};     ///< name of an environment variable
  std::string credential_file{};    ///< path; read again when it changes
  std::string credential_header{};  ///< which header carries it; empty: as the kind wants it
  std::string credential{};         ///< secret: what the variable held when it was loaded. Not a key
};

struct ProvidersConfig {
  ProviderConfig openai{.name = "openai", .kind = "openai", .upstream = "https://api.openai.com", .prefix = "/openai"};
  ProviderConfig anthropic{
      .name = "anthropic", .kind = "anthropic", .upstream = "https://api.anthropic.com", .prefix = "/anthropic"};
  std::vector<ProviderConfig> named;  ///< those under keys of the user's choice, in the file's order; at most 254
};

struct TracingConfig {
  bool capture_bodies = false;
  std::int64_t body_max_size = 1'048'576;  ///< bytes; see effective_body_max_size()
};

/// Where traces wait until they are stored.
struct TraceConfig {
  std::string ring_path;                     ///< folder; empty: `<storage.path>.rings`, see effective_ring_folder()
  std::int64_t ring_bytes = 67'108'864;      ///< per worker, 1 MiB .. 64 GiB
  std::int64_t spill_bytes = 1'073'741'824;  ///< overflow files of the whole process, 0 (no spilling) .. 16 TiB
  std::int64_t sync_interval_ms =
      1'000;  ///< traces of this long may be lost by a power cut; 0: the kernel decides; at most 1 h
};

struct PricingConfig {
  std::string file;  ///< replaces the built-in price table; empty: none
  std::vector<provider::PriceOverride> overrides;
};

/// What the gateway does beyond reading to know what an exchange used.
struct AccountingConfig {
  std::string include_usage = "off";  ///< off or inject
  std::int64_t inject_max_bytes =
      8'388'608;              ///< a longer request body is not touched, 1 KiB .. 64 MiB; held in memory while it comes
  std::int64_t drain_ms = 0;  ///< a stream is read on for this long after its client left, 0 (not at all) .. 10 min
};

struct OtelConfig {
  bool enabled = false;
  std::string endpoint = "localhost:4318";  ///< host:port or an http(s) URL, whose scheme overrides `insecure`
  bool insecure = true;
  std::string service_name = "ongoingai-gateway";
  bool traces_enabled = true;
  bool metrics_enabled = true;
  bool logs_enabled = false;
  std::vector<std::string> semconv{"ongoingai"};  ///< whose names are sent: "ongoingai", and "genai" beside it
  bool prometheus_enabled = false;                ///< only effective when `enabled`
  std::string prometheus_path = "/metrics";
  double sampling_ratio = 1.0;
  std::int64_t export_timeout_ms = 3'000;
  std::int64_t metric_export_interval_ms = 10'000;
  /// The endpoint came from OTEL_EXPORTER_OTLP_ENDPOINT: its path is kept as the base path (one from YAML is dropped).
  /// Not a key.
  bool endpoint_from_environment = false;
};

struct ObservabilityConfig {
  OtelConfig otel;
};

struct PiiStagesConfig {
  bool request_headers = true;
  bool request_body = true;
  bool response_headers = true;
  bool response_body = true;
};

struct PiiDetectorsConfig {
  bool email = true;
  bool phone = true;
  bool ssn = true;
  bool token_like = true;
  // Parts of the ones before.
  bool phone_bare_digits = true;
  bool phone_international = false;
  bool ssn_ranges = false;
  bool provider_keys = true;
  bool private_keys = true;
  bool jwt = true;

  bool payment_card = false;
  bool iban = false;
  bool ip_address = false;
};

struct PiiPatternConfig {
  std::string name;
  std::string regex;
  std::string validator;  ///< luhn, iban, none; blank: none
};

struct PiiHeadersConfig {
  /// Added to the built-in list, which cannot be shortened.
  std::vector<std::string> denylist{"authorization", "cookie", "set-cookie", "x-api-key", "x-ongoingai-gateway-key"};
};

struct PiiBodyConfig {
  /// Empty: no redaction by field name.
  std::vector<std::string> key_denylist{"email",  "phone", "password", "token",
                                        "secret", "ssn",   "api_key",  "authorization"};
};

struct PiiReplacementConfig {
  std::string format = "[{type}_REDACTED:{hash}]";  ///< blank counts as the default
  std::string hash_salt;                            ///< secret, used verbatim
};

struct PiiScopeMatchConfig {
  std::string org_id;
  std::string workspace_id;
  std::string key_id;
  std::string provider;
  std::string route_prefix;
};

struct PiiScopeConfig {
  PiiScopeMatchConfig match;
  std::string mode;
  std::string policy_id;
};

struct PiiConfig {
  std::string mode;              ///< see effective_pii_mode()
  std::string response = "off";  ///< off, observe, redact, block
  std::string policy_id = "default/v1";
  PiiStagesConfig stages;
  PiiDetectorsConfig detectors;
  PiiHeadersConfig headers;
  PiiBodyConfig body;
  PiiReplacementConfig replacement;
  std::vector<PiiPatternConfig> patterns;
  std::vector<PiiScopeConfig> scopes;
};

struct GatewayKeyConfig {
  std::string id;
  std::string token;  ///< secret, plaintext
  std::string org_id;
  std::string workspace_id;
  std::string team;
  std::string name;
  std::string description;
  std::string created_by;
  std::string role;
  std::vector<std::string> permissions;
};

struct AuthConfig {
  bool enabled = false;
  std::string header = "X-OngoingAI-Gateway-Key";
  std::int64_t failure_delay_ms = 1'000;  ///< most that the refusal of a bad key is held back, 0 (not at all) .. 10 s
  std::int64_t stale_keys_ms = 60'000;    ///< how long keys that the store cannot confirm are in force, 5 s .. 1 h
  std::vector<GatewayKeyConfig> keys;
};

/// Zero or less switches a limit off.
struct UsageLimitConfig {
  std::int64_t requests_per_minute = 0;  ///< at most 1,048,576
  std::int64_t max_tokens_per_day = 0;
  double max_cost_usd_per_day = 0;
  std::int64_t tokens_per_minute = 0;
  double max_cost_usd_per_month = 0;
  std::int64_t concurrent_requests = 0;
};

struct ModelLimitConfig {
  std::string model;  ///< a name, `*` for any run of characters
  UsageLimitConfig limits;
};
struct ModelLimitsConfig {
  std::vector<ModelLimitConfig> list;  ///< in the file's order; at most 256
};

struct LimitsConfig {
  UsageLimitConfig per_key;
  UsageLimitConfig per_workspace;
  UsageLimitConfig per_org;
  ModelLimitsConfig per_model;
  std::string redis_url;  ///< where gateways count together; empty: each by itself. May hold a password
  std::int64_t default_output_reserve = 1'024;  ///< tokens, for a request that bounds its answer not; 0 .. 10 million
  /// A longer request body is not read before it is sent on, 1 KiB .. 64 MiB; held in memory while it comes.
  std::int64_t hold_max_bytes = 8'388'608;
};

struct LogConfig {
  std::string level = "info";      ///< debug, info, warn or error
  std::string format = "json";     ///< json or text
  double access_sample_ratio = 1;  ///< of `request complete` lines with a status below 400, 0 .. 1
};

struct Config {
  ServerConfig server;
  StorageConfig storage;
  ProvidersConfig providers;
  TracingConfig tracing;
  TraceConfig trace;
  PricingConfig pricing;
  AccountingConfig accounting;
  ObservabilityConfig observability;
  PiiConfig pii;
  AuthConfig auth;
  LimitsConfig limits;
  LogConfig log;

  /// Where each key was set that is no default: `<file>:<line>`, or the name of an environment variable. Not a key.
  std::map<std::string, std::string, std::less<>> places;
};

}  // namespace gw::config
