#include "base/clock.h"
#include "base/strings.h"
#include "pipeline/connection.h"
#include "pipeline/exchange.h"

namespace gw::pipeline {

using proxy::TunnelSide;

void Exchange::begin_websocket(const http::ResponseHead& head) {
  provider::MessageDeflate deflate;
  for (const http::Field& f : head.fields)
    if (iequals(f.name, "Sec-WebSocket-Extensions")) deflate.read(f.value);
  query_model_ = route::query_value(target_.raw_query, "model");
  websocket_ = std::make_unique<WebsocketMessages>(deflate, services_.tokenizers, request_capture_.on(),
                                                   snapshot_.capture.body_max_size);
}

bool Exchange::on_tunnel_bytes(TunnelSide from, std::string_view bytes) {
  if (!websocket_->push(from, bytes, mono_now_ns())) {
    auto line = worker_.log.warn("websocket cannot be read further; its next responses leave no traces");
    line.field("correlation_id", correlation_id_)
        .field("path", target_.path())
        .field("side", from == TunnelSide::client ? "client" : "upstream");
    span_.name(line, ExchangeSpan::Part::call);
  }
  return settle_tunnel();
}

bool Exchange::settle_tunnel() {
  // Most state their usage. Of the others a bounded part is counted now, the rest in the next ticks.
  constexpr int kSlices = 8;
  for (int counted = 0; !websocket_->count_unstated(kCountedSlice); ++counted)
    if (counted == kSlices) return false;
  auto& over = websocket_->over();
  for (; !over.empty(); over.pop_front())
    if (!offer_answer(over.front(), Outcome::complete)) return false;
  return true;
}

/// At the connection's end, after count_tokens(). What is open then was cut short by whoever ended it.
bool Exchange::offer_open_answers(Outcome outcome) {
  if (outcome == Outcome::complete)
    outcome = websocket_->left_first() == TunnelSide::upstream ? Outcome::upstream_aborted : Outcome::client_aborted;
  auto& over = websocket_->over();
  for (; !over.empty(); over.pop_front())
    if (!offer_answer(over.front(), outcome)) return false;
  return true;
}

/// False: the ring has no room at the moment; asked again with the same answer.
bool Exchange::offer_answer(const WebsocketAnswer& answer, Outcome outcome) {
  const provider::WebsocketResponse& w = answer.response;
  ExchangeRecord r;
  // The handshake named the first one's trace and admitted it.
  r.id = answers_traced_ ? make_trace_id(started_wall_ns_ + (w.asked_at_ns - started_mono_ns_)) : trace_id_;
  r.started_at_ns = started_wall_ns_ + (w.asked_at_ns - started_mono_ns_);
  r.ended_at_ns = started_wall_ns_ + (w.ended_at_ns - started_mono_ns_);
  r.latency_us = (w.ended_at_ns - w.asked_at_ns) / 1000;
  r.streaming = true;
  if (w.first_token_at_ns != 0)
    r.time_to_first_token_us = std::max<std::int64_t>(1, (w.first_token_at_ns - w.asked_at_ns) / 1000);
  r.stream_chunks = w.messages;
  r.status = 200;
  r.outcome = w.end == provider::ResponseEnd::open ? outcome : Outcome::complete;
  r.model = w.model;
  if (r.model.empty()) r.model = query_model_;
  if (r.model.empty()) r.model = w.response_model;
  r.response_model = w.response_model;
  r.service_tier_asked = w.service_tier_asked;
  r.service_tier = w.service_tier;
  r.session_id = w.session;
  r.usage = w.usage;
  // A response that says nothing of its usage was not free, also where there was no text to count.
  if (!r.usage.seen && w.end == provider::ResponseEnd::done && w.status != "failed") r.usage.estimated = true;
  price(r);
  fill_bodies(r, answer.request, answer.answered);
  fill_shared(r);
  if (answers_traced_ && ring_refusals_ == 0) worker_.ring.admitted();
  if (!publish(r, mono_now_ns())) return false;
  charge_permit(r);
  answers_traced_ = true;
  return true;
}

}  // namespace gw::pipeline
