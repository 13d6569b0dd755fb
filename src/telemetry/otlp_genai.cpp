#include "telemetry/otlp_genai.h"

#include <algorithm>

#include "base/strings.h"
#include "telemetry/genai_content.h"

namespace gw::telemetry::otlp {
namespace {

using protozero::pbf_writer;

// Attributes of Span and of LogRecord.
constexpr std::uint32_t kOfSpan = 9, kOfLog = 6;
constexpr std::int32_t kClient = 3, kError = 2;
constexpr std::int32_t kInfo = 9, kWarn = 13;

template <class Id>
void add_id(pbf_writer& to, std::uint32_t field, const Id& id) {
  to.add_bytes(field, reinterpret_cast<const char*>(id.data()), id.size());
}

/// A KeyValue; `any` is an AnyValue as protobuf.
void put_any(std::string& to, std::uint32_t field, std::string_view key, const std::string& any) {
  pbf_writer writer(to);
  pbf_writer pair(writer, field);
  pair.add_string(1, key.data(), key.size());
  pair.add_message(2, any);
}

std::string any_text(std::string_view text) {
  std::string out;
  pbf_writer(out).add_string(1, text.data(), text.size());
  return out;
}
std::string any_number(double value) {
  std::string out;
  pbf_writer(out).add_double(4, value);
  return out;
}
std::string any_true() {
  std::string out;
  pbf_writer(out).add_bool(2, true);
  return out;
}

/// An AnyValue that is a list.
class AnyList {
 public:
  void add(const std::string& any) { pbf_writer(values_).add_message(1, any); }
  bool empty() const { return values_.empty(); }
  std::string any() const {
    std::string out;
    pbf_writer(out).add_message(5, values_);
    return out;
  }

 private:
  std::string values_;
};

/// An AnyValue that is a map.
class AnyMap {
 public:
  void add(std::string_view key, const std::string& any) { put_any(values_, 1, key, any); }
  std::string any() const {
    std::string out;
    pbf_writer(out).add_message(6, values_);
    return out;
  }

 private:
  std::string values_;
};

template <class Clean>
std::string any_part(const GenAiPart& part, const Clean& clean) {
  AnyMap out;
  out.add("type", any_text(clean(part.type)));
  if (!part.id.empty()) out.add("id", any_text(clean(part.id)));
  if (!part.name.empty()) out.add("name", any_text(clean(part.name)));
  const std::string_view key = part.type == "tool_call"            ? "arguments"
                               : part.type == "tool_call_response" ? "response"
                                                                   : "content";
  if (!part.content.empty()) out.add(key, any_text(clean(part.content)));
  return out.any();
}

template <class Clean>
std::string any_parts(const std::vector<GenAiPart>& parts, const Clean& clean) {
  AnyList out;
  for (const GenAiPart& part : parts) out.add(any_part(part, clean));
  return out.any();
}

template <class Clean>
std::string any_messages(const std::vector<GenAiMessage>& messages, const Clean& clean) {
  AnyList out;
  for (const GenAiMessage& m : messages) {
    AnyMap message;
    message.add("role", any_text(clean(m.role)));
    message.add("parts", any_parts(m.parts, clean));
    if (!m.finish_reason.empty()) message.add("finish_reason", any_text(clean(m.finish_reason)));
    out.add(message.any());
  }
  return out.any();
}

}  // namespace

GenAiEncoder::GenAiEncoder(const Attributes& resource, Scrub scrub, std::size_t most_value_bytes)
    : resource_(encode_resource(resource)), scrub_(scrub), most_value_bytes_(most_value_bytes) {}

/// Fit to be sent; valid until the next one.
std::string_view GenAiEncoder::clean(std::string_view text, std::size_t most) {
  return cut_at_character(scrub_(sound_text(text, sound_), scrubbed_), most);
}

void GenAiEncoder::put(std::string& to, std::uint32_t field, std::string_view key, std::string_view value) {
  if (!value.empty()) add_attribute(to, field, key, clean(trim(value), most_value_bytes_));
}

/// What spans and events have alike.
void GenAiEncoder::put_call(std::string& to, std::uint32_t field, const GenAiRecord& r) {
  const GenAiHead& h = r.head();
  put(to, field, "gen_ai.operation.name", r.text(GenAiText::operation));
  put(to, field, "gen_ai.provider.name", r.text(GenAiText::provider));
  put(to, field, "gen_ai.request.model", r.text(GenAiText::request_model));
  put(to, field, "gen_ai.response.model", r.text(GenAiText::response_model));
  put(to, field, "gen_ai.conversation.id", r.text(GenAiText::conversation));
  put(to, field, "server.address", r.text(GenAiText::server_address));
  if (h.server_port != 0) add_attribute(to, field, "server.port", std::int64_t{h.server_port});
  put(to, field, "error.type", r.text(GenAiText::error_type));
  put(to, field, "gateway.correlation_id", r.text(GenAiText::correlation_id));
  const std::string_view api = r.text(GenAiText::api);
  put(to, field, "openai.api.type", api);
  if (!api.empty()) {
    put(to, field, "openai.request.service_tier", r.text(GenAiText::service_tier_asked));
    put(to, field, "openai.response.service_tier", r.text(GenAiText::service_tier));
  }
  if (h.streaming) put_any(to, field, "gen_ai.request.stream", any_true());
  if (h.first_chunk_us > 0)
    put_any(to, field, "gen_ai.response.time_to_first_chunk", any_number(static_cast<double>(h.first_chunk_us) / 1e6));
  put_usage(to, field, h);
  if (h.usage_known) put(to, field, "gateway.usage.cost_source", r.text(GenAiText::cost_source));
}

void GenAiEncoder::put_usage(std::string& to, std::uint32_t field, const GenAiHead& h) {
  if (!h.usage_known) return;
  add_attribute(to, field, "gen_ai.usage.input_tokens", h.input_tokens);
  add_attribute(to, field, "gen_ai.usage.output_tokens", h.output_tokens);
  const auto part = [&](std::string_view key, std::int64_t n) {
    if (n > 0) add_attribute(to, field, key, n);
  };
  part("gen_ai.usage.cache_read.input_tokens", h.cache_read_tokens);
  part("gen_ai.usage.cache_creation.input_tokens", h.cache_creation_tokens);
  part("gen_ai.usage.reasoning.output_tokens", h.reasoning_tokens);
  // The conventions have no name for money.
  if (h.cost_nano_usd >= 0)
    put_any(to, field, "gateway.usage.cost_usd", any_number(static_cast<double>(h.cost_nano_usd) / 1e9));
}

void GenAiEncoder::put_request(std::string& to, std::uint32_t field, const GenAiRequest& q) {
  const auto real = [&](std::string_view key, std::optional<double> v) {
    if (v) put_any(to, field, key, any_number(*v));
  };
  const auto whole = [&](std::string_view key, std::optional<std::int64_t> v) {
    if (v) add_attribute(to, field, key, *v);
  };
  real("gen_ai.request.temperature", q.temperature);
  real("gen_ai.request.top_p", q.top_p);
  real("gen_ai.request.frequency_penalty", q.frequency_penalty);
  real("gen_ai.request.presence_penalty", q.presence_penalty);
  whole("gen_ai.request.max_tokens", q.max_tokens);
  whole("gen_ai.request.top_k", q.top_k);
  whole("gen_ai.request.seed", q.seed);
  if (q.choices && *q.choices != 1) whole("gen_ai.request.choice.count", q.choices);
  put(to, field, "gen_ai.output.type", q.output_type);
  AnyList stops, formats;
  for (const std::string& stop : q.stop) stops.add(any_text(clean(stop, most_value_bytes_)));
  if (!stops.empty()) put_any(to, field, "gen_ai.request.stop_sequences", stops.any());
  if (!q.encoding_format.empty()) formats.add(any_text(clean(q.encoding_format, most_value_bytes_)));
  if (!formats.empty()) put_any(to, field, "gen_ai.request.encoding_formats", formats.any());
}

void GenAiEncoder::put_response(std::string& to, std::uint32_t field, const GenAiResponse& a) {
  put(to, field, "gen_ai.response.id", a.id);
  put(to, field, "openai.response.system_fingerprint", a.system_fingerprint);
  AnyList reasons;
  for (const std::string& reason : a.finish_reasons) reasons.add(any_text(clean(reason, most_value_bytes_)));
  if (!reasons.empty()) put_any(to, field, "gen_ai.response.finish_reasons", reasons.any());
}

void GenAiEncoder::put_content(std::string& to, const GenAiRequest& q, const GenAiResponse& a) {
  const auto sendable = [this](std::string_view text) { return clean(text, kMostGenAiText); };
  if (!q.system.empty()) put_any(to, kOfLog, "gen_ai.system_instructions", any_parts(q.system, sendable));
  if (!q.messages.empty()) put_any(to, kOfLog, "gen_ai.input.messages", any_messages(q.messages, sendable));
  if (!a.messages.empty()) put_any(to, kOfLog, "gen_ai.output.messages", any_messages(a.messages, sendable));
}

void GenAiEncoder::add_span(const GenAiRecord& r) {
  const GenAiHead& h = r.head();
  if (!h.recorded) return;
  std::string span;
  pbf_writer to(span);
  add_id(to, 1, h.trace_id);
  add_id(to, 2, h.id);
  add_id(to, 4, h.parent_id);
  std::string name(r.text(GenAiText::operation));
  if (const std::string_view model = trim(r.text(GenAiText::request_model)); !model.empty())
    name.append(" ").append(clean(model, most_value_bytes_));
  to.add_string(5, name);
  to.add_enum(6, kClient);
  to.add_fixed64(7, static_cast<std::uint64_t>(h.started_ns));
  to.add_fixed64(8, static_cast<std::uint64_t>(std::max(h.started_ns, h.ended_ns)));
  to.add_fixed32(16, kSampled | kParentKnown);
  put_call(span, kOfSpan, r);
  put_request(span, kOfSpan, read_genai_request(r.text(GenAiText::request_body)));
  put_response(span, kOfSpan, read_genai_response(r.text(GenAiText::response_body)));
  if (!r.text(GenAiText::error_type).empty()) {
    pbf_writer more(span);
    pbf_writer status(more, 15);
    const std::string_view why = clean(r.text(GenAiText::error), most_value_bytes_);
    if (!why.empty()) status.add_string(2, why.data(), why.size());
    status.add_enum(3, kError);
  }
  pbf_writer(spans_).add_message(2, span);
  ++span_count_;
}

std::string GenAiEncoder::take_spans() {
  if (span_count_ == 0) return {};
  std::string scope;
  pbf_writer writer(scope);
  add_scope(writer, metrics::kGatewayScope);
  std::string resource_spans = resource_;
  pbf_writer(resource_spans).add_message(2, scope + spans_);
  std::string request;
  pbf_writer(request).add_message(1, resource_spans);
  spans_.clear();
  span_count_ = 0;
  return request;
}

std::string GenAiEncoder::event(const GenAiRecord& r, std::string_view name, std::int32_t severity,
                                std::string_view level) {
  const GenAiHead& h = r.head();
  std::string out;
  pbf_writer to(out);
  to.add_fixed64(1, static_cast<std::uint64_t>(h.ended_ns));
  to.add_fixed64(11, static_cast<std::uint64_t>(h.ended_ns));
  to.add_enum(2, severity);
  to.add_string(3, level.data(), level.size());
  to.add_string(12, name.data(), name.size());
  if (!h.recorded) return out;
  to.add_fixed32(8, kSampled);
  add_id(to, 9, h.trace_id);
  add_id(to, 10, h.id);
  return out;
}

std::string GenAiEncoder::details(const GenAiRecord& r) {
  std::string out = event(r, kGenAiDetails, kInfo, "INFO");
  put_call(out, kOfLog, r);
  const GenAiRequest request = read_genai_request(r.text(GenAiText::request_body));
  const GenAiResponse response = read_genai_response(r.text(GenAiText::response_body));
  put_request(out, kOfLog, request);
  put_response(out, kOfLog, response);
  put_content(out, request, response);
  return out;
}

std::string GenAiEncoder::exception(const GenAiRecord& r) {
  const std::string_view type = r.text(GenAiText::error_type);
  const std::string_view why = r.text(GenAiText::error);
  if (type.empty()) return {};
  std::string out = event(r, kGenAiException, kWarn, "WARN");
  using Pair = std::pair<std::string_view, GenAiText>;
  for (const auto& [key, which] :
       {Pair("gen_ai.operation.name", GenAiText::operation), Pair("gen_ai.provider.name", GenAiText::provider),
        Pair("gen_ai.request.model", GenAiText::request_model), Pair("server.address", GenAiText::server_address)})
    put(out, kOfLog, key, r.text(which));
  put(out, kOfLog, "exception.type", type);
  put(out, kOfLog, "exception.message", why.empty() ? type : why);
  return out;
}

}  // namespace gw::telemetry::otlp
