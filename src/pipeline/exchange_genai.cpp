#include <cstring>

#include "base/random.h"
#include "pipeline/exchange.h"
#include "pipeline/genai_call.h"

namespace gw::pipeline {

using telemetry::GenAiText;

/// The exchange in the terms of OpenTelemetry's GenAI conventions, where those are asked for.
void Exchange::note_genai(const ExchangeRecord& r) {
  const auto call = genai_call(r, *route_);
  if (!call) return;
  const bool recording = span_.recording();
  if (services_.genai_metrics) {
    metrics::SpanRef span;
    if (recording) span = span_.ref();
    services_.genai_metrics->exchange(worker_.number, *call, r, *route_, recording ? &span : nullptr);
  }
  const telemetry::GenAiLanes lanes = worker_.genai;
  if (lanes.events == nullptr && (lanes.spans == nullptr || !recording)) return;
  telemetry::GenAiHead head;
  telemetry::GenAiTexts texts{};
  char digits[4];
  fill_genai(r, *call, head, texts);
  texts[static_cast<std::size_t>(GenAiText::error_type)] = genai_error(r, digits);
  if (lanes.spans != nullptr && recording) lanes.spans->push(head, texts);
  if (lanes.events != nullptr) lanes.events->push(head, texts);
}

void Exchange::fill_genai(const ExchangeRecord& r, const GenAiCall& call, telemetry::GenAiHead& head,
                          telemetry::GenAiTexts& texts) const {
  head.recorded = span_.recording();
  if (head.recorded) {
    const metrics::SpanRef server = span_.ref();
    head.trace_id = server.trace_id;
    head.parent_id = server.span_id;
    const std::uint64_t id = random_u64() | 1;
    std::memcpy(head.id.data(), &id, sizeof id);
  }
  head.started_ns = r.started_at_ns;
  head.ended_ns = r.ended_at_ns;
  head.first_chunk_us = r.time_to_first_token_us;
  const Usage& u = r.usage;
  head.usage_known = u.seen || u.input_tokens > 0 || u.output_tokens > 0;
  head.input_tokens = u.input_tokens;
  head.output_tokens = u.output_tokens;
  head.cache_read_tokens = u.cache_read_tokens + u.cache_read_audio_tokens + u.cache_read_image_tokens;
  head.cache_creation_tokens = u.cache_write_5m_tokens + u.cache_write_1h_tokens;
  head.reasoning_tokens = u.reasoning_tokens;
  if (r.cost.source != CostSource::unpriced) head.cost_nano_usd = r.cost.nano_usd;
  head.server_port = route_->upstream.port;
  head.status = r.status;
  head.streaming = r.streaming;
  const auto set = [&](GenAiText which, std::string_view text) { texts[static_cast<std::size_t>(which)] = text; };
  set(GenAiText::operation, call.operation);
  set(GenAiText::provider, call.provider);
  set(GenAiText::request_model, r.model);
  set(GenAiText::response_model, r.response_model);
  set(GenAiText::server_address, route_->upstream.host);
  set(GenAiText::conversation, r.session_id);
  set(GenAiText::api, call.api);
  set(GenAiText::service_tier_asked, r.service_tier_asked);
  set(GenAiText::service_tier, r.service_tier);
  set(GenAiText::correlation_id, r.correlation_id);
  set(GenAiText::error, span_error_);
  set(GenAiText::cost_source, to_string(r.cost.source));
  set(GenAiText::request_body, r.request_body);
  set(GenAiText::response_body, r.response_body);
}

}  // namespace gw::pipeline
