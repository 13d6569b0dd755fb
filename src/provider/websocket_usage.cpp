#include "provider/websocket_usage.h"

#include <algorithm>
#include <functional>

namespace gw::provider {
namespace {

bool ends_a_response(Event event) {
  switch (event) {
    case Event::response_completed:
    case Event::response_incomplete:
    case Event::response_failed:
    case Event::response_cancelled:
    case Event::response_done:
      return true;
    default:
      return false;
  }
}

/// The value behind `"key":` in the beginning of a JSON message, if it is a string without escapes; else empty.
std::string_view string_behind(std::string_view head, std::string_view key) {
  std::size_t at = head.find(key);
  if (at == std::string_view::npos) return {};
  at += key.size();
  while (at < head.size() && (scan::is_json_space(head[at]) || head[at] == ':')) ++at;
  if (at == head.size() || head[at] != '"') return {};
  const std::size_t end = head.find_first_of("\"\\", at + 1);
  return end == std::string_view::npos || head[end] != '"' ? std::string_view() : head.substr(at + 1, end - at - 1);
}

}  // namespace

void WebsocketUsage::Head::push(std::string_view part) {
  const std::size_t n = std::min(part.size(), bytes.size() - size);
  std::copy_n(part.data(), n, bytes.data() + size);
  size += n;
}

void WebsocketUsage::begin_client_message() { client_.restart(Document::client_message); }
void WebsocketUsage::push_client(std::string_view bytes) { client_.push(bytes); }

void WebsocketUsage::end_client_message(std::int64_t now_ns) {
  asked_ = client_.complete() && client_.event() == Event::response_create;
  if (!client_.complete()) return;
  if (client_.event() == Event::session && !client_.model().empty()) session_model_.assign(client_.model());
  if (!asked_) return;
  ++asks_;
  if (questions_.size() == kMaxOpen) questions_.pop_front();
  Question q{.number = asks_, .at_ns = now_ns, .model = {}, .service_tier = {}, .session = {}};
  q.model.assign(client_.model());
  q.service_tier.assign(client_.text(Text::service_tier));
  session_of({},
             {.metadata = client_.text(Text::metadata_session),
              .user = client_.text(Text::user),
              .safety_identifier = client_.text(Text::safety_identifier),
              .prompt_cache_key = client_.text(Text::prompt_cache_key),
              .metadata_user_id = client_.text(Text::metadata_user_id)},
             q.session);
  questions_.push_back(std::move(q));
}

void WebsocketUsage::begin_server_message() {
  server_.restart(Document::answer);
  head_.size = 0;
}

void WebsocketUsage::push_server(std::string_view bytes) {
  if (head_.size < head_.bytes.size()) head_.push(bytes);
  server_.push(bytes);
}

void WebsocketUsage::end_server_message(std::int64_t now_ns) {
  ended_ = false;
  if (!server_.complete()) return;
  const Event event = server_.event();
  if (event == Event::session && !server_.model().empty()) session_model_.assign(server_.model());
  const std::string_view id = server_.text(Text::response_id);
  if (event == Event::response_created) {
    if (!ended_before(id)) ++open_response(id, now_ns).response.messages;
    return;
  }
  if (ends_a_response(event)) return end_response(id, now_ns);
  const std::string_view type = string_behind(head_.text(), "\"type\"");
  // A question that was refused leads to no response.
  if (type == "error" && open_.empty() && !questions_.empty()) questions_.pop_front();
  Open* const about = find(string_behind(head_.text(), "\"response_id\""));
  if (about == nullptr) return;
  ++about->response.messages;
  if (event == Event::item_done && server_.item() != ToolItem::none)
    about->totals.add_item(server_.item(), server_.output_index());
  if (about->response.first_token_at_ns == 0 && type.ends_with(".delta")) about->response.first_token_at_ns = now_ns;
}

/// The open response with this id; of messages that name none, the one that was opened last.
WebsocketUsage::Open* WebsocketUsage::find(std::string_view id) {
  if (open_.empty()) return nullptr;
  if (id.empty()) return &open_.back();
  const auto at = std::find_if(open_.begin(), open_.end(), [&](const Open& o) { return o.response.id == id; });
  return at != open_.end() ? &*at : nullptr;
}

WebsocketUsage::Open& WebsocketUsage::open_response(std::string_view id, std::int64_t now_ns) {
  any_ = true;
  if (Open* const known = id.empty() ? nullptr : find(id)) return *known;
  if (open_.size() == kMaxOpen) finish(open_.front(), ResponseEnd::open, now_ns);
  Open& o = open_.emplace_back();
  o.response.id.assign(id);
  o.response.asked_at_ns = now_ns;
  o.response.model = session_model_;
  if (questions_.empty()) return o;
  Question& q = questions_.front();
  o.response.ask = q.number;
  o.response.asked_at_ns = q.at_ns;
  if (!q.model.empty()) o.response.model = std::move(q.model);
  o.response.service_tier_asked = std::move(q.service_tier);
  o.response.session = std::move(q.session);
  questions_.pop_front();
  return o;
}

void WebsocketUsage::end_response(std::string_view id, std::int64_t now_ns) {
  if (ended_before(id)) return;
  Open* open = find(id);
  if (open == nullptr) open = &open_response(id, now_ns);
  WebsocketResponse& r = open->response;
  ++r.messages;
  if (r.id.empty()) r.id.assign(id);
  r.response_model.assign(server_.model());
  r.service_tier.assign(server_.text(Text::service_tier));
  if (const RawUsage* raw = server_.usage()) open->totals.add(*raw);
  open->totals.set_items(server_.output_items());
  finish(*open, ResponseEnd::done, now_ns);
  ended_ = true;
}

void WebsocketUsage::finish(Open& open, ResponseEnd how, std::int64_t now_ns) {
  WebsocketResponse& r = open.response;
  r.usage = open.totals.result();
  r.ended_at_ns = now_ns;
  r.end = how;
  if (!r.id.empty()) ended_ids_[ended_count_++ % ended_ids_.size()] = std::hash<std::string_view>()(r.id);
  finished_.push_back(std::move(r));
  open_.erase(open_.begin() + (&open - open_.data()));
}

bool WebsocketUsage::ended_before(std::string_view id) const {
  if (id.empty()) return false;
  const auto end = ended_ids_.begin() + static_cast<std::ptrdiff_t>(std::min(ended_count_, ended_ids_.size()));
  return std::find(ended_ids_.begin(), end, std::hash<std::string_view>()(id)) != end;
}

void WebsocketUsage::close_open(std::int64_t now_ns) {
  while (!open_.empty()) finish(open_.front(), ResponseEnd::open, now_ns);
}

}  // namespace gw::provider
