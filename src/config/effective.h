#pragma once
// Values that follow from the configuration. Pure; safe on any thread.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace gw::config {

/// `pii.mode`, trimmed and lowercase; when blank `redact_storage` if bodies are captured, else `off`. Not checked:
/// validate() does that.
std::string effective_pii_mode(const Config& config);
/// One of off, redact_storage, redact_upstream, block, observe.
bool is_pii_mode(std::string_view mode);
/// `pii.policy_id`; `default/v1` when blank.
std::string effective_pii_policy_id(const Config& config);
/// `pii.replacement.format`; the default when blank.
std::string effective_replacement_format(const Config& config);
/// `tracing.body_max_size` in bytes; 1 MiB when zero or negative.
std::int64_t effective_body_max_size(const Config& config);

/// Every provider in the order of their routes: openai, anthropic, then the named ones. Points into `config`.
std::vector<const ProviderConfig*> all_providers(const Config& config);

/// What a gateway locks, so that no other one takes over its rings: the database's path, or `trace.ring_path`, with
/// Postgres.
std::string effective_lock_path(const Config& config);
/// Folder of the trace rings: `trace.ring_path`, or `<storage.path>.rings`, with every driver.
std::string effective_ring_folder(const Config& config);

/// Trimmed, with a leading `/`, without trailing `/` unless it is just `/`.
std::string normalised_prefix(std::string_view prefix);
/// True when one normalised prefix equals the other or lies below it by whole segments: /a and /a/b overlap, /a and /ab
/// do not.
bool prefixes_overlap(std::string_view a, std::string_view b);

/// `<host>:<port>`, joined as written: what logs show.
std::string listen_address(const Config& config);
/// OpenTelemetry's names for generative AI are sent beside our own.
bool wants_genai(const OtelConfig& otel);
/// `server.host` as a resolver takes it: an IPv6 literal without its brackets. Empty: every address.
std::string listen_host(const Config& config);

}  // namespace gw::config
