// Which keys of which objects count, and what each does with its value. The state machine around it is
// field_scanner.cpp.
#include "provider/field_scanner.h"

namespace gw::provider {

void FieldScanner::on_key(std::string_view key) {
  state_ = State::colon;
  action_ = Action::skip;
  switch (context()) {
    case Context::root:
    case Context::message:
    case Context::response:
      on_object_key(key);
      break;
    case Context::usage:
      on_usage_key(key);
      break;
    default:
      on_details_key(key);
      break;
  }
}

// The last duplicate wins, so each key first takes back what an earlier one of its name said.
void FieldScanner::on_object_key(std::string_view key) {
  const bool root = level_ == 0;
  const auto descend = [this](Context into) {
    action_ = Action::descend;
    target_ = into;
  };
  const auto forget = [this](std::size_t source) {
    models_[source].clear();
    usage_closed_[source] = false;
  };
  if (wanted_.model && key == "model") {
    models_[source_].clear();
    action_ = Action::model;
  } else if (wanted_.usage && key == "usage") {
    usage_closed_[source_] = false;
    descend(Context::usage);
  } else if (root && wanted_.stream && key == "stream") {
    stream_ = false;
    action_ = Action::stream;
  } else if (root && key == "message") {
    forget(1);
    descend(Context::message);
  } else if (root && wanted_.usage && key == "response") {
    forget(2);
    descend(Context::response);
  }
}

void FieldScanner::count_key(UsageField field) {
  usages_[source_].set(field, RawUsage::kAbsent);
  field_ = field;
  action_ = Action::count;
}

void FieldScanner::details_key(Context details, UsageField first, UsageField last) {
  usages_[source_].set(first, RawUsage::kAbsent);
  usages_[source_].set(last, RawUsage::kAbsent);
  target_ = details;
  action_ = Action::descend;
}

void FieldScanner::on_usage_key(std::string_view key) {
  using F = UsageField;
  switch (key.size()) {
    case 12:
      if (key == "input_tokens") return count_key(F::input_tokens);
      if (key == "total_tokens") return count_key(F::total_tokens);
      return;
    case 13:
      if (key == "prompt_tokens") return count_key(F::prompt_tokens);
      if (key == "output_tokens") return count_key(F::output_tokens);
      return;
    case 14:
      if (key == "cache_creation") details_key(Context::cache_creation, F::cache_creation_5m, F::cache_creation_1h);
      return;
    case 17:
      if (key == "completion_tokens") count_key(F::completion_tokens);
      return;
    case 20:
      if (key == "input_tokens_details") details_key(Context::input_details, F::input_cached, F::input_cached);
      return;
    case 21:
      if (key == "prompt_tokens_details")
        return details_key(Context::prompt_details, F::prompt_cached, F::prompt_cached);
      if (key == "output_tokens_details")
        details_key(Context::output_details, F::output_reasoning, F::output_reasoning);
      return;
    case 23:
      if (key == "cache_read_input_tokens") count_key(F::cache_read_input_tokens);
      return;
    case 25:
      if (key == "completion_tokens_details")
        details_key(Context::completion_details, F::completion_reasoning, F::completion_reasoning);
      return;
    case 27:
      if (key == "cache_creation_input_tokens") count_key(F::cache_creation_input_tokens);
      return;
    default:
      return;
  }
}

void FieldScanner::on_details_key(std::string_view key) {
  using F = UsageField;
  switch (context()) {
    case Context::cache_creation:
      if (key == "ephemeral_5m_input_tokens") count_key(F::cache_creation_5m);
      if (key == "ephemeral_1h_input_tokens") count_key(F::cache_creation_1h);
      return;
    case Context::prompt_details:
      if (key == "cached_tokens") count_key(F::prompt_cached);
      return;
    case Context::input_details:
      if (key == "cached_tokens") count_key(F::input_cached);
      return;
    case Context::completion_details:
      if (key == "reasoning_tokens") count_key(F::completion_reasoning);
      return;
    case Context::output_details:
      if (key == "reasoning_tokens") count_key(F::output_reasoning);
      return;
    default:
      return;
  }
}

}  // namespace gw::provider
