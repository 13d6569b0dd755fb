#include "pipeline/websocket_messages.h"

#include <algorithm>

namespace gw::pipeline {

using proxy::TunnelSide;

namespace {

/// A response that failed is not billed.
bool is_unstated(const provider::WebsocketResponse& r) {
  return r.end == provider::ResponseEnd::open || (!r.usage.seen && r.status != "failed");
}

/// A sink for inflated text, without a capturing std::function.
template <class Take>
provider::ContentDecoder::Sink sink_of(Take& take) {
  return {[](void* to, std::string_view text) { (*static_cast<Take*>(to))(text); }, &take};
}

}  // namespace

WebsocketMessages::WebsocketMessages(const provider::MessageDeflate& deflate, const provider::TokenizerSet& tokenizers,
                                     bool capture, std::size_t body_max_size)
    : tokenizers_(tokenizers),
      capture_(capture),
      body_max_size_(body_max_size),
      client_(http::WebsocketScanner::From::client, deflate, deflate.client_keeps_context),
      server_(http::WebsocketScanner::From::server, deflate, deflate.server_keeps_context) {}

bool WebsocketMessages::push(TunnelSide from, std::string_view bytes, std::int64_t now_ns) {
  Direction& side = from == TunnelSide::client ? client_ : server_;
  const bool was_readable = side.readable;
  if (was_readable && !bytes.empty()) side.readable = read(from, side, bytes, now_ns);
  if (!left_first_ && (bytes.empty() || side.frames.closed())) left_first_ = from;
  return side.readable || !was_readable;
}

bool WebsocketMessages::read(TunnelSide from, Direction& side, std::string_view bytes, std::int64_t now_ns) {
  bool inflates = true;
  auto take = [&](std::string_view text) { take_text(from, side, text); };
  const bool framed = side.frames.scan(
      bytes,
      [&](bool text, bool compressed) {
        side.text = text;
        side.compressed = compressed;
        if (text) begin_message(from, side);
      },
      [&](std::string_view payload) {
        if (!side.compressed)
          take(payload);
        else
          inflates = inflates && side.inflater.push(payload, sink_of(take));
      },
      [&] {
        if (side.compressed) inflates = inflates && side.inflater.end(sink_of(take));
        if (side.text && inflates) end_message(from, side, now_ns);
      });
  return framed && inflates;
}

void WebsocketMessages::begin_message(TunnelSide from, Direction& side) {
  side.message.begin(capture_, body_max_size_);
  side.head.clear();
  side.size = 0;
  if (from == TunnelSide::client)
    usage_.begin_client_message();
  else
    usage_.begin_server_message();
}

void WebsocketMessages::take_text(TunnelSide from, Direction& side, std::string_view text) {
  if (!side.text) return;  // binary: inflated only because later messages may refer to it
  side.message.push(text);
  side.head.append(text.substr(0, kMaxHeadBytes - side.head.size()));
  side.size += text.size();
  if (from == TunnelSide::client)
    usage_.push_client(text);
  else
    usage_.push_server(text);
}

void WebsocketMessages::end_message(TunnelSide from, Direction& side, std::int64_t now_ns) {
  if (from == TunnelSide::upstream) {
    usage_.end_server_message(now_ns);
    collect(side);
    take_finished(usage_.last_server_message_ended() ? &side : nullptr);
    return;
  }
  usage_.end_client_message(now_ns);
  if (!usage_.last_client_message_asked()) return;
  if (questions_.size() == kMaxQuestions) questions_.pop_front();
  questions_.push_back({usage_.asks(), std::move(side.message), std::move(side.head), side.size});
}

/// Keeps a delta for the case that its response is cut off or does not state its usage, as an event of a stream, which
/// is what the estimator reads. One that is too long to be kept is no text.
void WebsocketMessages::collect(const Direction& server) {
  const std::uint64_t response = usage_.last_server_message_continued();
  if (response == 0 || server.size > kMaxHeadBytes) return;
  auto at = std::ranges::find(estimates_, response, &Estimate::response);
  if (at == estimates_.end()) {
    if (estimates_.size() == kMaxEstimates) return;
    auto estimator = std::make_unique<provider::UsageEstimator>(tokenizers_);
    estimator->begin_answer(usage_.model_of(response), true, true);
    at = estimates_.insert(at, {response, std::move(estimator)});
  }
  server_line_.assign("data: ").append(server.head);
  std::ranges::replace(server_line_, '\n', ' ');
  at->estimator->answer(server_line_.append("\n"));
}

bool WebsocketMessages::count_unstated(std::size_t max_bytes) {
  for (WebsocketAnswer& answer : over_) {
    if (answer.uncounted == nullptr) continue;
    if (!answer.uncounted->step(max_bytes)) return false;
    answer.response.usage = answer.uncounted->result();
    answer.uncounted.reset();
    return false;  // one a turn
  }
  return true;
}

void WebsocketMessages::close(std::int64_t now_ns) {
  usage_.close_open(now_ns);
  take_finished(nullptr);
}

/// `server`: holds the event that ended the last of them.
void WebsocketMessages::take_finished(Direction* server) {
  auto& finished = usage_.finished();
  while (!finished.empty()) {
    WebsocketAnswer answer{std::move(finished.front()), {}, {}, nullptr};
    finished.pop_front();
    const auto asked = std::find_if(questions_.begin(), questions_.end(),
                                    [&](const Question& q) { return q.number == answer.response.ask; });
    if (is_unstated(answer.response))
      answer.uncounted = estimator_of(answer.response, asked != questions_.end() ? &*asked : nullptr);
    else
      std::erase_if(estimates_, [&](const Estimate& e) { return e.response == answer.response.number; });
    if (asked != questions_.end()) {
      answer.request = std::move(asked->body);
      questions_.erase(asked);
    }
    if (server != nullptr && finished.empty()) answer.answered = std::move(server->message);
    over_.push_back(std::move(answer));
  }
}

/// What is known of a response that does not state its usage: the message that asked for it, and what it said.
std::unique_ptr<provider::UsageEstimator> WebsocketMessages::estimator_of(const provider::WebsocketResponse& response,
                                                                          const Question* question) {
  std::unique_ptr<provider::UsageEstimator> estimator;
  const auto at = std::ranges::find(estimates_, response.number, &Estimate::response);
  if (at != estimates_.end()) {
    estimator = std::move(at->estimator);
    estimates_.erase(at);
  } else {
    estimator = std::make_unique<provider::UsageEstimator>(tokenizers_);
    estimator->begin_answer(response.model, true, true);
  }
  if (question != nullptr) estimator->collect_request(question->text, question->size);
  estimator->begin_estimate(response.usage);
  return estimator;
}

}  // namespace gw::pipeline
