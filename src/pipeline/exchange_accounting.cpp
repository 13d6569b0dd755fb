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

std::map<std::string, std::int64_t> auth_figures(const Services& s) {
  if (!s.keys.enabled()) return {};
  return {{"refused_total", s.auth_refused.load()}, {"delayed_total", s.auth_delayed.load()}};
}

std::map<std::string, std::int64_t> accounting_figures(const Services& s) {
  if (const AccountingOptions& on = s.snapshot()->accounting; !on.inject_include_usage && on.drain_ns == 0) return {};
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

/// In place of hold_body() where that would not wait: the body came with the head, as most do, or is too long. False:
/// it has to be asked, and nothing was done.
bool Exchange::hold_what_came(std::size_t most) {
  if (head_.body != http::BodyKind::length) return false;
  if (head_.content_length > most) return true;
  if (head_.content_length > first_body_.size()) return false;
  if (!held_) held_.emplace(head_, first_body_, worker_.held_bytes);
  held_->state = held_->body.look();
  return true;
}

/// The whole content, where it is there without anything being done for it and is no longer than that.
std::optional<std::string_view> Exchange::content_that_came(std::size_t most) const {
  if (held_) return held_content(most);
  if (head_.body != http::BodyKind::length || head_.content_length > std::min(most, first_body_.size()))
    return std::nullopt;
  return std::string_view(first_body_).substr(0, static_cast<std::size_t>(head_.content_length));
}

/// Holds the body back until it is whole: held_ says how far that came. It may go on with a greater bound. What is
/// returned other than `complete` ends the exchange.
net::Task<RelayEnd> Exchange::hold_body(std::size_t most) {
  if (head_.body == http::BodyKind::length && head_.content_length > most) co_return RelayEnd::complete;
  if (head_.expect_continue && first_body_.empty() && !co_await send_all("HTTP/1.1 100 Continue\r\n\r\n"))
    co_return RelayEnd::client_gone;

  net::Waiter& waiter = connection_.waiter();
  net::Socket& client = connection_.socket();
  waiter.set_deadline(worker_.loop.now_ns() + link_->idle_timeout_ns);
  if (!held_) held_.emplace(head_, first_body_, worker_.held_bytes);
  for (;;) {
    if (held_->state == HeldBody::State::more) held_->state = held_->body.look();
    if (held_->state != HeldBody::State::more) co_return RelayEnd::complete;
    if (first_body_.size() > most || worker_.held_bytes > kMaxHeldBytes) co_return RelayEnd::complete;
    const net::IoResult r = client.read(worker_.scratch.read, proxy::RelayScratch::kReadSize);
    if (r.status == net::IoStatus::ok) {
      first_body_.append(worker_.scratch.read, r.n);
      held_->share.add(head_.body == http::BodyKind::chunked ? 2 * r.n : r.n);  // framed and not
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
}

/// The whole content, where it is held and no longer than that.
std::optional<std::string_view> Exchange::held_content(std::size_t most) const {
  if (!held_ || held_->state != HeldBody::State::whole) return std::nullopt;
  const std::string_view content = held_->body.content();
  return content.size() <= most ? std::optional(content) : std::nullopt;
}

/// From here on the parsed head and `first_body_` are those of the request that goes upstream; the trace has the
/// client's. Comes after observe_held(); `body` is the new content.
void Exchange::replace_held(std::string body) {
  body_changed_ = body_changed_ || body != held_->body.content();
  const std::size_t framed_size = held_->body.framed_size();  // by the client's head
  buffers_.head.body = http::BodyKind::length;
  buffers_.head.content_length = body.size();
  body.append(first_body_, framed_size);
  first_body_ = std::move(body);
  held_.emplace(head_, first_body_, worker_.held_bytes);
  held_->share.add(first_body_.size());
  held_->state = held_->body.look();
  body_replaced_ = true;
}

/// Readers see it at once, not when it is sent on.
void Exchange::observe_held(std::string_view content) {
  if (!body_observed_) on_request_body(content);
  body_observed_ = true;
}

/// Changes the body where that is called for. Over the bound, malformed, or asking by itself: it goes on as it came.
net::Task<RelayEnd> Exchange::ask_for_usage() {
  const std::size_t most = snapshot_.accounting.inject_max_bytes;
  const RelayEnd end = co_await hold_body(most);
  if (end != RelayEnd::complete) co_return end;
  if (const auto content = held_content(most))
    splice_request(*content);
  else if (!held_ || held_->state != HeldBody::State::malformed)  // of which the relay says so
    count(services_.accounting_counters.over_max_bytes);
  co_return RelayEnd::complete;
}

void Exchange::splice_request(std::string_view content) {
  const auto splice = provider::include_usage_splice(content);
  if (!splice) return;
  observe_held(content);
  std::string body;
  body.reserve(content.size() + splice->insert.size() + first_body_.size() - held_->body.framed_size());
  body.append(content.substr(0, splice->at)).append(splice->insert).append(content.substr(splice->at + splice->remove));
  replace_held(std::move(body));
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
  co_await relay.drain({.until_ns = worker_.loop.now_ns() + snapshot_.accounting.drain_ns,
                        .bytes = kMaxDrainBytes,
                        .stop = worker_.draining});
  --worker_.drains;
  count(services_.accounting_counters.drained);
}

}  // namespace gw::pipeline
