// Which keys of which objects count, and what each does with its value. The state machine around it is
// field_scanner.cpp.
#include <algorithm>
#include <span>

#include "base/strings.h"
#include "provider/field_key.h"
#include "provider/field_scanner.h"

namespace gw::provider {
struct FieldScanner::Tables {
  using C = Context;
  using F = UsageField;
  using N = Number;
  using T = Text;
  using W = Word;
  using L = Literal;
  static constexpr Key kRequest[] = {
      {"n", N::choices},
      {"user", T::user},
      {"model", T::model_of_root},
      {"stream", L::stream},
      {"message", C::request_message},
      {"metadata", C::metadata},
      {"max_tokens", N::max_output_tokens},
      {"service_tier", T::service_tier},
      {"stream_options", C::stream_options},
      {"prompt_cache_key", T::prompt_cache_key},
      {"max_output_tokens", N::max_output_tokens},
      {"safety_identifier", T::safety_identifier},
      {"max_completion_tokens", N::max_output_tokens},
  };
  static constexpr Key kClientMessage[] = {
      {"type", W::event},
      {"user", T::user},
      {"model", T::model_of_root},
      {"session", C::client_part},
      {"metadata", C::metadata},
      {"response", C::client_part},
      {"event_id", T::event_id},
      {"service_tier", T::service_tier},
      {"prompt_cache_key", T::prompt_cache_key},
      {"safety_identifier", T::safety_identifier},
  };
  static constexpr Key kClientPart[] = {
      {"model", T::model_of_response},
      {"metadata", C::metadata},
      {"service_tier", T::service_tier},
  };
  static constexpr Key kRequestMessage[] = {{"model", T::model_of_message}};
  static constexpr Key kStreamOptions[] = {{"include_usage", L::include_usage}};
  // Not standardised: what clients call the conversation in their metadata. The first in rank wins.
  static constexpr Key kMetadata[] = {
      {"chat_id", T::metadata_session, 6},
      {"session", T::metadata_session, 2},
      {"user_id", T::metadata_user_id},
      {"threadId", T::metadata_session, 5},
      {"sessionId", T::metadata_session, 1},
      {"thread_id", T::metadata_session, 4},
      {"session_id", T::metadata_session, 0},
      {"session-id", T::metadata_session, 1},
      {"conversation_id", T::metadata_session, 3},
  };
  static constexpr Key kAnswer[] = {
      {"item", C::item},
      {"type", W::event},
      {"model", T::model_of_root},
      {"usage", C::usage},
      {"error", C::error},
      {"object", W::object},
      {"output", C::output},
      {"x_groq", C::groq},
      {"message", C::message},
      {"session", C::session},
      {"response", C::response},
      {"eval_count", F::completion_tokens, Action::root_count},  // Ollama's own API
      {"background", L::background},
      {"response_id", T::response_id},
      {"output_index", F::output_tokens, Action::root_count},  // no count, see on_count
      {"service_tier", T::service_tier},
      {"prompt_eval_count", F::prompt_tokens, Action::root_count},
  };
  static constexpr Key kMessage[] = {
      {"model", T::model_of_message},
      {"usage", C::usage},
      {"service_tier", T::service_tier},
  };
  static constexpr Key kResponse[] = {
      {"id", T::response_id},
      {"model", T::model_of_response},
      {"usage", C::usage},
      {"output", C::output},
      {"status", W::status},
      {"background", L::background},
      {"service_tier", T::service_tier},
  };
  static constexpr Key kSession[] = {{"model", T::model_of_response}};
  static constexpr Key kGroq[] = {{"usage", C::usage}};
  static constexpr Key kUsage[] = {
      {"cost", F::cost_nano_usd, Action::nano},
      {"is_byok", L::own_key},
      {"seconds", F::audio_ms, Action::milli},
      {"total_tokens", F::total_tokens},
      {"input_tokens", F::input_tokens},
      {"service_tier", T::service_tier},
      {"cost_details", C::cost_details},
      {"prompt_tokens", F::prompt_tokens},
      {"output_tokens", F::output_tokens},
      {"inference_geo", T::inference_geo},
      {"cached_tokens", F::cached_flat},
      {"cache_creation", C::cache_creation},
      {"server_tool_use", C::server_tools},
      {"num_sources_used", F::sources_used},
      {"completion_tokens", F::completion_tokens},
      {"cost_in_usd_ticks", F::cost_ticks},
      {"num_cached_tokens", F::cached_flat},
      {"input_token_details", C::input_details},
      {"input_tokens_details", C::images_input_details},
      {"output_token_details", C::output_details},
      {"prompt_audio_seconds", F::audio_ms, Action::milli},
      {"output_tokens_details", C::output_details},
      {"prompt_tokens_details", C::input_details},
      {"prompt_cache_hit_tokens", F::cached_flat},
      {"cache_read_input_tokens", F::read_beside},
      {"prompt_cache_miss_tokens", F::cache_miss},
      {"completion_tokens_details", C::output_details},
      {"cache_creation_input_tokens", F::write_beside},
      {"server_side_tool_usage_details", C::server_tools},
  };
  static constexpr Key kCacheCreation[] = {
      {"ephemeral_1h_input_tokens", F::write_beside_1h},
      {"ephemeral_5m_input_tokens", F::write_beside_5m},
  };
  static constexpr Key kInputDetails[] = {
      {"audio_tokens", F::input_audio},
      {"image_tokens", F::input_image},
      {"cached_tokens", F::cached},
      {"cache_write_tokens", F::cache_write},
      {"cache_creation_tokens", F::cache_write},
      {"cached_tokens_details", C::cached_details},
      {"cache_creation_input_tokens", F::cache_write},
  };
  static constexpr Key kImagesInputDetails[] = {
      {"audio_tokens", F::input_audio},
      {"image_tokens", F::input_image, Action::image_count},
      {"cached_tokens", F::cached},
      {"cache_write_tokens", F::cache_write},
      {"cache_creation_tokens", F::cache_write},
      {"cached_tokens_details", C::cached_details},
      {"cache_creation_input_tokens", F::cache_write},
  };
  static constexpr Key kCachedDetails[] = {
      {"audio_tokens", F::cached_audio},
      {"image_tokens", F::cached_image},
  };
  static constexpr Key kOutputDetails[] = {
      {"audio_tokens", F::output_audio},
      {"image_tokens", F::output_image},
      {"thinking_tokens", F::reasoning},
      {"reasoning_tokens", F::reasoning},
  };
  static constexpr Key kServerTools[] = {
      {"web_search_calls", F::web_searches},           {"file_search_calls", F::file_searches},
      {"web_search_requests", F::web_searches},        {"code_interpreter_calls", F::code_executions},
      {"code_execution_requests", F::code_executions},
  };
  static constexpr Key kCostDetails[] = {{"upstream_inference_cost", F::upstream_cost_nano_usd, Action::nano}};
  static constexpr Key kItem[] = {{"type", W::item_type}, {"action", C::action}};
  static constexpr Key kActionKeys[] = {{"type", W::action_type}};
  static constexpr Key kError[] = {{"event_id", T::event_id}};
};

const FieldScanner::Keys* FieldScanner::keys_of(Context context, Document document) {
  using T = Tables;
  static constexpr Keys kClientRoot = std::span<const Key>(T::kClientMessage);
  static constexpr std::array<Keys, 23> kTables = {Keys(T::kRequest),
                                                   Keys(T::kRequestMessage),
                                                   Keys(T::kClientPart),
                                                   Keys(T::kStreamOptions),
                                                   Keys(T::kMetadata),
                                                   Keys(T::kAnswer),
                                                   Keys(T::kMessage),
                                                   Keys(T::kResponse),
                                                   Keys(T::kSession),
                                                   Keys(T::kGroq),
                                                   Keys(T::kUsage),
                                                   Keys(T::kCacheCreation),
                                                   Keys(T::kInputDetails),
                                                   Keys(T::kImagesInputDetails),
                                                   Keys(T::kCachedDetails),
                                                   Keys(T::kOutputDetails),
                                                   Keys(T::kServerTools),
                                                   Keys(T::kCostDetails),
                                                   Keys(),
                                                   Keys(T::kItem),
                                                   Keys(T::kItem),
                                                   Keys(T::kActionKeys),
                                                   Keys(T::kError)};
  static_assert(std::ranges::all_of(kTables, [](const Keys& k) {
    return std::ranges::is_sorted(k.keys, {}, [](const Key& key) { return key.name.size(); });
  }));
  if (context == Context::request && document == Document::client_message) return &kClientRoot;
  return &kTables[static_cast<std::size_t>(context)];
}

// The last duplicate wins, so a key first takes back what an earlier one of its name said.
void FieldScanner::take_back(const Key& key) {
  switch (action_) {
    case Action::descend:
      return on_descend();
    case Action::text:
      rank_ = key.rank;
      if (argument_ <= static_cast<std::uint8_t>(Text::model_of_response)) texts_[argument_].clear();
      return;
    case Action::word:
      return on_word({});
    case Action::flag:
      if (static_cast<Literal>(argument_) == Literal::stream) stream_ = Flag::absent;
      return;
    case Action::image_count:
    case Action::nano:
    case Action::milli:
      return usages_[source_].unset(RawUsage::bit(static_cast<UsageField>(argument_)));
    default:
      return;
  }
}

void FieldScanner::on_descend() {
  const auto forget = [this](std::size_t source) {
    texts_[source].clear();
    usage_closed_[source] = false;
  };
  switch (static_cast<Context>(argument_)) {
    case Context::usage:
      usage_closed_[source_] = false;
      return;
    case Context::message:
    case Context::request_message:
      return forget(1);
    case Context::response:
      return forget(2);
    case Context::groq:
      usage_closed_[3] = false;
      return;
    default:
      return;
  }
}

void FieldScanner::enter() {
  const auto into = static_cast<Context>(argument_);
  contexts_[++level_] = into;
  keys_[level_] = keys_of(into, document_);
  state_ = State::key_or_end;
  const auto unset = [this](auto... fields) { usages_[source_].unset((RawUsage::bit(fields) | ...)); };
  using F = UsageField;
  switch (into) {
    case Context::message:
      source_ = 1;
      return;
    case Context::response:
      response_seen_ = true;
      source_ = 2;
      return;
    case Context::groq:
      source_ = 3;
      return;
    case Context::usage:
      return usages_[source_].clear();
    case Context::cache_creation:
      return unset(F::write_beside_5m, F::write_beside_1h);
    case Context::input_details:
    case Context::images_input_details:
      return unset(F::cached, F::cached_audio, F::cached_image, F::cache_write, F::input_audio, F::input_image,
                   F::images_api);
    case Context::cached_details:
      return unset(F::cached_audio, F::cached_image);
    case Context::output_details:
      return unset(F::reasoning, F::output_audio, F::output_image);
    case Context::output:
      in_array_ = true;
      output_items_ = {};
      return next_element();
    case Context::item:
    case Context::output_item:
      in_array_ = false;
      item_type_ = ToolItem::none;
      unpaid_action_ = false;
      return;
    default:
      return;
  }
}

void FieldScanner::leave() {
  switch (context()) {
    case Context::usage:
      usage_closed_[source_] = true;
      break;
    case Context::item:
    case Context::output_item:
      leave_item();
      break;
    default:
      break;
  }
  if (level_ == 0) {
    state_ = State::done;
    return;
  }
  --level_;
  if (level_ == 0) source_ = 0;
  in_array_ = context() == Context::output;
  state_ = State::comma_or_end;
}

// Of what a web search does, opening a page and looking into it are not sold.
void FieldScanner::leave_item() {
  ToolItem item = item_type_;
  if (item == ToolItem::web_search && unpaid_action_) item = ToolItem::none;
  if (context() == Context::item) {
    item_ = item;
  } else {
    output_items_.add(item);
  }
}

void FieldScanner::on_text(std::string_view text) {
  state_ = State::comma_or_end;
  if (action_ == Action::number) return;
  if (action_ == Action::word) return on_word(text);
  if (action_ != Action::text) return on_count_text(text);
  const std::string_view trimmed = trim(text);
  const auto slot = static_cast<Text>(argument_);
  if (slot > Text::model_of_response && trimmed.empty()) return;
  std::string& kept = texts_[argument_];
  if (slot == Text::metadata_session) {
    if (!kept.empty() && session_rank_ < rank_) return;
    session_rank_ = rank_;
  }
  const std::size_t bound = slot == Text::metadata_user_id ? kMaxUserIdBytes : kMaxTextBytes;
  kept.assign(trimmed.size() > bound ? trim(cut_at_character(trimmed, bound)) : trimmed);
}

namespace {

Event event_of(std::string_view type) {
  struct Name {
    std::string_view name;
    Event event;
  };
  static constexpr Name kNames[] = {
      {"response.output_item.done", Event::item_done},
      {"response.created", Event::response_created},
      {"response.completed", Event::response_completed},
      {"response.incomplete", Event::response_incomplete},
      {"response.failed", Event::response_failed},
      {"response.cancelled", Event::response_cancelled},
      {"response.done", Event::response_done},
      {"response.create", Event::response_create},
      {"session.created", Event::session},
      {"session.updated", Event::session},
      {"session.update", Event::session},
      {"error", Event::error},
  };
  for (const Name& n : kNames)
    if (n.name == type) return n.event;
  return type.ends_with(".delta") ? Event::delta : Event::other;
}

Event status_of(std::string_view status) {
  if (status == "completed") return Event::response_completed;
  if (status == "incomplete") return Event::response_incomplete;
  if (status == "failed") return Event::response_failed;
  if (status == "cancelled") return Event::response_cancelled;
  return Event::other;
}

ToolItem tool_of(std::string_view type) {
  if (type == "web_search_call") return ToolItem::web_search;
  if (type == "file_search_call") return ToolItem::file_search;
  if (type == "code_interpreter_call") return ToolItem::code_execution;
  return ToolItem::none;
}

}  // namespace

void FieldScanner::on_word(std::string_view word) {
  switch (static_cast<Word>(argument_)) {
    case Word::event:
      event_ = event_of(word);
      return;
    case Word::object:
      batch_ = word == "batch";
      return;
    case Word::status:
      status_ = status_of(word);
      return;
    case Word::item_type:
      item_type_ = tool_of(word);
      return;
    case Word::action_type:
      unpaid_action_ = word == "open_page" || word == "find_in_page";
      return;
  }
}

void FieldScanner::on_count(std::int64_t value, bool bad) {
  const auto field = static_cast<UsageField>(argument_);
  if (action_ != Action::root_count) {
    usages_[source_].set(field, value, bad);
    if (action_ == Action::image_count) usages_[source_].set(UsageField::images_api, 1);
  } else if (field == UsageField::output_tokens) {
    output_index_ = bad ? -1 : value;
  } else {
    usages_[kOllama].set(field, value, bad);
    usage_closed_[kOllama] = true;
  }
}

}  // namespace gw::provider
