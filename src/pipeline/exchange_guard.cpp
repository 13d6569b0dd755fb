#include <vector>

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/strings.h"
#include "pipeline/connection.h"
#include "pipeline/exchange.h"

namespace gw::pipeline {

using guard::Verdict;
using proxy::RelayEnd;

namespace {

/// Of a body that is judged between the turns of other connections.
constexpr std::size_t kSlice = 64 * 1024;

constexpr const char* kVerdictNames[guard::kVerdicts] = {"passed", "redacted", "refused", "uncertain", "found"};

std::vector<std::string_view> values_of(const http::Fields& fields, http::FieldId id) {
  std::vector<std::string_view> out;
  for (const http::Field& f : fields)
    if (f.id == id) out.push_back(f.value);
  return out;
}

}  // namespace

void each_judged(const Services& s, const std::function<void(std::string_view, std::string_view, std::int64_t)>& f) {
  for (std::size_t m = 0; m < guard::kModes; ++m)
    for (std::size_t v = 0; v < guard::kVerdicts; ++v)
      if (const std::int64_t n = s.guard_counters.requests[m][v]; n > 0)
        f(guard::to_string(static_cast<guard::Mode>(m)), kVerdictNames[v], n);
  for (std::size_t m = 0; m < guard::kAnswerModes; ++m)
    for (std::size_t v = 0; v < guard::kVerdicts; ++v)
      if (const std::int64_t n = s.guard_counters.answers[m][v]; n > 0)
        f("response_" + std::string(guard::to_string(static_cast<guard::AnswerMode>(m))), kVerdictNames[v], n);
}

std::map<std::string, std::int64_t> guard_figures(const Services& s) {
  std::map<std::string, std::int64_t> out;
  each_judged(s, [&](std::string_view mode, std::string_view verdict, std::int64_t n) {
    out.emplace(std::string(mode).append("_").append(verdict), n);
  });
  return out;
}

/// Whether the policy has this request looked at before it goes on. Sets policy_ as it holds for the guard, which knows
/// no organisation of callers without a key.
bool Exchange::guarded() {
  policy_ = snapshot_.policies.resolve({.org_id = identity_ != nullptr ? std::string_view(identity_->org_id) : "",
                                        .workspace_id = tenant_workspace(),
                                        .key_id = identity_ != nullptr ? std::string_view(identity_->key_id) : "",
                                        .provider = route_->name,
                                        .path = target_.path()});
  guard_mode_ = policy_.mode;
  return guard::guards_requests(guard_mode_) && (head_.body != http::BodyKind::none || head_.upgrade);
}

/// Nothing is read of a body that is refused for what its head says.
net::Task<RelayEnd> Exchange::hold_for_guard() {
  if (head_.upgrade || !unreadable().empty()) co_return RelayEnd::complete;
  const std::size_t most = snapshot_.request_guard->max_body();
  // Chunks bring their framing along.
  co_return co_await hold_body(head_.body == http::BodyKind::chunked ? most + most / 4 + 4096 : most);
}

std::string Exchange::unreadable() const {
  return snapshot_.request_guard->unreadable(values_of(head_.fields, http::FieldId::content_type),
                                             values_of(head_.fields, http::FieldId::content_encoding));
}

/// Judges the held body and replaces it where the policy says so. False: the request is refused.
net::Task<bool> Exchange::guard_request() {
  judgement_ = std::make_unique<guard::Judgement>();
  const auto unsure = [this](std::string why) {
    judgement_->verdict = Verdict::unsure;
    judgement_->error = std::move(why);
  };
  if (head_.upgrade) {
    unsure("upgraded connections cannot be inspected");
    if (refuses_upgrade()) co_return false;
  } else if (std::string why = unreadable(); !why.empty()) {
    unsure(std::move(why));
  } else if (held_ && held_->state == HeldBody::State::malformed) {
    judgement_.reset();  // of which the relay says so
    co_return true;
  } else if (const auto content = held_content(snapshot_.request_guard->max_body()); !content) {
    unsure(snapshot_.request_guard->too_long());
  } else {
    observe_held(*content);
    const http::Field* type = http::find(head_.fields, http::FieldId::content_type);
    guard::RequestGuard::Case open(*snapshot_.request_guard, guard_mode_,
                                   type != nullptr ? type->value : std::string_view(), *content, tenant_workspace());
    while (!open.step(kSlice)) co_await connection_.waiter().yield();
    *judgement_ = std::move(open.judgement());
    if (judgement_->verdict == Verdict::replace)
      replace_held(std::move(judgement_->replacement));
    else if (judgement_->verdict == Verdict::pass && guard_mode_ != guard::Mode::observe &&
             head_.body == http::BodyKind::chunked)
      replace_held(std::string(*content));  // it goes on with its length
  }
  services_.guard_counters
      .requests[static_cast<std::size_t>(guard_mode_)][static_cast<std::size_t>(judgement_->verdict)]
      .fetch_add(1, std::memory_order_relaxed);
  if (guard_mode_ == guard::Mode::observe) {
    if (judgement_->verdict == Verdict::found)
      log_guarded("pii guardrail observed request", guard::to_string(guard_mode_), "pii_detected", judgement_->counts,
                  {});
    co_return true;
  }
  co_return judgement_->verdict == Verdict::pass || judgement_->verdict == Verdict::replace;
}

/// Leaves a trace with what the client sent, as far as it was read.
net::Task<bool> Exchange::refuse_guarded() {
  const bool blocked = judgement_->verdict == Verdict::refuse;
  log_guarded("pii guardrail denied request", guard::to_string(guard_mode_),
              blocked ? "pii_detected" : "policy_evaluation_failed", judgement_->counts, judgement_->error);
  LocalAnswer a = blocked ? LocalAnswer::error(403, "request blocked by pii policy")
                          : LocalAnswer::error(503, "request denied by pii guardrail policy uncertainty");
  if (!blocked) a.headers.emplace_back("x-should-retry", "false");  // the same request is judged the same way
  status_ = a.status;
  local_ = &a;
  co_await offer_patiently(Outcome::refused_by_guard);
  local_ = nullptr;
  held_.reset();
  co_return co_await answer(a);
}

void Exchange::log_guarded(const char* message, std::string_view mode, const char* reason, const guard::Counts& found,
                           std::string_view error) {
  auto line = worker_.log.warn(message);
  line.field("mode", mode).field("reason", reason).field("method", head_.method).field("path", target_.path());
  line.field("correlation_id", correlation_id_);
  if (identity_ != nullptr) {
    if (!identity_->org_id.empty()) line.field("org_id", identity_->org_id);
    if (!identity_->workspace_id.empty()) line.field("workspace_id", identity_->workspace_id);
    if (!identity_->key_id.empty()) line.field("key_id", identity_->key_id);
  }
  std::string counts;
  JsonWriter w(counts, JsonEscape::logs);
  w.begin_object();
  bool any = false;
  for (std::size_t k = 0; k < guard::kKinds; ++k) {
    if (found[k] == 0) continue;
    w.field(snapshot_.kind_names.count_key(static_cast<guard::Kind>(k)), static_cast<std::int64_t>(found[k]));
    any = true;
  }
  w.end_object();
  if (any) line.object("redaction_counts", counts);
  if (!error.empty()) line.field("error", error);
  span_.name(line, ExchangeSpan::Part::auth);
}

/// What a provider says on an upgraded connection is not looked at.
bool Exchange::refuses_upgrade() const {
  return head_.upgrade && snapshot_.answers != nullptr && snapshot_.answers->mode != guard::AnswerMode::observe;
}

/// What an answer goes through on its way to the client; null: nothing.
http::BodyFilter* Exchange::answer_filter() {
  if (snapshot_.answers == nullptr) return usage_filter_.get();
  const AnswerPolicy& policy = *snapshot_.answers;
  answer_guard_ =
      std::make_unique<guard::AnswerGuard>(policy.redactor, policy.mode, tenant_workspace(), policy.max_body);
  if (usage_filter_ == nullptr) return answer_guard_.get();
  filters_.set(usage_filter_.get(), answer_guard_.get());
  return &filters_;
}

void Exchange::begin_answer_guard(const http::ResponseHead& head) {
  std::string_view type;
  bool encoded = false;
  for (const http::Field& f : head.fields) {
    if (f.id == http::FieldId::content_type) type = f.value;
    if (f.id == http::FieldId::content_encoding) encoded = !f.value.empty() && !iequals(f.value, "identity");
  }
  // What does not say what it is may be text; what cannot be read of it is not passed on.
  answer_guard_->begin(trim(type).empty() || guard::is_text_type(type), usage_reader_.streaming(), encoded);
}

/// Tells of an answer once: when the whole of it has been through, or when it ends before.
void Exchange::note_answer() {
  const guard::AnswerGuard& a = *answer_guard_;
  if (std::exchange(answer_noted_, true)) return;
  if (const int refusal = a.refusal(); refusal != 0 && !usage_reader_.streaming()) status_ = refusal;
  const guard::AnswerMode mode = snapshot_.answers->mode;
  const Verdict verdict = a.refused()                          ? Verdict::refuse
                          : !a.error().empty()                 ? Verdict::unsure
                          : !a.found()                         ? Verdict::pass
                          : mode == guard::AnswerMode::observe ? Verdict::found
                                                               : Verdict::replace;
  services_.guard_counters.answers[static_cast<std::size_t>(mode)][static_cast<std::size_t>(verdict)].fetch_add(
      1, std::memory_order_relaxed);
  const bool denied = verdict == Verdict::refuse || a.unsure();
  if (!denied && verdict != Verdict::found) return;
  log_guarded(denied ? "pii guardrail denied response" : "pii guardrail observed response", guard::to_string(mode),
              verdict == Verdict::unsure ? "policy_evaluation_failed" : "pii_detected", a.counts(), a.error());
}

}  // namespace gw::pipeline
