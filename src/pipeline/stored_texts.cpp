#include "pipeline/stored_texts.h"

#include <cstring>
#include <utility>

#include "base/strings.h"
#include "telemetry/scrub.h"

namespace gw::pipeline {

/// `other` is not shorter than a credential, so that eight bytes can be read of both.
[[gnu::always_inline]] inline bool StoredTexts::Known::is(std::string_view other) const {
  static_assert(telemetry::kShortestCredential >= sizeof(std::uint64_t));
  if (other.size() != size) return false;
  const auto differ = [&](std::size_t at) {
    std::uint64_t a, b;
    std::memcpy(&a, text.data() + at, sizeof a);
    std::memcpy(&b, other.data() + at, sizeof b);
    return a ^ b;
  };
  std::uint64_t all = differ(other.size() - sizeof(std::uint64_t));
  for (std::size_t at = 0; at + sizeof(std::uint64_t) < other.size(); at += sizeof(std::uint64_t)) all |= differ(at);
  return all == 0;
}

void StoredTexts::Known::remember(std::string_view other) {
  if (other.size() > text.size()) return;
  std::memcpy(text.data(), other.data(), other.size());
  size = static_cast<std::uint16_t>(other.size());
}

[[gnu::always_inline]] inline void StoredTexts::scrub(std::string_view& text, Known* known) {
  if (text.size() < telemetry::kShortestCredential || (known != nullptr && known->is(text))) [[likely]]
    return;
  search(text, known);
}

[[gnu::noinline]] void StoredTexts::search(std::string_view& text, Known* known) {
  if (text.find('\0') != npos) text = kept_.emplace_back(storable_text(text));  // they would keep a credential apart
  if (telemetry::may_hold_credential(text)) {
    std::string scratch;
    if (telemetry::scrub(text, scratch).data() != text.data()) {
      text = kept_.emplace_back(std::move(scratch));
      return;
    }
  }
  if (known != nullptr) known->remember(text);
}

void StoredTexts::scrub(ExchangeRecord& r, bool own_id, std::span<HeaderView> request, std::span<HeaderView> response) {
  kept_.clear();
  std::size_t n = 0;
  for (std::string_view* text : {&r.method, &r.path, &r.model, &r.response_model, &r.session_id, &r.service_tier_asked,
                                 &r.service_tier, &r.inference_geo, &r.lineage.group_id, &r.lineage.thread_id,
                                 &r.lineage.run_id, &r.lineage.parent_checkpoint_id})
    scrub(*text, &fields_[n++]);
  if (!own_id) scrub(r.correlation_id, nullptr);
  for (std::size_t i = 0; i < request.size(); ++i) scrub(request[i].value, i < kHeaders ? &request_[i] : nullptr);
  for (std::size_t i = 0; i < response.size(); ++i) scrub(response[i].value, i < kHeaders ? &response_[i] : nullptr);
}

}  // namespace gw::pipeline
