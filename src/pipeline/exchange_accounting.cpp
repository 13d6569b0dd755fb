#include <algorithm>

#include "base/clock.h"
#include "base/strings.h"
#include "pipeline/connection.h"
#include "pipeline/exchange.h"
#include "pipeline/held_body.h"
#include "provider/include_usage_splice.h"

namespace gw::pipeline {

using proxy::RelayEnd;

namespace {

/// What is read on without a client, at most: streams of one worker, and bytes of one stream.
constexpr int kMaxDrains = 256;
constexpr std::size_t kMaxDrainBytes = 8 * 1024 * 1024;
/// Request bodies that one worker holds back at a time; over it a request goes on as it came.
constexpr std::size_t kMaxHeldBytes = 256 * 1024 * 1024;

/// One exchange's part of WorkerContext::held_bytes.
class HeldShare {
 public:
  explicit HeldShare(std::size_t& all) : all_(all) {}
  HeldShare(const HeldShare&) = delete;
  HeldShare& operator=(const HeldShare&) = delete;
  ~HeldShare() { all_ -= mine_; }
  void add(std::size_t bytes) {
    mine_ += bytes;
    all_ += bytes;
  }

 private:
  std::size_t& all_;
  std::size_t mine_ = 0;
};

void count(std::atomic<std::int64_t>& counter, std::int64_t by = 1) {
  counter.fetch_add(by, std::memory_order_relaxed);
}

bool is_json(std::string_view content_type) {
  const std::string_view type = trim(content_type.substr(0, content_type.find(';')));
  return iequals(type, "application/json") || (type.size() > 5 && iequals(type.substr(type.size() - 5), "+json"));
}

bool is_encoded(const http::Fields& fields) {
  for (const http::Field& f : fields)
    if (f.id == http::FieldId::content_encoding && !f.value.empty() && !iequals(f.value, "identity")) return true;
  return false;
}

/// Fields that vouch for the body as the client sends it.
bool is_checksum(std::string_view name) {
  for (const std::string_view known :
       {"content-md5", "digest", "content-digest", "repr-digest", "signature", "x-amz-content-sha256"})
    if (iequals(name, known)) return true;
  return false;
}

}  // namespace

std::map<std::string, std::int64_t> accounting_figures(const Services& s) {
  if (!s.accounting.inject_include_usage && s.accounting.drain_ns == 0) return {};
  const AccountingCounters& c = s.accounting_counters;
  return {{"injected_total", c.injected},
          {"usage_chunks_removed_total", c.usage_removed},
          {"over_max_bytes_total", c.over_max_bytes},
          {"encoded_answers_total", c.encoded},
          {"drained_total", c.drained},
          {"drains_refused_total", c.drain_refused}};
}

/// A chat request that may stream, by its head.
bool Exchange::may_ask_for_usage() const {
  if (head_.method != "POST" || head_.body == http::BodyKind::none || head_.upgrade) return false;
  if (!target_.path().ends_with("/completions")) return false;  // those of /chat, and their predecessor
  const http::Field* type = http::find(head_.fields, http::FieldId::content_type);
  if ((type != nullptr && !is_json(type->value)) || is_encoded(head_.fields)) return false;
  return std::none_of(head_.fields.begin(), head_.fields.end(),
                      [](const http::Field& f) { return is_checksum(f.name); });
}

/// Holds the body back until it is whole, so that its length is known, and changes it where that is called for. Over
/// the bound, malformed, or asking by itself: it goes on as it came. What is returned other than `complete` ends the
/// exchange.
net::Task<RelayEnd> Exchange::ask_for_usage() {
  const std::size_t most = services_.accounting.inject_max_bytes;
  const bool too_long = head_.body == http::BodyKind::length && head_.content_length > most;
  if (!too_long && head_.expect_continue && first_body_.empty() && !co_await send_all("HTTP/1.1 100 Continue\r\n\r\n"))
    co_return RelayEnd::client_gone;

  net::Waiter& waiter = connection_.waiter();
  net::Socket& client = connection_.socket();
  waiter.set_deadline(worker_.loop.now_ns() + link_->idle_timeout_ns);
  HeldBody held(head_, first_body_);
  HeldShare share(worker_.held_bytes);
  while (!too_long) {
    const HeldBody::State state = held.look();
    if (state == HeldBody::State::malformed) co_return RelayEnd::complete;  // the relay says so
    if (state == HeldBody::State::whole) {
      if (held.content().size() > most) break;
      splice_request(held.content(), held.framed_size());
      co_return RelayEnd::complete;
    }
    if (first_body_.size() > most || worker_.held_bytes > kMaxHeldBytes) break;
    const net::IoResult r = client.read(worker_.scratch.read, proxy::RelayScratch::kReadSize);
    if (r.status == net::IoStatus::ok) {
      first_body_.append(worker_.scratch.read, r.n);
      share.add(head_.body == http::BodyKind::chunked ? 2 * r.n : r.n);  // framed and not
      waiter.set_deadline(worker_.loop.now_ns() + link_->idle_timeout_ns);
      co_await waiter.yield();
    } else if (r.status == net::IoStatus::again) {
      co_await waiter.wait();
    } else {
      co_return RelayEnd::client_gone;
    }
    if (client.was_cut()) co_return RelayEnd::cut_off;
    if (waiter.expired()) co_return RelayEnd::client_timeout;
  }
  count(services_.accounting_counters.over_max_bytes);
  co_return RelayEnd::complete;
}

/// From here on the parsed head and `first_body_` are those of the request that goes upstream; the trace has the
/// client's.
void Exchange::splice_request(std::string_view content, std::size_t framed_size) {
  const auto splice = provider::include_usage_splice(content);
  if (!splice) return;
  on_request_body(content);
  std::string body;
  body.reserve(content.size() + splice->insert.size() + first_body_.size() - framed_size);
  body.append(content.substr(0, splice->at)).append(splice->insert).append(content.substr(splice->at + splice->remove));
  buffers_.head.body = http::BodyKind::length;
  buffers_.head.content_length = body.size();
  body.append(first_body_, framed_size);
  first_body_ = std::move(body);
  usage_filter_ = std::make_unique<provider::UsageChunkFilter>();
  count(services_.accounting_counters.injected);
}

void Exchange::begin_filter(const http::ResponseHead& head) {
  if (head.status != 200 || !usage_reader_.streaming()) return;
  if (is_encoded(head.fields))
    count(services_.accounting_counters.encoded);
  else
    usage_filter_->begin();
}

void Exchange::count_filtered() {
  if (usage_filter_->removed() > 0) count(services_.accounting_counters.usage_removed, usage_filter_->removed());
}

/// After the client left in the middle of a stream.
net::Task<void> Exchange::drain_answer(proxy::Relay& relay) {
  if (!relay.can_drain() || status_ != 200 || !usage_reader_.streaming() || stream_end_.seen() || worker_.draining)
    co_return;
  if (worker_.drains >= kMaxDrains) {
    count(services_.accounting_counters.drain_refused);
    co_return;
  }
  left_mono_ns_ = mono_now_ns();
  drop_client();
  ++worker_.drains;
  co_await relay.drain({.until_ns = worker_.loop.now_ns() + services_.accounting.drain_ns,
                        .bytes = kMaxDrainBytes,
                        .stop = worker_.draining});
  --worker_.drains;
  count(services_.accounting_counters.drained);
}

}  // namespace gw::pipeline
