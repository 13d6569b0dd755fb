#pragma once
// One exchange: a client's request and everything that is done about it. START READING HERE: run() is the whole path of
// a request. Lives in its connection's coroutine, on its worker's thread, for the length of the exchange.
#include <array>
#include <memory>
#include <optional>
#include <string>

#include "auth/authorizer.h"
#include "capture/body_capture.h"
#include "capture/stream_end.h"
#include "guard/answer_guard.h"
#include "guard/body_redactor.h"
#include "guard/placeholder.h"
#include "guard/policy.h"
#include "guard/request_guard.h"
#include "http/parser.h"
#include "limits/limiter.h"
#include "model/exchange_record.h"
#include "net/task.h"
#include "pipeline/genai_call.h"
#include "pipeline/held_body.h"
#include "pipeline/local_answer.h"
#include "pipeline/websocket_messages.h"
#include "pipeline/worker.h"
#include "provider/request_reader.h"
#include "provider/usage_chunk_filter.h"
#include "provider/usage_reader.h"
#include "proxy/relay.h"
#include "route/target.h"

namespace gw::pipeline {

struct StoredId;

/// Bytes of a text whose tokens are counted before others have their turn; some take a millisecond.
inline constexpr std::size_t kCountedSlice = 4096;
/// Bytes of a body that is redacted before it is stored.
inline constexpr std::size_t kRedactedSlice = 64 * 1024;

class Exchange final : private proxy::RelayObserver {
 public:
  /// `buffers` hold the parsed head and what came with it; they belong to the caller and outlive the exchange.
  Exchange(ClientConnection& connection, ExchangeBuffers& buffers);

  /// Handles the request to its end, whatever that is: an answer was sent or the client is gone, the access line is
  /// written, an admitted exchange has its trace. True when the connection can carry a next request.
  net::Task<bool> run();

  /// What was read of the next pipelined request.
  std::string take_excess() { return std::move(excess_); }

 private:
  // exchange.cpp: the path.
  void begin();
  bool takes_held_credential(const ProviderLink& link, const auth::AuthRequest& request) const;
  auth::Decision admit(const route::Match& match, std::int64_t wall_ns, std::int64_t mono_ns);
  net::Task<bool> answer(const LocalAnswer& answer);
  net::Task<bool> send_all(std::string_view data);
  net::Task<bool> refuse(const auth::Decision& decision);
  void log_denial(const auth::Decision& decision, std::string_view limit_code);
  net::Task<void> hold_back();
  bool request_consumed();
  void log_access(int status);

  // exchange_span.cpp: what tracing is told.
  void fill_span_texts(telemetry::SpanTexts& texts) const;
  void note_enqueued(const ExchangeRecord& record, std::int64_t began_ns, bool accepted);
  void finish_span(int status, std::int64_t now_ns);

  // exchange_api.cpp: the API's answers, of which some wait and some come in pieces.
  enum class Woken : std::uint8_t { commit, deadline, draining, gone };
  net::Task<bool> answer_api(const auth::Decision& decision);
  void read_api_request(api::ApiRequest& request) const;
  bool still_admitted();
  net::Task<proxy::RelayEnd> read_api_body(api::ApiRequest& request);
  net::Task<bool> answer_bad_body(proxy::RelayEnd why);
  net::Task<bool> answer_status(api::ApiRequest request);
  net::Task<bool> answer_keys(api::ApiRequest request);
  net::Task<bool> await_answer(QueryPool::Question& question, std::int64_t deadline_ns = 0);
  net::Task<Woken> wait_for_commit(std::uint64_t seen, std::int64_t deadline_ns);
  net::Task<bool> answer_busy(const char* message);
  net::Task<bool> answer_in_pieces(std::shared_ptr<QueryPool::Question> question);
  net::Task<bool> send_pieces(std::shared_ptr<QueryPool::Question> question, std::string head, bool chunked);

  // exchange_forward.cpp: to the provider and back.
  void begin_bodies();
  void begin_trace();
  net::Task<bool> forward();
  void write_upstream_head();
  net::Task<bool> answer_failure(int status, const char* message);
  net::Task<bool> settle_relay(const proxy::RelayResult& result, proxy::Relay& relay);
  void log_proxy_failure(const std::string& error);
  void note_call_end(const proxy::RelayResult& result);
  void drop_client();
  net::Task<void> offer_patiently(Outcome outcome);

  // exchange_limits.cpp: what the request may spend, and what it did.
  struct Limited {
    std::optional<limits::Denial> denial;
    bool unavailable = false;   ///< nothing can be said about this key
    bool model_unseen = false;  ///< nor about its model: the body is too long to be looked at first
    bool refused() const { return denial || unavailable || model_unseen; }
  };
  bool is_limited() const;
  limits::Moment permit_moment() const;
  const limits::MetersPtr& key_meters(const limits::Moment& now);
  bool permit_needs_body(const limits::Meters& meters) const;
  bool take_permit_at_once(Limited& limited);
  net::Task<proxy::RelayEnd> take_permit(Limited& limited);
  bool spends_tokens() const;
  bool names_model() const;
  bool read_held_for_limits();
  const limits::ModelMeters* limited_model() const;
  net::Task<bool> await_share(const limits::Meters& meters, const limits::ModelMeters* model,
                              const limits::Spend& estimate, const limits::Moment& now);
  limits::Spend estimate_for(const limits::Meters& meters, const limits::ModelMeters* model,
                             const std::optional<std::string_view>& content);
  limits::Spend estimate_spend(const std::optional<std::string_view>& content, bool money);
  void write_standing(const limits::Meters& meters, const limits::ModelMeters* model, const limits::Moment& now);
  net::Task<bool> refuse_limited(const auth::Decision& admitted, const Limited& limited);
  void settle_permit(const ExchangeRecord& record);
  void charge_permit(const ExchangeRecord& record);
  void count_late(const limits::Spend& spent, const ExchangeRecord& record);
  void log_crossings(const limits::Crossings& crossings);

  // exchange_guard.cpp: what of the request may leave, and what is refused.
  bool guarded();
  net::Task<proxy::RelayEnd> hold_for_guard();
  net::Task<bool> guard_request();
  std::string unreadable() const;
  net::Task<bool> refuse_guarded();
  bool refuses_upgrade() const;
  http::BodyFilter* answer_filter();
  void begin_answer_guard(const http::ResponseHead& head);
  bool refused_answer() const {
    return answer_guard_ != nullptr && (answer_guard_->refused() || answer_guard_->unsure());
  }
  guard::BodyFormat stored_format(const capture::BodyCapture& body);
  void note_answer();
  void log_guarded(const char* message, std::string_view mode, const char* reason, const guard::Counts& found,
                   std::string_view error);

  // exchange_accounting.cpp: the two policies that do more than read to know what was used.
  bool may_ask_for_usage() const;
  bool hold_what_came(std::size_t most);
  std::optional<std::string_view> content_that_came(std::size_t most) const;
  net::Task<proxy::RelayEnd> hold_body(std::size_t most);
  std::optional<std::string_view> held_content(std::size_t most) const;
  void observe_held(std::string_view content);
  net::Task<proxy::RelayEnd> ask_for_usage();
  void splice_request(std::string_view content);
  void replace_held(std::string body);
  void begin_filter(const http::ResponseHead& head);
  void count_filtered();
  net::Task<void> drain_answer(proxy::Relay& relay);

  // exchange_observe.cpp: what passes, and the trace made of it.
  void on_request_body(std::string_view content) override;
  void answer_is_near() override;
  void on_response_head(const http::ResponseHead& head) override;
  void on_response_body(std::string_view content) override;
  void on_response_written() override;
  proxy::Publish before_last_bytes() override;
  bool offer(Outcome outcome);
  void fill_usage(ExchangeRecord& record);
  void fill_shared(ExchangeRecord& record);
  bool publish(const ExchangeRecord& record, std::int64_t now_ns);
  void log_recorded(const ExchangeRecord& record);
  bool begin_finish();
  bool repeats_usage();
  bool count_tokens();
  bool redact_stored();
  void begin_estimate();
  void on_stream_text(std::string_view text);
  void price(ExchangeRecord& record);
  void note_unpriced(const ExchangeRecord& record);
  void fill_identity(ExchangeRecord& record) const;
  void fill_lineage(ExchangeRecord& record);
  void fill_session(ExchangeRecord& record);
  std::string_view stored_id(StoredId& cache, std::string_view id);
  std::string_view stored_header(const http::Field& field);
  void fill_headers(ExchangeRecord& record);
  void fill_bodies(ExchangeRecord& record, const capture::BodyCapture& request, const capture::BodyCapture& response);
  void fill_provider_key(ExchangeRecord& record);
  HeaderView* add_denied(HeaderView* first, HeaderView* end, std::string_view name);

  // exchange_metrics.cpp: what is counted, where somebody asks for that.
  void count_exchange(const ExchangeRecord& record, bool dropped);
  void note_genai(const ExchangeRecord& record);
  void fill_genai(const ExchangeRecord& record, const GenAiCall& call, telemetry::GenAiHead& head,
                  telemetry::GenAiTexts& texts) const;
  void count_request(int status, std::int64_t now_ns);
  void begin_upstream_call();
  void count_upstream_call();
  bool asks_for_metrics() const;
  net::Task<bool> answer_metrics();

  // exchange_websocket.cpp: the responses on an upgraded connection, a trace each.
  void begin_websocket(const http::ResponseHead& head);
  bool on_tunnel_bytes(proxy::TunnelSide from, std::string_view bytes) override;
  bool settle_tunnel() override;
  bool offer_answer(const WebsocketAnswer& answer, Outcome outcome);
  bool offer_open_answers(Outcome outcome);

  struct Held {
    HeldBody body;
    HeldShare share;
    HeldBody::State state = HeldBody::State::more;

    Held(const http::RequestHead& head, const std::string& raw, std::size_t& all) : body(head, raw), share(all) {}
  };

  std::string_view tenant_workspace() const {
    return identity_ != nullptr ? std::string_view(identity_->workspace_id) : "default";
  }
  std::string_view trace_id_text() const { return {trace_id_text_.data(), trace_id_text_.size()}; }

  ClientConnection& connection_;
  WorkerContext& worker_;
  Services& services_;
  const WorkerSnapshotPtr mine_;  ///< the configuration that the request came under; goes last
  const Snapshot& snapshot_;
  ExchangeBuffers& buffers_;
  const http::RequestHead& head_;
  std::string& first_body_;
  std::string excess_;

  route::Target target_;
  const route::Route* route_ = nullptr;
  const ProviderLink* link_ = nullptr;
  WorkerKeyViewPtr keys_;  ///< that the request was decided with; identity_ points into it
  const auth::Identity* identity_ = nullptr;
  std::string& correlation_id_;
  bool own_id_ = false;  ///< it was made here
  ExchangeSpan& span_;
  std::string span_error_;                    ///< why the call to the provider failed
  const route::Route* route_seen_ = nullptr;  ///< of the request's path, also when it is refused
  TraceId trace_id_{};
  std::array<char, 32> trace_id_text_{};
  std::int64_t started_wall_ns_ = 0, started_mono_ns_ = 0;
  std::int64_t upstream_began_ns_ = 0;  ///< when the provider was turned to; 0: it was not, or nobody asks
  std::int64_t request_bytes_ = 0, response_bytes_ = 0;  ///< of the bodies
  std::int64_t left_mono_ns_ = 0;  ///< when the client left a stream that was then read on; 0: it was not
  std::int64_t first_token_us_ = 0;
  std::uint32_t stream_chunks_ = 0;

  provider::RequestReader& request_reader_;
  provider::UsageReader& usage_reader_;
  provider::UsageEstimator& estimator_;
  limits::Permit permit_;
  std::optional<Held> held_;  ///< the body, while it is held back
  proxy::RelayEnd held_end_ = proxy::RelayEnd::complete;
  bool body_observed_ = false;                                ///< the readers have seen it before it was sent on
  bool body_replaced_ = false;                                ///< what is sent on is not framed as the client sent it
  bool body_changed_ = false;                                 ///< nor is it the same
  std::unique_ptr<provider::UsageChunkFilter> usage_filter_;  ///< set when this request was made to ask for its usage
  capture::StreamEnd stream_end_;
  capture::BodyCapture request_capture_, response_capture_;
  std::unique_ptr<WebsocketMessages> websocket_;  ///< once upgraded
  std::string query_model_;                       ///< that the handshake's address asks for
  bool answers_traced_ = false;                   ///< of the websocket: then the connection has no trace of its own
  guard::Resolved policy_;
  guard::Mode guard_mode_ = guard::Mode::off;
  std::unique_ptr<guard::AnswerGuard> answer_guard_;  ///< set where answers are looked at
  http::BodyFilterPair filters_;
  bool answer_noted_ = false;
  std::unique_ptr<guard::Judgement> judgement_;   ///< of the request, where a policy asks for one
  const http::ResponseHead* response_ = nullptr;  ///< the provider's answer, while its relay lives
  const LocalAnswer* local_ = nullptr;            ///< or our own
  /// What is stored of the bodies, where that is redacted.
  std::string stored_boundary_;  ///< of a multipart request, as its job refers to it
  std::unique_ptr<guard::BodyRedactor::Job> stored_request_, stored_response_;
  guard::Counts body_redactions_{};
  std::uint32_t header_redactions_ = 0;
  std::uint32_t body_skipped_ = 0;
  int status_ = 0;
  int ring_refusals_ = 0;
  bool held_credential_ = false;  ///< the provider gets the gateway's key
  bool generates_text_ = false;   ///< by its method and path
  bool names_ids_ = false;        ///< a header of the request names a session or a place in a lineage
  bool repeats_usage_ = false;    ///< the answer states what another exchange spent, or one before this
  /// A stream that has not reported its usage: what is needed to count it ourselves is kept.
  bool may_estimate_ = false;
  bool owes_usage_ = false;  ///< the answer is a model's
  std::optional<Usage> estimate_;
  bool counting_ = false;  ///< the estimate is being made, a slice a turn
  bool admitted_ = false, offered_ = false, readers_finished_ = false;
};

}  // namespace gw::pipeline
