#pragma once
// The data plane of one exchange: both bodies between one client socket and one upstream socket, as fast as they come,
// with bounded buffers and back-pressure. One coroutine drives both directions, so nothing has to be cancelled or
// joined. Belongs to its worker's thread.
#include <string>
#include <string_view>

#include "http/body_filter.h"
#include "http/chunked.h"
#include "http/parser.h"
#include "net/upstream.h"
#include "proxy/heads.h"

namespace gw::proxy {

enum class TunnelSide : std::uint8_t { client, upstream };

/// What came of the wish to publish a trace.
enum class Publish : std::uint8_t {
  done,
  next_turn,  ///< there is more to do for it: ask again after the other connections' turns
  next_tick   ///< there is no room for it
};

/// What the exchange wants to know of the bytes that pass. Called on the worker's thread; views are valid for the call
/// only.
class RelayObserver {
 public:
  virtual ~RelayObserver() = default;
  virtual void on_request_body(std::string_view content) = 0;
  /// The answer's first bytes are about to be read. Nothing of the exchange is in the cache any more; what is fetched
  /// now comes while the kernel copies them.
  virtual void answer_is_near() {}
  /// The final answer's head (never a 1xx other than 101).
  virtual void on_response_head(const http::ResponseHead& head) = 0;
  virtual void on_response_body(std::string_view content) = 0;
  /// Body bytes were handed to the client's socket.
  virtual void on_response_written() = 0;
  /// Everything of the answer is known and only its last bytes (one read at most) are left to send: the moment to
  /// publish the trace, so that a client that holds a whole answer can find it. A client that does not take these bytes
  /// is not told apart any more. Until it is done, all but the last byte is on its way.
  virtual Publish before_last_bytes() = 0;
  /// Bytes of an upgraded connection that are about to be passed on. False: they hold the end of an answer whose trace
  /// is not published yet; they wait, and settle_tunnel() is asked once a tick until it is true. No bytes: that side
  /// has said its last.
  virtual bool on_tunnel_bytes(TunnelSide from, std::string_view bytes) = 0;
  virtual bool settle_tunnel() = 0;
};

enum class RelayEnd : std::uint8_t {
  complete,
  client_gone,
  client_timeout,    ///< the client took or sent nothing for the idle time
  client_bad_body,   ///< malformed chunked request body
  cut_off,           ///< by Socket::cut(): the gateway ends
  upstream_failed,   ///< no answer head: connection lost, malformed
  upstream_timeout,  ///< no answer head in time
  upstream_aborted,  ///< lost in the middle of the answer
  retry,             ///< a reused connection turned out dead; nothing was sent back, everything sent can be sent again
};

struct RelayResult {
  RelayEnd end = RelayEnd::complete;
  bool head_sent = false;  ///< part of an answer reached the client's socket
  bool client_reusable = false;
  std::string error;  ///< for logs
};

/// Buffers of a worker, used for the length of one turn only.
struct RelayScratch {
  static constexpr std::size_t kReadSize = 64 * 1024;
  char* read;             ///< kReadSize bytes
  std::string head = {};  ///< message heads under construction
  http::LineMemo request_lines = {}, answer_lines = {};
};

struct RelayInput {
  net::Waiter& waiter;
  net::Socket& client;
  RelayScratch& scratch;
  RelayObserver& observer;
  const http::RequestHead& request;
  http::ResponseHead& response;    ///< filled in; recycled by the caller
  std::string_view upstream_head;  ///< stays valid until the answer's head came
  std::string_view first_body;     ///< body bytes that came with the head, framing included; likewise
  std::string_view correlation_id;
  std::string_view trace_id;
  std::string_view rate_limit_lines = {};  ///< see ClientHeadInput
  std::int64_t idle_timeout_ns = 0;
  bool keep_alive = true;            ///< false: the connection closes after this answer (shutdown)
  bool first_body_observed = false;  ///< the observer has seen what the client sent in its place
  /// Decides what of the answer goes on to the client, if it is active() once on_response_head() has returned; may be
  /// null. The observer sees the answer as it came. The body is framed anew, without its trailers.
  http::BodyFilter* filter = nullptr;
};

/// How long an exchange whose client left goes on reading.
struct DrainBounds {
  std::int64_t until_ns = 0;  ///< monotonic
  std::size_t bytes = 0;      ///< of the answer, framing included
  const bool& stop;           ///< looked at every tick
};

class Relay {
 public:
  explicit Relay(const RelayInput& in) : in_(in), response_(in.response), observed_first_(in.first_body_observed) {}
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  /// Runs the exchange over `upstream`. May be called again with a fresh connection after RelayEnd::retry.
  net::Task<RelayResult> run(net::UpstreamConnection& upstream);

  /// After RelayEnd::client_gone in the middle of an answer: reads on for the observer alone, until the answer is
  /// complete, breaks off or meets a bound. Cut by Socket::cut() like run().
  net::Task<void> drain(DrainBounds bounds);
  /// Whether there is an answer to drain: it has begun, and the provider has the whole request.
  bool can_drain() const {
    return has_response_ && !tunnel_ && !answer_complete_ && request_done_ && pending_up_.empty();
  }

  /// Shows the observer the body bytes that came with the head, for an exchange that never reached an upstream. run()
  /// does it by itself.
  void observe_first_body();

  bool upstream_reusable() const { return upstream_reusable_; }
  /// Request bytes read beyond this message: the next pipelined request's.
  std::string take_excess() { return std::move(excess_); }
  bool request_done() const { return request_done_; }
  /// The final answer's head; its views live in this object (or, until the turn ends, in the scratch buffer).
  const http::ResponseHead& response() const { return response_; }
  bool has_response() const { return has_response_; }

 private:
  enum class Step : std::uint8_t {
    wait,   ///< nothing more to do until something happens
    again,  ///< more could be done: after the other connections' turn
    done,
  };

  // relay.cpp: the loop and its ends.
  Step turn();
  Step on_expired();
  Step end(RelayEnd why, std::string error = {});
  void touch();

  // relay_request.cpp: client to upstream.
  void start();
  Step pump_request();
  bool take_request_bytes(std::string_view in);
  void send_up();
  bool flush_up();

  // relay_response.cpp: upstream to client.
  Step pump_response();
  Step take_response_bytes(std::string_view in);
  Step take_head(std::string_view& in);
  void relay_informational();
  void begin_answer();
  void queue_head();
  void queue_held_head();
  void keep_head();
  bool take_content(std::string_view in);
  bool take_chunked(std::string_view in);
  bool take_filtered(std::string_view in);
  void send_filtered(bool ended);
  void frame_anew(std::string_view data);
  void queue(std::string_view data, std::string& pending);
  void queue_up(std::string_view data) { queue(data, pending_up_); }
  void queue_down(std::string_view data) { queue(data, pending_down_); }
  Step send_down();
  void hold_ranges(std::size_t sent);
  Step flush_down();
  Step finish_answer();
  Step upstream_ended(net::IoStatus how);
  bool may_repeat() const;
  bool publish();

  // relay_tunnel.cpp: both ways after a 101.
  Step pump_tunnel();
  net::Socket* pump_one_way(TunnelSide side, std::string& pending, bool& ended, bool& progress);
  bool observe_tunnel(TunnelSide from, std::string_view bytes);

  const RelayInput in_;
  net::UpstreamConnection* upstream_ = nullptr;
  RelayResult result_;
  http::ResponseHead& response_;
  http::ChunkScanner request_chunks_, response_chunks_;
  std::int64_t sent_at_ns_ = 0;
  std::uint64_t request_left_ = 0, response_left_ = 0;
  std::string pending_up_,
      pending_down_;        ///< what a slow reader has not taken; reading from the other side stops meanwhile
  std::string head_bytes_;  ///< the answer's head: unfinished, or kept beyond the turn in which it came
  std::string excess_;

  // Ranges of the present turn to send in one call; they point into the scratch buffers. More than fit are copied to
  // pending_*.
  static constexpr int kMaxRanges = 16;
  iovec ranges_[kMaxRanges];
  int range_count_ = 0;
  std::size_t range_bytes_ = 0;
  char chunk_line_[20];  ///< size line of a chunk that is framed anew

  http::BodyFilter* filter_ = nullptr;  ///< set while it is at work
  bool head_held_ = false;              ///< the answer's head waits for what the filter makes of the body
  bool closes_ = false;                 ///< the connection ends with the answer
  std::string filtered_;                ///< what it let pass in this turn

  ClientFraming framing_ = ClientFraming::none;
  const bool asks_for_head_ = in_.request.method == "HEAD";  ///< read while the request is still in the cache
  bool replayable_ = true;                                   ///< all that was sent upstream is still at hand
  bool observed_first_;
  bool request_done_ = false;
  bool request_broken_ = false;  ///< the upstream takes no more of the body; its answer may still come
  bool has_response_ = false;
  bool upstream_heard_ = false;   ///< any byte came, also a 1xx: it is at work
  bool content_queued_ = false;   ///< ranges_ hold body bytes
  bool answer_complete_ = false;  ///< all content was received; the last bytes may wait in ranges_ or pending_down_
  bool published_ = false;
  bool awaiting_publish_ = false;
  bool publishing_ = false;   ///< the observer has more to do for it, a turn at a time
  bool stray_bytes_ = false;  ///< the upstream sent more than its answer
  bool upstream_reusable_ = false;
  bool tunnel_ = false, up_ended_ = false, down_ended_ = false;
  bool tunnel_owes_ = false;  ///< traces of what passed are to be published before anything more passes
};

}  // namespace gw::proxy
