#include "provider/websocket_usage.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "provider/session.h"

namespace gw::provider {
namespace {

bool ends_response(Event e) {
  return e == Event::response_completed || e == Event::response_incomplete || e == Event::response_failed ||
         e == Event::response_cancelled || e == Event::response_done;
}

/// Also for `response.status`, which goes before the name of the event.
std::string_view status_name(Event e) {
  switch (e) {
    case Event::response_completed:
      return "completed";
    case Event::response_incomplete:
      return "incomplete";
    case Event::response_failed:
      return "failed";
    case Event::response_cancelled:
      return "cancelled";
    default:
      return {};
  }
}

}  // namespace

void WebsocketUsage::reset() {
  server_.restart(Document::answer);
  client_.restart(Document::client_message);
  open_.clear();
  pending_.clear();
  finished_.clear();
  session_model_.clear();
  finished_count_ = 0;
  asks_ = responses_ = continued_ = 0;
  client_asked_ = server_ended_ = any_ = false;
}

void WebsocketUsage::begin_server_message() { server_.restart(Document::answer); }

void WebsocketUsage::note_session(const FieldScanner& message) {
  if (!message.model().empty()) session_model_.assign(message.model());
}

void WebsocketUsage::end_client_message(std::int64_t now_ns) {
  client_asked_ = false;
  if (!client_.complete()) return;
  if (client_.event() == Event::session) return note_session(client_);
  if (client_.event() != Event::response_create) return;
  client_asked_ = true;
  if (pending_.size() == kMaxOpen) pending_.pop_front();
  Ask& ask = pending_.emplace_back();
  ask.number = ++asks_;
  ask.at_ns = now_ns;
  ask.event_id.assign(client_.text(Text::event_id));
  ask.model.assign(client_.model().empty() ? std::string_view(session_model_) : client_.model());
  ask.service_tier.assign(client_.text(Text::service_tier));
  session_of({},
             {.metadata = client_.text(Text::metadata_session),
              .user = client_.text(Text::user),
              .safety_identifier = client_.text(Text::safety_identifier),
              .prompt_cache_key = client_.text(Text::prompt_cache_key),
              .metadata_user_id = client_.text(Text::metadata_user_id)},
             ask.session);
}

void WebsocketUsage::end_server_message(std::int64_t now_ns) {
  server_ended_ = false;
  continued_ = 0;
  if (!server_.complete()) return;
  const Event event = server_.event();
  const std::string_view id = server_.text(Text::response_id);
  if (event == Event::session) note_session(server_);
  if (event == Event::error) refuse_ask();
  if (event == Event::delta && !pending_.empty()) any_ = true;
  if (event == Event::response_created && !known_finished(id) && (id.empty() || find_open(id) == nullptr)) {
    any_ = true;
    Open open = created(id, now_ns);
    if (open_.size() < kMaxOpen) open_.push_back(std::move(open));
  }
  if (event == Event::item_done)
    if (Open* open = find_open(id)) open->totals.add_item(server_.item(), server_.output_index());
  if (event == Event::delta || event == Event::error)
    if (const Open* open = find_open(id)) continued_ = open->response.number;
  count_message(now_ns);
  if (ends_response(event)) finish(now_ns);
}

void WebsocketUsage::refuse_ask() {
  if (!server_.text(Text::response_id).empty()) return;
  const auto refused = std::ranges::find(pending_, server_.text(Text::event_id),
                                         [](const Ask& a) { return std::string_view(a.event_id); });
  if (refused != pending_.end()) pending_.erase(refused);
}

/// A message that does not name its response belongs to each that is open.
void WebsocketUsage::count_message(std::int64_t now_ns) {
  const std::string_view id = server_.text(Text::response_id);
  for (Open& open : open_) {
    if (!id.empty() && open.response.id != id) continue;
    ++open.response.messages;
    if (server_.event() == Event::delta && open.response.first_token_at_ns == 0)
      open.response.first_token_at_ns = now_ns;
  }
}

WebsocketUsage::Open WebsocketUsage::created(std::string_view id, std::int64_t now_ns) {
  Open open;
  WebsocketResponse& r = open.response;
  r.number = ++responses_;
  r.id.assign(id);
  r.asked_at_ns = now_ns;
  r.model = session_model_;
  if (pending_.empty()) return open;
  Ask& ask = pending_.front();
  r.ask = ask.number;
  r.asked_at_ns = ask.at_ns;
  if (!ask.model.empty()) r.model = std::move(ask.model);
  r.service_tier_asked = std::move(ask.service_tier);
  r.session = std::move(ask.session);
  pending_.pop_front();
  return open;
}

void WebsocketUsage::finish(std::int64_t now_ns) {
  const std::string_view id = server_.text(Text::response_id);
  if (known_finished(id)) return;
  any_ = server_ended_ = true;
  Open* open = find_open(id);
  Open unknown;
  if (open == nullptr) {
    unknown = created(id, now_ns);
    unknown.response.messages = 1;
    open = &unknown;
  }
  WebsocketResponse& r = open->response;
  const std::string_view status = status_name(server_.status());
  r.status = status.empty() ? status_name(server_.event()) : status;
  r.response_model.assign(server_.model());
  r.service_tier.assign(server_.text(Text::service_tier));
  open->totals.set_items(server_.output_items());
  if (const RawUsage* raw = server_.usage(false)) open->totals.add(*raw);
  if (!id.empty()) finished_ids_[finished_count_++ % kMaxFinished] = std::hash<std::string_view>{}(id);
  move_to_finished(*open, now_ns);
  if (open != &unknown) open_.erase(open_.begin() + (open - open_.data()));
}

void WebsocketUsage::move_to_finished(Open& open, std::int64_t now_ns) {
  open.response.ended_at_ns = now_ns;
  open.response.usage = open.totals.result();
  finished_.push_back(std::move(open.response));
}

void WebsocketUsage::close_open(std::int64_t now_ns) {
  for (Open& open : open_) {
    open.response.end = ResponseEnd::open;
    move_to_finished(open, now_ns);
    finished_.back().usage.estimated = true;
  }
  open_.clear();
}

std::string_view WebsocketUsage::model_of(std::uint64_t number) const {
  const auto at = std::ranges::find(open_, number, [](const Open& o) { return o.response.number; });
  return at != open_.end() ? std::string_view(at->response.model) : std::string_view();
}

/// Without an id only where there is no doubt.
WebsocketUsage::Open* WebsocketUsage::find_open(std::string_view id) {
  if (id.empty()) return open_.size() == 1 ? &open_.front() : nullptr;
  const auto at = std::ranges::find(open_, id, [](const Open& o) { return std::string_view(o.response.id); });
  return at != open_.end() ? &*at : nullptr;
}

bool WebsocketUsage::known_finished(std::string_view id) const {
  if (id.empty()) return false;
  const auto end = finished_ids_.begin() + static_cast<std::ptrdiff_t>(std::min(finished_count_, kMaxFinished));
  return std::find(finished_ids_.begin(), end, std::hash<std::string_view>{}(id)) != end;
}

}  // namespace gw::provider
