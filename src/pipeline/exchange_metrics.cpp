#include "base/clock.h"
#include "pipeline/connection.h"
#include "pipeline/exchange.h"

namespace gw::pipeline {

void Exchange::count_exchange(const ExchangeRecord& record, bool dropped) {
  if (!services_.metrics) return;
  metrics::SpanRef span;
  if (span_.recording()) span = span_.ref();
  services_.metrics->exchange(worker_.number, record, *route_, dropped, span_.recording() ? &span : nullptr);
}

void Exchange::count_request(int status, std::int64_t now_ns) {
  if (!services_.metrics) return;
  const http::Field* host = http::find(head_.fields, http::FieldId::host);
  services_.metrics->request(worker_.number, {.method = head_.method,
                                              .host = host != nullptr ? host->value : std::string_view(),
                                              .minor = head_.minor,
                                              .status = status,
                                              .request_bytes = request_bytes_,
                                              .response_bytes = response_bytes_,
                                              .duration_ns = now_ns - started_mono_ns_});
}

void Exchange::begin_upstream_call() {
  if (!services_.metrics && !span_.recording()) return;
  upstream_began_ns_ = mono_now_ns();
  const bool sized = head_.body == http::BodyKind::length;
  span_.begin_call(upstream_began_ns_, link_->target.tls, sized ? static_cast<std::int64_t>(head_.content_length) : -1);
}

void Exchange::count_upstream_call() {
  if (!services_.metrics || upstream_began_ns_ == 0) return;
  services_.metrics->upstream(worker_.number, *route_,
                              {.method = head_.method,
                               .host = {},
                               .minor = head_.minor,
                               .status = response_ != nullptr ? response_->status : 0,
                               .request_bytes = request_bytes_,
                               .response_bytes = response_bytes_,
                               .duration_ns = mono_now_ns() - upstream_began_ns_});
}

/// Before anything is decided about the request, as scrapers have no key.
bool Exchange::asks_for_metrics() const {
  return !services_.metrics_path.empty() && target_.path() == services_.metrics_path;
}

net::Task<bool> Exchange::answer_metrics() {
  api::ApiRequest request;
  read_api_request(request);
  co_return co_await answer_status(std::move(request));
}

}  // namespace gw::pipeline
