#include "pipeline/exchange_span.h"

#include <cstring>

#include "base/clock.h"
#include "base/random.h"
#include "pipeline/connection.h"
#include "pipeline/exchange.h"
#include "telemetry/scrub.h"

namespace gw::pipeline {

using telemetry::SpanText;

namespace {

constexpr std::size_t kPartDigit = 51;  ///< of a traceparent: the last digit of its span id

std::int64_t later(std::int64_t ns) { return ns > 0 ? ns : 1; }  // 0 says that it was not

/// The list that all lines together are; empty where that would be cut, and where something in it looks like a
/// credential: it is none without that.
std::string trace_state_of(const http::Fields& fields) {
  std::string states, scratch;
  for (const http::Field& f : fields)
    if (f.id == http::FieldId::tracestate) states.append(states.empty() ? "" : ",").append(f.value);
  if (states.size() > telemetry::kMostSpanText || telemetry::scrub(states, scratch).data() != states.data())
    states.clear();
  return states;
}

}  // namespace

void ExchangeSpan::begin(telemetry::SpanLane* lane, const http::RequestHead& head, std::int64_t wall_ns,
                         std::int64_t mono_ns) {
  lane_ = lane;
  recording_ = false;
  if (lane_ == nullptr) return;
  remote_ = http::read_trace_context(head.fields);
  const http::TraceParent own = lane_->begin(remote_.parent);
  http::write_traceparent(text_.data(), own);
  recording_ = own.sampled;
  if (!recording_) return;
  started_mono_ns_ = mono_ns;
  head_ = {};
  head_.trace_id = own.trace_id;
  head_.base_id = own.span_id;
  head_.started_ns = wall_ns;
  if (!remote_.parent) return;
  head_.parent_id = remote_.parent->span_id;
  head_.remote_parent = true;
}

std::string_view ExchangeSpan::traceparent() {
  if (lane_ == nullptr) return {};
  text_[kPartDigit] = static_cast<char>('0' + static_cast<int>(Part::call));
  return {text_.data(), text_.size()};
}

std::string_view ExchangeSpan::span_id(Part part) {
  if (!recording_) return {};
  text_[kPartDigit] = static_cast<char>('0' + static_cast<int>(part));
  return {text_.data() + 36, 16};
}

metrics::SpanRef ExchangeSpan::ref() const {
  return {.trace_id = head_.trace_id, .span_id = telemetry::part_id(head_.base_id, Part::server)};
}

void ExchangeSpan::name(telemetry::LogLine& line, Part part) {
  if (recording_) line.field("trace_id", trace_id()).field("span_id", span_id(part));
}

void ExchangeSpan::decided(std::uint16_t refused_with) {
  head_.auth = refused_with == 401   ? telemetry::AuthResult::unauthorized
               : refused_with == 403 ? telemetry::AuthResult::forbidden
                                     : telemetry::AuthResult::allow;
}

void ExchangeSpan::enter_route(telemetry::RouteKind kind) {
  if (!recording_) return;
  head_.route = kind;
  head_.route_ns = since_start(mono_now_ns());
}

void ExchangeSpan::begin_call(std::int64_t mono_ns, bool tls, std::int64_t content_length) {
  head_.call_ns = head_.call_end_ns = later(since_start(mono_ns));
  head_.call_tls = tls;
  head_.call_request_bytes = content_length;
}

void ExchangeSpan::answered(const http::ResponseHead& head) {
  head_.call_status = static_cast<std::uint16_t>(head.status);
  if (head.body == http::BodyKind::length) head_.call_response_bytes = static_cast<std::int64_t>(head.content_length);
}

void ExchangeSpan::end_call() {
  if (recording_) head_.call_end_ns = later(since_start(mono_now_ns()));
}

void ExchangeSpan::enqueued(std::int64_t began_mono_ns, bool accepted) {
  if (!recording_) return;
  head_.enqueue = accepted ? telemetry::EnqueueResult::accepted : telemetry::EnqueueResult::dropped;
  head_.enqueue_ns = since_start(began_mono_ns);
  head_.enqueue_end_ns = since_start(mono_now_ns());
}

void ExchangeSpan::push_enqueued(const telemetry::SpanTexts& texts, std::int64_t began_mono_ns, bool accepted) {
  if (!recording_) return;
  telemetry::SpanHead head;
  head.kind = telemetry::RecordKind::enqueue;
  head.trace_id = head_.trace_id;
  head.parent_id = telemetry::part_id(head_.base_id, Part::auth);
  const std::uint64_t id = random_u64() | 1;
  std::memcpy(head.base_id.data(), &id, sizeof id);
  head.started_ns = head_.started_ns;
  head.enqueue = accepted ? telemetry::EnqueueResult::accepted : telemetry::EnqueueResult::dropped;
  head.enqueue_ns = since_start(began_mono_ns);
  head.enqueue_end_ns = since_start(mono_now_ns());
  lane_->push(head, texts);
}

void ExchangeSpan::finish(int status, std::int64_t mono_ns, bool tls, int http_minor, bool own_id,
                          const telemetry::SpanTexts& texts) {
  head_.status = static_cast<std::uint16_t>(status);
  head_.end_ns = since_start(mono_ns);
  head_.tls = tls;
  head_.own_correlation_id = own_id;
  head_.http_minor = static_cast<std::uint8_t>(http_minor);
  lane_->push(head_, texts);
  recording_ = false;
}

/// The texts that all records of this exchange have.
void Exchange::fill_span_texts(telemetry::SpanTexts& texts) const {
  if (route_seen_ != nullptr) {
    texts.set(SpanText::provider, route_seen_->name);
    texts.set(SpanText::prefix, route_seen_->prefix);
  }
  if (identity_ == nullptr) return;
  texts.set(SpanText::org, identity_->org_id);
  texts.set(SpanText::workspace, identity_->workspace_id);
  texts.set(SpanText::key_id, identity_->key_id);
  texts.set(SpanText::role, identity_->role);
}

void Exchange::note_enqueued(const ExchangeRecord& r, std::int64_t began_ns, bool accepted) {
  if (websocket_ == nullptr) return span_.enqueued(began_ns, accepted);
  telemetry::SpanTexts texts;
  fill_span_texts(texts);
  texts.set(SpanText::model, r.model);
  span_.push_enqueued(texts, began_ns, accepted);
}

void Exchange::finish_span(int status, std::int64_t now_ns) {
  telemetry::SpanTexts texts;
  fill_span_texts(texts);
  texts.set(SpanText::method, head_.method);
  texts.set(SpanText::target, head_.target);
  texts.set(SpanText::peer, connection_.peer());
  texts.set(SpanText::correlation_id, correlation_id_);
  std::string_view host, agent, forwarded;
  for (const http::Field& f : head_.fields) {
    if (f.id == http::FieldId::host)
      host = f.value;
    else if (f.id == http::FieldId::user_agent)
      agent = f.value;
    else if (f.id == http::FieldId::x_forwarded_for && forwarded.empty())
      forwarded = f.value;
  }
  texts.set(SpanText::host, host);
  texts.set(SpanText::user_agent, agent);
  texts.set(SpanText::forwarded_for, forwarded);
  const std::string states = span_.keeps_state() ? trace_state_of(head_.fields) : std::string();
  texts.set(SpanText::trace_state, states);
  if (admitted_) {
    const std::string_view model = request_reader_.model();
    texts.set(SpanText::model, model.empty() ? usage_reader_.model() : model);
    texts.set(SpanText::error, span_error_);
    const std::string_view sent = buffers_.upstream_head;
    const std::size_t target = sent.find(' ') + 1;
    texts.set(SpanText::call_target, sent.substr(target, sent.find(' ', target) - target));
    texts.set(SpanText::call_host, route_->upstream.host_header);
  }
  span_.bodies(request_bytes_, response_bytes_);
  span_.finish(status, now_ns, snapshot_.tls != nullptr, head_.minor, own_id_, texts);
}

}  // namespace gw::pipeline
