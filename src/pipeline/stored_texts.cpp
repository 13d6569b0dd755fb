#include "pipeline/stored_texts.h"

#include <utility>

#include "telemetry/scrub.h"

namespace gw::pipeline {

void StoredTexts::scrub(std::string_view& text) {
  std::string scratch;
  if (telemetry::scrub(text, scratch).data() == text.data()) return;
  text = kept_.emplace_back(std::move(scratch));
}

void StoredTexts::scrub(ExchangeRecord& r, std::span<HeaderView> request, std::span<HeaderView> response) {
  kept_.clear();
  all_.clear();
  const auto each = [&](auto&& see) {
    for (std::string_view* text : {&r.method, &r.path, &r.model, &r.response_model, &r.correlation_id, &r.session_id,
                                   &r.service_tier_asked, &r.service_tier, &r.inference_geo, &r.lineage.group_id,
                                   &r.lineage.thread_id, &r.lineage.run_id, &r.lineage.parent_checkpoint_id})
      see(*text);
    for (HeaderView& h : request) see(h.value);
    for (HeaderView& h : response) see(h.value);
  };
  // One look over all of them, a line each, costs half of one at each.
  each([this](std::string_view text) {
    if (text.size() >= telemetry::kShortestCredential) all_.append(text).push_back('\n');
  });
  if (!telemetry::may_hold_credential(all_)) [[likely]]
    return;
  each([this](std::string_view& text) { scrub(text); });
}

}  // namespace gw::pipeline
