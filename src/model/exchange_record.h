#pragma once
// What the pipeline knows of one finished exchange: the input of the trace ring. Plain views, no ownership: they need
// to live only for the call that encodes them. Secrets are gone before this exists (credential header values are
// replaced, the provider key is hashed).
#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/random.h"
#include "model/usage.h"

namespace gw {

enum class Outcome : std::uint8_t { complete, client_aborted, upstream_aborted, upstream_error, refused_by_guard };

constexpr const char* to_string(Outcome o) {
  switch (o) {
    case Outcome::complete:
      return "complete";
    case Outcome::client_aborted:
      return "client_aborted";
    case Outcome::upstream_aborted:
      return "upstream_aborted";
    case Outcome::upstream_error:
      return "upstream_error";
    case Outcome::refused_by_guard:
      return "refused_by_guard";
  }
  return "complete";
}

struct HeaderView {
  std::string_view name;
  std::string_view value;
};

/// Who called; all empty when auth is off.
struct IdentityView {
  std::string_view key_id, org_id, workspace_id, team, role;
};

struct LineageView {
  std::string_view group_id, thread_id, run_id, parent_checkpoint_id;
  std::int64_t checkpoint_seq = -1;  ///< -1: absent
};

/// Among the counts, but no redaction: content that cannot be searched.
inline constexpr std::string_view kSkippedKind = "\x01skipped";

struct RedactionCount {
  std::string_view kind;  ///< header, field_name, email, phone, ssn, token_like, …, or kSkippedKind
  std::uint32_t count = 0;
};

struct ExchangeRecord {
  TraceId id{};
  std::int64_t started_at_ns = 0;  ///< Unix ns: `timestamp`
  std::int64_t ended_at_ns = 0;    ///< Unix ns: `created_at`
  std::int64_t latency_us = 0;
  std::int64_t time_to_first_token_us = 0;  ///< 0: not streaming
  std::uint32_t stream_chunks = 0;
  std::uint16_t status = 0;
  Outcome outcome = Outcome::complete;
  bool streaming = false;
  bool held_credential = false;  ///< the provider got the gateway's key, not the caller's

  std::string_view provider, model, method;
  std::string_view path;  ///< decoded, without query, with the provider prefix
  std::string_view correlation_id;
  std::string_view api_key_hash;   ///< 64 hex digits or empty
  std::string_view api_key_last4;  ///< or empty
  IdentityView identity;
  LineageView lineage;

  std::span<const HeaderView> request_headers;  ///< as received, credential values already "[REDACTED]"
  std::span<const HeaderView> response_headers;
  std::string_view request_body;  ///< empty unless captured, cut at tracing.body_max_size
  std::string_view response_body;

  Usage usage;
  Cost cost;
  std::string_view price_version;
  std::string_view session_id;          ///< which conversation of the client, or empty
  std::string_view response_model;      ///< as the provider names it, or empty
  std::string_view service_tier_asked;  ///< in the request, or empty
  std::string_view service_tier;        ///< that the answer says was served, or empty
  std::string_view inference_geo;       ///< region that the answer says it was made in, or empty

  std::string_view redaction_mode;
  std::string_view redaction_policy_id;
  std::span<const RedactionCount> redaction_counts;
  bool redaction_truncated = false;
  bool redaction_storage_drop = false;
};

}  // namespace gw
