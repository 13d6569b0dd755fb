#include "pipeline/stored_texts.h"

#include "telemetry/scrub.h"

namespace gw::pipeline {

void StoredTexts::scrub(std::string_view& text) {
  if (!telemetry::may_hold_credential(text)) [[likely]]
    return;
  std::string scratch;
  if (telemetry::scrub(text, scratch).data() == text.data()) return;
  text = kept_.emplace_back(std::move(scratch));
}

void StoredTexts::scrub(ExchangeRecord& r, std::span<HeaderView> request, std::span<HeaderView> response) {
  kept_.clear();
  for (std::string_view* text : {&r.method, &r.path, &r.model, &r.response_model, &r.correlation_id, &r.session_id,
                                 &r.service_tier_asked, &r.service_tier, &r.inference_geo, &r.lineage.group_id,
                                 &r.lineage.thread_id, &r.lineage.run_id, &r.lineage.parent_checkpoint_id})
    scrub(*text);
  for (HeaderView& h : request) scrub(h.value);
  for (HeaderView& h : response) scrub(h.value);
}

}  // namespace gw::pipeline
