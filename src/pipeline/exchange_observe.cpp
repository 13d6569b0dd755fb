#include <algorithm>
#include <charconv>

#include "base/clock.h"
#include "base/prefetch.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "guard/multipart.h"
#include "guard/request_guard.h"
#include "pipeline/connection.h"
#include "pipeline/exchange.h"
#include "provider/pricing.h"
#include "provider/stored_answer.h"
#include "proxy/heads.h"

namespace gw::pipeline {
namespace {

/// How often a full ring is asked again, a tick apart, while overflow files make room; and how long nobody waits once
/// that was in vain.
constexpr int kMaxRingRefusals = 5;
constexpr std::int64_t kSaturatedNs = 2'000'000'000;

/// Credential of the provider: the Authorization value without its Bearer, else X-API-Key. First values only.
std::string_view provider_key(const http::Fields& fields, const auth::CredentialHeaders& credentials) {
  std::string_view api_key;
  bool have_api_key = false;
  for (const http::Field& f : fields) {
    if (f.id != http::FieldId::authorization && f.id != http::FieldId::x_api_key) continue;
    if (credentials.use_of(f.name) == auth::HeaderUse::gateway_key) continue;
    if (f.id == http::FieldId::x_api_key) {
      if (!have_api_key) api_key = trim(f.value);
      have_api_key = true;
      continue;
    }
    std::string_view v = trim(f.value);
    if (v.empty()) continue;
    if (v.size() >= 7 && iequals(v.substr(0, 7), "bearer ")) v = trim(v.substr(7));
    return v;
  }
  return api_key;
}

/// The list keeps its size, so that nothing is done for it but where it grows.
HeaderView* room_for(std::vector<HeaderView>& list, std::size_t n) {
  if (list.size() < n) list.resize(n);
  return list.data();
}

std::int64_t checkpoint_seq(std::string_view text) {
  std::string_view s = trim(text);
  if (!s.empty() && s.front() == '+') s.remove_prefix(1);
  std::int64_t v = -1;
  const auto r = std::from_chars(s.data(), s.data() + s.size(), v);
  return r.ec == std::errc() && r.ptr == s.data() + s.size() && v >= 0 ? v : -1;
}

}  // namespace

void Exchange::on_request_body(std::string_view content) {
  request_bytes_ += static_cast<std::int64_t>(content.size());
  request_reader_.push(content);
  request_capture_.push(content);
  if (!may_estimate_) return;
  if (!request_reader_.complete() || request_reader_.stream()) return estimator_.collect_request(content);
  may_estimate_ = false;  // only a stream that was asked for is counted
  estimator_.drop();
}

void Exchange::answer_is_near() {
  constexpr std::size_t kReaderBytes = 640;  // what most answers touch of it, but for its scanner
  constexpr std::size_t kHeadBytes = 1024;
  prefetch_object(*this);
  prefetch_object(usage_reader_, kReaderBytes);
  prefetch_to_read(buffers_.head_bytes.data(), std::min(buffers_.head_bytes.size(), kHeadBytes));
}

void Exchange::on_response_head(const http::ResponseHead& head) {
  response_ = &head;
  status_ = head.status;
  span_.answered(head);
  if (head.status == 101) begin_websocket(head);
  stream_end_.begin(target_.path().ends_with("/responses"));
  // Nothing can be sent again now, so a long stream need not hold what its request brought.
  if (first_body_.capacity() > 4096) std::string().swap(first_body_);
  const http::Field* type = http::find(head.fields, http::FieldId::content_type);
  const http::Field* encoding = http::find(head.fields, http::FieldId::content_encoding);
  usage_reader_.begin(type != nullptr ? type->value : std::string_view(),
                      encoding != nullptr ? encoding->value : std::string_view());
  if (usage_filter_ != nullptr) begin_filter(head);
  if (answer_guard_ != nullptr) begin_answer_guard(head);
  if (usage_reader_.streaming())
    usage_reader_.tee(
        {[](void* exchange, std::string_view text) { static_cast<Exchange*>(exchange)->on_stream_text(text); }, this});
  begin_estimate();
}

/// Only the text of a stream can be missing its usage; an answer that refuses is not billed.
void Exchange::begin_estimate() {
  owes_usage_ = generates_text_ && status_ >= 200 && status_ < 300;
  if (!may_estimate_) return;
  may_estimate_ = usage_reader_.streaming() && owes_usage_;
  if (!may_estimate_) return estimator_.drop();
  const bool asked_for = request_reader_.include_usage() == provider::Flag::yes || usage_filter_ != nullptr;
  estimator_.begin_answer(request_reader_.model(), true, asked_for || !target_.path().ends_with("/completions"));
}

void Exchange::on_stream_text(std::string_view text) {
  stream_end_.push(text);
  if (!may_estimate_) return;
  if (!usage_reader_.final_usage()) return estimator_.answer(text);
  may_estimate_ = false;
  estimator_.drop();
}

void Exchange::on_response_body(std::string_view content) {
  response_bytes_ += static_cast<std::int64_t>(content.size());
  usage_reader_.push(content);
  response_capture_.push(content);
}

void Exchange::on_response_written() {
  if (!usage_reader_.streaming()) return;
  ++stream_chunks_;
  if (first_token_us_ == 0) first_token_us_ = std::max<std::int64_t>(1, (mono_now_ns() - started_mono_ns_) / 1000);
}

proxy::Publish Exchange::before_last_bytes() {
  if (!count_tokens()) return proxy::Publish::next_turn;
  if (answer_guard_ != nullptr) note_answer();
  return offer(refused_answer() ? Outcome::refused_by_guard : Outcome::complete) ? proxy::Publish::done
                                                                                 : proxy::Publish::next_tick;
}

/// The bodies have ended. True: their usage is not known, and the estimator has something to count.
bool Exchange::begin_finish() {
  if (readers_finished_) return false;
  readers_finished_ = true;
  request_reader_.finish();
  usage_reader_.finish();
  repeats_usage_ = repeats_usage();
  if (!may_estimate_ || response_ == nullptr || usage_reader_.final_usage()) return false;
  if (usage_reader_.background()) return false;  // it goes on without us, and states its usage to who fetches it
  estimator_.begin_estimate(usage_reader_.usage());
  return true;
}

/// A response that was made in the background states its usage only to those who fetch it: the first of them is billed.
bool Exchange::repeats_usage() {
  const bool spends = provider::spends_usage(head_.method, target_.path());
  if (!usage_reader_.background() || !usage_reader_.usage().seen) return !spends;
  const std::string_view id = spends ? usage_reader_.response_id() : provider::stored_response_id(target_.path());
  const bool first = !id.empty() && services_.background_answers.add(route_->name, id);
  return !spends && !first;
}

/// Comes before offer(): ends the readers and counts a slice of what a model said without stating its usage. False:
/// there is more of it; the other connections have their turns first, since some texts take a millisecond a slice.
bool Exchange::count_tokens() {
  if (!admitted_ || offered_) return true;
  if (websocket_) {
    websocket_->close(mono_now_ns());
    if (!websocket_->count_unstated(kCountedSlice)) return false;
  }
  counting_ = begin_finish() || counting_;
  if (counting_) {
    if (!estimator_.step(kCountedSlice)) return false;
    estimate_ = estimator_.result();
    counting_ = false;
  }
  return redact_stored();
}

/// How a body is read that is stored. Forms are what clients send.
guard::BodyFormat Exchange::stored_format(const capture::BodyCapture& body) {
  if (&body != &request_capture_) return {};
  const http::Field* const type = http::find(head_.fields, http::FieldId::content_type);
  if (type == nullptr) return {};
  stored_boundary_ = guard::multipart_boundary(type->value);
  return guard::body_format(type->value, stored_boundary_);
}

/// A slice of what is to be stored of the bodies; a long one would keep the other connections waiting. True: all of it.
bool Exchange::redact_stored() {
  if (!request_capture_.on() || policy_.mode == guard::Mode::off) return true;
  const auto step = [this](const guard::BodyRedactor* redactor, const capture::BodyCapture& body, auto& job) {
    if (redactor == nullptr) return true;
    if (job == nullptr)
      job = std::make_unique<guard::BodyRedactor::Job>(*redactor, body.text(), tenant_workspace(), stored_format(body));
    return job->step(kRedactedSlice);
  };
  return step(snapshot_.request_body_redactor.get(), request_capture_, stored_request_) &&
         step(snapshot_.response_body_redactor.get(), response_capture_, stored_response_);
}

/// Makes the record and publishes it. False: the ring has no room at the moment. True: done, or given up and counted.
bool Exchange::offer(Outcome outcome) {
  if (!admitted_ || offered_) return true;
  if (websocket_) {
    if (!offer_open_answers(outcome)) return false;
    offered_ = answers_traced_;
    if (offered_) return true;
  }
  const std::int64_t now = mono_now_ns();
  const std::int64_t end = left_mono_ns_ != 0 ? left_mono_ns_ : now;
  ExchangeRecord r;
  r.id = trace_id_;
  r.started_at_ns = started_wall_ns_;
  r.latency_us = (end - started_mono_ns_) / 1000;
  r.ended_at_ns = started_wall_ns_ + (end - started_mono_ns_);
  r.streaming = usage_reader_.streaming();
  if (r.streaming) {
    // An answer that is sent whole after this moment has its first token now.
    const bool last_write_pending = outcome == Outcome::complete && first_token_us_ == 0;
    r.time_to_first_token_us = last_write_pending ? std::max<std::int64_t>(1, r.latency_us) : first_token_us_;
    r.stream_chunks = stream_chunks_ + (last_write_pending ? 1 : 0);
  }
  r.status = static_cast<std::uint16_t>(status_);
  r.outcome = outcome;
  fill_usage(r);
  fill_bodies(r, request_capture_, response_capture_);
  fill_shared(r);
  offered_ = publish(r, now);
  if (offered_) settle_permit(r);
  return offered_;
}

void Exchange::fill_usage(ExchangeRecord& r) {
  r.model = request_reader_.model();
  if (r.model.empty()) r.model = usage_reader_.model();
  r.response_model = usage_reader_.model();
  r.service_tier_asked = request_reader_.service_tier();
  r.service_tier = usage_reader_.service_tier();
  r.inference_geo = usage_reader_.inference_geo();
  r.usage = estimate_ ? *estimate_ : repeats_usage_ ? Usage{} : usage_reader_.usage();
  // An answer of a model that says nothing of its usage, and was not counted, was not free.
  if (owes_usage_ && !r.usage.seen && !estimate_ && !usage_reader_.background()) r.usage.estimated = true;
  price(r);
}

/// What all records of an exchange have alike. Comes after fill_bodies(), whose redactions it counts.
void Exchange::fill_shared(ExchangeRecord& r) {
  r.provider = route_->name;
  r.method = head_.method;
  r.path = target_.path();
  if (policy_.mode != guard::Mode::off) {  // clients choose these too, and providers repeat them
    StoredIds& ids = connection_.stored_ids();
    r.path = stored_id(ids.path, r.path);
    r.model = stored_id(ids.model, r.model);
    r.response_model = stored_id(ids.response_model, r.response_model);
    r.service_tier_asked = stored_id(ids.tier_asked, r.service_tier_asked);
    r.service_tier = stored_id(ids.tier, r.service_tier);
    r.inference_geo = stored_id(ids.geo, r.inference_geo);
  }
  r.correlation_id = correlation_id_;
  fill_provider_key(r);
  fill_identity(r);
  fill_lineage(r);
  fill_session(r);
  fill_headers(r);
}

/// False: the ring has no room at the moment. True: it took the record, or that was given up and counted.
bool Exchange::publish(const ExchangeRecord& r, std::int64_t now_ns) {
  const auto appended = worker_.ring.append(r);
  const bool dropped = appended == trace::TraceRing::Append::no_space;
  if (dropped) {
    if (now_ns >= worker_.ring_saturated_until_ns && ++ring_refusals_ <= kMaxRingRefusals) return false;
    if (ring_refusals_ > kMaxRingRefusals) worker_.ring_saturated_until_ns = now_ns + kSaturatedNs;
    worker_.ring.drop(r);
    auto line = worker_.log.warn("trace queue is full; dropping trace");
    line.field("correlation_id", correlation_id_)
        .field("path", target_.path())
        .field("status", static_cast<int>(r.status));
    span_.name(line, ExchangeSpan::Part::enqueue);
  }
  if (span_.recording()) note_enqueued(r, now_ns, appended == trace::TraceRing::Append::stored_in_ring);
  ring_refusals_ = 0;
  note_unpriced(r);
  count_exchange(r, dropped);
  if (worker_.genai.any() || services_.genai_metrics) note_genai(r);
  if (worker_.log.takes(telemetry::LogLevel::debug)) log_recorded(r);
  return true;
}

void Exchange::log_recorded(const ExchangeRecord& r) {
  auto line = worker_.log.debug("exchange recorded");
  line.field("correlation_id", correlation_id_)
      .field("trace", trace_id_text())
      .field("provider", r.provider)
      .field("model", r.model)
      .field("status", static_cast<int>(r.status))
      .field("outcome", to_string(r.outcome))
      .field("streaming", r.streaming)
      .field("input_tokens", r.usage.input_tokens)
      .field("output_tokens", r.usage.output_tokens)
      .field("latency_us", r.latency_us);
  span_.name(line, ExchangeSpan::Part::server);
}

void Exchange::price(ExchangeRecord& r) {
  const provider::Priced priced =
      mine_->prices.price(snapshot_.prices, route_->index,
                          {.route = route_->name,
                           .model = r.model,
                           .response_model = r.response_model,
                           .service_tier = provider::effective_service_tier(r.service_tier_asked, r.service_tier),
                           .inference_geo = r.inference_geo,
                           .at_ns = r.started_at_ns},
                          r.usage);
  r.cost = priced.cost;
  r.price_version = priced.price_version;
}

void Exchange::note_unpriced(const ExchangeRecord& r) {
  if (r.cost.source != CostSource::unpriced || !(r.usage.seen || r.usage.estimated)) return;
  const std::string_view model = r.model.empty() ? std::string_view("unknown") : r.model;
  if (!services_.unpriced.add(route_->name, model, r.started_at_ns)) return;
  auto line = worker_.log.warn("model has no price; its traces cost 0 until it has one");
  line.field("provider", route_->name).field("model", model).field("price_version", r.price_version);
  span_.name(line, ExchangeSpan::Part::enqueue);
}

void Exchange::fill_identity(ExchangeRecord& r) const {
  if (identity_ != nullptr) r.identity = identity_->view();
}

/// Few requests have one of these, and each has many headers.
constexpr bool may_name_id(http::FieldId id) {
  using Id = http::FieldId;
  return id >= Id::gw_trace_group_id || id == Id::session_id || id == Id::claude_code_session_id;
}

void Exchange::fill_lineage(ExchangeRecord& r) {
  names_ids_ = false;
  for (const http::Field& f : head_.fields) {
    if (!may_name_id(f.id)) continue;
    names_ids_ = true;
    switch (f.id) {
      case http::FieldId::gw_trace_group_id:
        if (r.lineage.group_id.empty()) r.lineage.group_id = trim(f.value);
        break;
      case http::FieldId::gw_thread_id:
        if (r.lineage.thread_id.empty()) r.lineage.thread_id = trim(f.value);
        break;
      case http::FieldId::gw_run_id:
        if (r.lineage.run_id.empty()) r.lineage.run_id = trim(f.value);
        break;
      case http::FieldId::gw_parent_checkpoint_id:
        if (r.lineage.parent_checkpoint_id.empty()) r.lineage.parent_checkpoint_id = trim(f.value);
        break;
      case http::FieldId::gw_checkpoint_seq:
        if (r.lineage.checkpoint_seq < 0) r.lineage.checkpoint_seq = checkpoint_seq(f.value);
        break;
      default:
        break;
    }
  }
  if (!names_ids_) return;
  StoredIds& ids = connection_.stored_ids();
  r.lineage.group_id = stored_id(ids.group, r.lineage.group_id);
  r.lineage.thread_id = stored_id(ids.thread, r.lineage.thread_id);
  r.lineage.run_id = stored_id(ids.run, r.lineage.run_id);
  r.lineage.parent_checkpoint_id = stored_id(ids.parent, r.lineage.parent_checkpoint_id);
}

/// Addresses and keys in it replaced, the same way each time. Valid until the next one for this cache.
std::string_view Exchange::stored_id(StoredId& cache, std::string_view id) {
  if (id.empty() || !snapshot_.id_redactor) return id;
  if (cache.id != id || cache.workspace != tenant_workspace()) {
    cache.workspace.assign(tenant_workspace());
    cache.id.assign(id);
    const std::string text = storable_text(id);  // what is left out of it may not keep a value apart
    const auto outcome = snapshot_.id_redactor->redact(text, cache.workspace, cache.stored);
    if (!outcome.changed) cache.stored = outcome.failed ? std::string() : text;
  }
  return cache.stored;
}

/// A header's value as it is stored: what is replaced in an id is not kept in the header that it came from.
std::string_view Exchange::stored_header(const http::Field& f) {
  switch (f.id) {
    case http::FieldId::gw_trace_group_id:
    case http::FieldId::gw_thread_id:
    case http::FieldId::gw_run_id:
    case http::FieldId::gw_parent_checkpoint_id:
    case http::FieldId::claude_code_session_id:
    case http::FieldId::session_id:
      break;
    default:
      return f.value;
  }
  const std::string_view id = trim(f.value);
  if (id.empty() || !snapshot_.id_redactor) return f.value;
  const StoredIds& ids = connection_.stored_ids();
  for (const StoredId* known : {&ids.group, &ids.thread, &ids.run, &ids.parent, &ids.session})
    if (known->id == id && known->workspace == tenant_workspace())
      return known->stored == known->id ? f.value : std::string_view(known->stored);
  // Sent twice, or beside an id that comes first.
  std::string unused;
  const auto outcome = snapshot_.id_redactor->redact(id, tenant_workspace(), unused);
  return outcome.changed || outcome.failed ? std::string_view(guard::kRedactedHeaderValue) : f.value;
}

/// What the head says of the session comes first, then what the record has from elsewhere, then the request's body.
void Exchange::fill_session(ExchangeRecord& r) {
  provider::HeaderSession head{.thread = r.lineage.thread_id, .claude_code = {}, .codex = {}};
  if (names_ids_) {
    for (const http::Field& f : head_.fields) {
      std::string_view* const named = f.id == http::FieldId::claude_code_session_id ? &head.claude_code
                                      : f.id == http::FieldId::session_id           ? &head.codex
                                                                                    : nullptr;
      if (named != nullptr && named->empty()) *named = f.value;
    }
  }
  provider::BodySession body = request_reader_.session();
  if (!r.session_id.empty()) {
    body = {};
    body.metadata = r.session_id;
  }
  provider::session_of(head, body, buffers_.session);
  r.session_id =
      buffers_.session.empty() ? std::string_view() : stored_id(connection_.stored_ids().session, buffers_.session);
}

/// Says who called, so a key that the gateway holds is not in it.
void Exchange::fill_provider_key(ExchangeRecord& r) {
  r.held_credential = held_credential_;
  if (held_credential_) return;
  const std::string_view key = provider_key(head_.fields, snapshot_.credentials);
  if (key.empty()) return;
  KeyHashCache& cache = connection_.key_hash();
  if (cache.key != key) {
    cache.key.assign(key);
    cache.hash = sha256_hex(key);
  }
  r.api_key_hash = cache.hash;
  r.api_key_last4 = key.size() <= 4 ? key : key.substr(key.size() - 4);
}

/// One whose value is not kept, behind those in [first, end). The new end.
HeaderView* Exchange::add_denied(HeaderView* first, HeaderView* end, std::string_view name) {
  ++header_redactions_;
  for (const HeaderView* h = first; h != end; ++h)  // a whole value list becomes one placeholder
    if (iequals(h->name, name)) return end;
  *end = {name, guard::kRedactedHeaderValue};
  return end + 1;
}

void Exchange::fill_headers(ExchangeRecord& r) {
  header_redactions_ = 0;
  HeaderView* const request = room_for(worker_.request_headers, head_.fields.size() + 1);
  HeaderView* end = request;
  const bool key_stripped = services_.keys.enabled();
  for (const http::Field& f : head_.fields) {
    if (f.id == http::FieldId::host || f.id == http::FieldId::gw_correlation_id) continue;
    if (key_stripped && snapshot_.credentials.is_gateway_header(f.name)) continue;
    if (snapshot_.request_header_redactor.is_denied(f.name))
      end = add_denied(request, end, f.name);
    else
      *end++ = {f.name, names_ids_ ? stored_header(f) : f.value};
  }
  std::size_t own = 0;
  if (response_ != nullptr)
    own = response_->fields.size();
  else if (local_ != nullptr)
    own = local_->headers.size();
  HeaderView* const response = room_for(worker_.response_headers, own + 2);
  HeaderView* response_end = response;
  if (response_ != nullptr) {
    for (const http::Field& f : response_->fields) {
      if (f.id == http::FieldId::gw_correlation_id || f.id == http::FieldId::gw_trace_id || http::is_hop_by_hop(f.id))
        continue;
      if (snapshot_.response_header_redactor.is_denied(f.name))
        response_end = add_denied(response, response_end, f.name);
      else
        *response_end++ = {f.name, f.value};
    }
  } else if (local_ != nullptr) {
    for (const auto& [name, value] : local_->headers) *response_end++ = {name, value};
  }
  worker_.stored_texts.scrub(r, own_id_, {request, end}, {response, response_end});
  *end++ = {proxy::kCorrelationHeader, r.correlation_id};
  *response_end++ = {proxy::kCorrelationHeader, r.correlation_id};
  *response_end++ = {proxy::kTraceIdHeader, trace_id_text()};
  r.request_headers = {request, end};
  r.response_headers = {response, response_end};

  auto& counts = worker_.redaction_counts;
  counts.clear();
  if (header_redactions_ > 0) counts.push_back({"header", header_redactions_});
  for (std::size_t k = 0; k < guard::kKinds; ++k)
    if (body_redactions_[k] > 0)
      counts.push_back({snapshot_.kind_names.count_key(static_cast<guard::Kind>(k)), body_redactions_[k]});
  if (body_skipped_ > 0) counts.push_back({kSkippedKind, body_skipped_});
  r.redaction_counts = counts;
  r.redaction_mode = guard::to_string(policy_.mode);
  r.redaction_policy_id = policy_.policy_id;
}

void Exchange::fill_bodies(ExchangeRecord& r, const capture::BodyCapture& request,
                           const capture::BodyCapture& response) {
  body_redactions_ = judgement_ ? judgement_->counts : guard::Counts{};
  body_skipped_ = judgement_ ? judgement_->skipped : 0;
  const bool stores_answer = request_capture_.on() && policy_.mode != guard::Mode::off &&
                             snapshot_.response_body_redactor != nullptr;  // which counts the same again
  if (answer_guard_ != nullptr && !stores_answer)
    for (std::size_t k = 0; k < guard::kKinds; ++k) body_redactions_[k] += answer_guard_->counts()[k];
  if (!request_capture_.on()) return;
  r.request_body = request.text();
  r.response_body = response.text();
  if (policy_.mode == guard::Mode::off) return;
  using Job = guard::BodyRedactor::Job;
  const auto redact = [&](const guard::BodyRedactor* redactor, const capture::BodyCapture& body,
                          std::unique_ptr<Job>& job, std::string_view& to) {
    if (redactor == nullptr) return true;
    r.redaction_truncated = r.redaction_truncated || body.truncated();
    if (&body == &request && judgement_ != nullptr) {  // the guard has counted the same
      for (std::size_t k = 0; k < guard::kKinds; ++k) body_redactions_[k] -= judgement_->counts[k];
      body_skipped_ -= judgement_->skipped;
    }
    if (job == nullptr) job = std::make_unique<Job>(*redactor, body.text(), tenant_workspace(), stored_format(body));
    while (!job->step(kRedactedSlice)) {
    }
    const auto& outcome = job->outcome();
    if (outcome.failed) return false;
    for (std::size_t k = 0; k < guard::kKinds; ++k) body_redactions_[k] += outcome.counts[k];
    body_skipped_ += outcome.skipped;
    to = outcome.changed ? std::string_view(job->out()) : body.text();
    return true;
  };
  // Those of a websocket's answers are redacted here, the exchange's own have been before.
  if (&request != &request_capture_) {
    stored_request_.reset();
    stored_response_.reset();
  }
  const bool failed = !redact(snapshot_.request_body_redactor.get(), request, stored_request_, r.request_body) ||
                      !redact(snapshot_.response_body_redactor.get(), response, stored_response_, r.response_body);
  if (failed) {
    r.request_body = r.response_body = {};
    r.redaction_storage_drop = true;
  }
}

}  // namespace gw::pipeline
