#include "trace/row_builder.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "base/strings.h"
#include "base/usd.h"
#include "trace/frame.h"

namespace gw::trace {
namespace {

/// Most texts are those of the row before, which were storable.
void set_text(std::string& out, std::string_view s) {
  if (out == s) return;
  if (is_plain_ascii(s)) [[likely]]
    out.assign(s);
  else
    out = storable_text(s);
}

void set_text(std::string& out, std::string_view s, std::string_view when_empty) {
  set_text(out, s.empty() ? when_empty : s);
}

void set_hex(std::string& out, const TraceId& id) {
  constexpr char digits[] = "0123456789abcdef";
  out.resize(id.size() * 2);
  char* to = out.data();  // a char may be the string's own pointer
  for (const unsigned char byte : id) {
    *to++ = digits[byte >> 4];
    *to++ = digits[byte & 15];
  }
}

/// Writes members in the order they are asked for: the caller keeps them sorted. A key is a literal, with its quotes
/// and colon.
class Object {
 public:
  explicit Object(JsonText& out) : out_(out) {}
  void close() {
    if (before_ == '{') out_.raw('{');
    out_.raw('}');
  }

  template <class Key>
  void text(const Key& key, std::string_view v) {
    name(key);
    out_.string(v);
  }
  template <class Key>
  void text_if(const Key& key, std::string_view v) {
    if (!v.empty()) text(key, v);
  }
  template <class Key>
  void number(const Key& key, std::int64_t v) {
    name(key);
    out_.integer(v);
  }
  template <class Key>
  void number_if(const Key& key, std::int64_t v) {
    if (v != 0) number(key, v);
  }
  template <class Key>
  void truth(const Key& key, bool v) {
    name(key);
    out_.raw(v ? std::string_view("true") : std::string_view("false"));
  }
  template <class Key>
  void truth_if(const Key& key, bool v) {
    if (v) truth(key, true);
  }
  template <class Key>
  void name(const Key& key) {
    out_.raw(before_, key);
    before_ = ',';
  }

 private:
  JsonText& out_;
  char before_ = '{';
};

/// Sorts them by kind.
void put_redaction_counts(JsonText& out, std::vector<RedactionCount>& counts) {
  std::sort(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.kind < b.kind; });
  out.raw('{');
  bool first = true;
  for (std::size_t i = 0; i < counts.size();) {
    std::int64_t sum = 0;
    const std::string_view kind = counts[i].kind;
    for (; i < counts.size() && counts[i].kind == kind; ++i) sum += counts[i].count;
    if (sum == 0 || kind == kSkippedKind) continue;
    if (!first) out.raw(',');
    first = false;
    out.string(kind);
    out.raw(':');
    out.integer(sum);
  }
  out.raw('}');
}

std::int64_t total_tokens(const Usage& u) {
  if (u.total_tokens != 0) return u.total_tokens;
  std::int64_t sum = 0;
  return __builtin_add_overflow(u.input_tokens, u.output_tokens, &sum) ? std::numeric_limits<std::int64_t>::max() : sum;
}

/// As Usage says, for counts of any file: what contradicts itself gives 0, not an overflow.
std::int64_t uncached_text_tokens(const Usage& u) {
  std::uint64_t rest = static_cast<std::uint64_t>(u.input_tokens);
  for (const std::int64_t part :
       {u.cache_read_tokens, u.cache_read_audio_tokens, u.cache_read_image_tokens, u.cache_write_5m_tokens,
        u.cache_write_1h_tokens, u.input_audio_tokens, u.input_image_tokens})
    rest -= static_cast<std::uint64_t>(part);
  return std::max<std::int64_t>(0, static_cast<std::int64_t>(rest));
}

/// Exact, as a plain decimal number: 0.000045
void put_usd(JsonText& out, std::int64_t nano) {
  std::array<char, kUsdTextBytes> text;
  out.raw(usd_text(nano, text));
}

/// Parts that are 0 are left out.
void put_usage(JsonText& out, const Usage& u) {
  Object o(out);
  o.truth_if("\"anomalous\":", u.anomalous);
  o.number_if("\"audio_ms\":", u.audio_ms);
  o.number_if("\"cache_read_audio_tokens\":", u.cache_read_audio_tokens);
  o.number_if("\"cache_read_image_tokens\":", u.cache_read_image_tokens);
  o.number_if("\"cache_read_tokens\":", u.cache_read_tokens);
  o.number_if("\"cache_write_1h_tokens\":", u.cache_write_1h_tokens);
  o.number_if("\"cache_write_5m_tokens\":", u.cache_write_5m_tokens);
  o.number_if("\"code_executions\":", u.code_executions);
  o.truth_if("\"estimated\":", u.estimated);
  o.number_if("\"file_searches\":", u.file_searches);
  o.number_if("\"input_audio_tokens\":", u.input_audio_tokens);
  o.number_if("\"input_image_tokens\":", u.input_image_tokens);
  o.number("\"input_tokens\":", u.input_tokens);
  o.number_if("\"output_audio_tokens\":", u.output_audio_tokens);
  o.number_if("\"output_image_tokens\":", u.output_image_tokens);
  o.number("\"output_tokens\":", u.output_tokens);
  if (u.provider_cost_nano_usd != Usage::kNoCost) {
    o.name("\"provider_cost_usd\":");
    put_usd(out, u.provider_cost_nano_usd);
  }
  o.number_if("\"reasoning_tokens\":", u.reasoning_tokens);
  o.number("\"total_tokens\":", total_tokens(u));
  o.number("\"uncached_input_tokens\":", uncached_text_tokens(u));
  o.number_if("\"web_searches\":", u.web_searches);
  o.close();
}

void put_lineage(Object& o, const LineageView& lineage, std::string_view id) {
  o.text("\"lineage_checkpoint_id\":", id);
  if (lineage.checkpoint_seq >= 0) o.number("\"lineage_checkpoint_seq\":", lineage.checkpoint_seq);
  o.text_if("\"lineage_group_id\":", trim(lineage.group_id));
  o.truth("\"lineage_immutable\":", true);
  o.text_if("\"lineage_parent_checkpoint_id\":", trim(lineage.parent_checkpoint_id));
  o.text_if("\"lineage_run_id\":", trim(lineage.run_id));
  o.text_if("\"lineage_thread_id\":", trim(lineage.thread_id));
}

void put_redaction(Object& o, JsonText& out, const ExchangeRecord& r, std::vector<RedactionCount>& counts) {
  std::int64_t skipped = 0;
  for (const auto& c : counts)
    if (c.kind == kSkippedKind) skipped += c.count;
  const bool found =
      std::any_of(counts.begin(), counts.end(), [](const auto& c) { return c.count != 0 && c.kind != kSkippedKind; });
  // Who only observes leaves what was found where it was.
  const bool applied =
      found && !(r.redaction_mode == "observe" && r.request_body.empty() && r.response_body.empty() &&
                 std::none_of(counts.begin(), counts.end(), [](const auto& c) { return c.kind == "header"; }));
  const std::string_view policy = trim(r.redaction_policy_id);
  o.truth("\"redaction_applied\":", applied);
  if (found) {
    o.name("\"redaction_counts\":");
    put_redaction_counts(out, counts);
  }
  if (r.redaction_storage_drop) o.text("\"redaction_failure_semantics\":", "storage_drop_continue_proxy");
  o.text("\"redaction_mode\":", r.redaction_mode.empty() ? std::string_view("off") : r.redaction_mode);
  o.text("\"redaction_policy_id\":", policy.empty() ? std::string_view("default/v1") : policy);
  o.number_if("\"redaction_skipped\":", skipped);
  o.truth_if("\"redaction_storage_drop\":", r.redaction_storage_drop);
  o.truth_if("\"redaction_truncated\":", r.redaction_truncated);
}

constexpr std::int64_t kMostTokens = (std::int64_t{1} << 53) - 1;

constexpr TraceFacts::Outcome fact_of(Outcome o) {
  using F = TraceFacts::Outcome;
  constexpr F kAll[] = {F::complete, F::client_aborted, F::upstream_aborted, F::upstream_error, F::refused_by_guard};
  return kAll[static_cast<std::size_t>(o)];
}

/// What the metadata says, for readers that would have to take it apart.
void set_facts(TraceFacts& f, const ExchangeRecord& r) {
  const Usage& u = r.usage;
  const auto sum = [](std::initializer_list<std::int64_t> counts) {
    std::int64_t all = 0;
    for (const std::int64_t n : counts) all += n > 0 && n <= kMostTokens ? n : 0;  // what a damaged record says is none
    return all;
  };
  f.seen = true;
  f.outcome = fact_of(r.outcome);
  f.unpriced = r.cost.source == CostSource::unpriced;
  f.estimated = r.cost.source == CostSource::estimated;
  f.cache_read_tokens = sum({u.cache_read_tokens, u.cache_read_audio_tokens, u.cache_read_image_tokens});
  f.cache_write_tokens = sum({u.cache_write_5m_tokens, u.cache_write_1h_tokens});
  f.cache_saved_nano_usd = r.cost.cache_saved_nano_usd;
  set_text(f.thread_id, trim(r.lineage.thread_id));
  set_text(f.run_id, trim(r.lineage.run_id));
}

}  // namespace

void RowBuilder::metadata(DecodedRecord& d, std::uint16_t flags, const Trace& row) {
  const ExchangeRecord& r = d.record;
  const IdentityMembers& who = identities_.members(r.identity);  // each stands behind another one
  text_.clear();
  Object o(text_);
  o.text_if("\"api_key_last4\":", r.api_key_last4);
  if ((flags & kFrameBodiesDropped) != 0) o.text("\"bodies_dropped\":", "too_large");
  if (r.cost.cache_saved_nano_usd != 0) {
    o.name("\"cache_saved_usd\":");
    put_usd(text_, r.cost.cache_saved_nano_usd);
  }
  if (r.cost.source == CostSource::provider) {
    o.name("\"computed_cost_usd\":");
    put_usd(text_, r.cost.computed_nano_usd);
  }
  o.text_if("\"correlation_id\":", r.correlation_id);
  o.text("\"cost_source\":", to_string(r.cost.source));
  if (r.held_credential) o.text("\"credential\":", "gateway");
  text_.raw(who.gateway_key_id);
  if ((flags & kFrameHeadersDropped) != 0) o.text("\"headers_dropped\":", "too_large");
  o.text_if("\"inference_geo\":", r.inference_geo);
  o.number("\"latency_us\":", r.latency_us);
  put_lineage(o, r.lineage, row.id);
  text_.raw(who.org_id);
  o.text("\"outcome\":", to_string(r.outcome));
  o.text_if("\"price_version\":", r.price_version);
  put_redaction(o, text_, r, d.redaction_counts);
  if (r.response_model != r.model) o.text_if("\"response_model\":", r.response_model);
  text_.raw(who.role);
  o.text_if("\"service_tier\":", r.service_tier);
  o.text_if("\"service_tier_asked\":", r.service_tier_asked);
  o.text_if("\"session_id\":", row.session_id);
  o.number("\"stream_chunks\":", r.stream_chunks);
  o.truth("\"streaming\":", r.streaming);
  text_.raw(who.team);
  if (r.usage.seen || r.usage.estimated) {
    o.name("\"usage\":");
    put_usage(text_, r.usage);
  }
  text_.raw(who.workspace_id);
  o.close();
}

bool RowBuilder::build(std::string_view payload, std::uint16_t version, std::uint16_t flags, Trace& row) {
  if (!decode_record(payload, version, decoded_)) return false;
  const ExchangeRecord& r = decoded_.record;
  const auto or_now = [this](std::int64_t ns) { return ns != 0 ? ns : clock_.wall_ns(); };
  row.seq = 0;
  set_hex(row.id, r.id);
  set_text(row.trace_group_id, trim(r.lineage.group_id));
  set_text(row.org_id, r.identity.org_id, "default");
  set_text(row.workspace_id, r.identity.workspace_id, "default");
  row.timestamp_ns = or_now(r.started_at_ns);
  row.created_at_ns = or_now(r.ended_at_ns);
  set_text(row.provider, r.provider, "unknown");
  set_text(row.model, r.model, "unknown");
  set_text(row.request_method, r.method, "UNKNOWN");
  set_text(row.request_path, r.path, "/");
  set_text(row.request_body, r.request_body);
  set_text(row.response_body, r.response_body);
  row.response_status = r.status;
  row.input_tokens = r.usage.input_tokens;
  row.output_tokens = r.usage.output_tokens;
  row.total_tokens = total_tokens(r.usage);
  row.latency_us = r.latency_us;
  row.latency_ms = r.latency_us / 1000;
  row.time_to_first_token_us = r.time_to_first_token_us;
  row.time_to_first_token_ms = r.time_to_first_token_us / 1000 + (r.time_to_first_token_us % 1000 > 0 ? 1 : 0);
  set_text(row.api_key_hash, r.api_key_hash);
  row.cost_nano_usd = r.cost.nano_usd;
  row.estimated_cost_usd = static_cast<double>(r.cost.nano_usd) / 1e9;
  set_text(row.gateway_key_id, r.identity.key_id);
  set_text(row.session_id, r.session_id);
  if (row.session_id.size() > kMaxSessionIdBytes) [[unlikely]]
    row.session_id.resize(cut_at_character(row.session_id, kMaxSessionIdBytes).size());

  text_.clear();
  if (!headers_.append(decoded_.request_headers, text_)) return false;
  row.request_headers.assign(text_.text());
  text_.clear();
  if (!headers_.append(decoded_.response_headers, text_)) return false;
  row.response_headers.assign(text_.text());
  set_facts(row.facts, r);
  metadata(decoded_, flags, row);
  row.metadata.assign(text_.text());
  return true;
}

void RowBuilder::clear() {
  decoded_ = {};
  headers_.clear();
  identities_.clear();
  text_.release();
}

}  // namespace gw::trace
