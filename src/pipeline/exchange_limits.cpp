#include <algorithm>

#include "base/clock.h"
#include "base/strings.h"
#include "pipeline/connection.h"
#include "pipeline/exchange.h"
#include "provider/pricing.h"

namespace gw::pipeline {

using limits::Measure;
using limits::Subject;
using proxy::RelayEnd;

namespace {

constexpr std::int64_t kBytesPerToken = 4;
/// What a request says of its answer is not believed beyond this: it would shut out everybody else until it ends.
constexpr std::int64_t kMostOutput = 1'000'000;
constexpr std::int64_t kMostChoices = 128;

void count_one(std::atomic<std::int64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

std::map<std::string, std::int64_t> limit_figures(const Services& s) {
  std::map<std::string, std::int64_t> out;
  const auto snapshot = s.snapshot();
  if (snapshot->limiter() == nullptr) return out;
  std::int64_t all = 0;
  for (std::size_t m = 0; m < limits::kMeasures; ++m)
    for (std::size_t u = 0; u < limits::kSubjects; ++u) {
      const std::int64_t n = s.limit_counters.refused[m][u];
      all += n;
      const limits::Denial denial{.subject = static_cast<Subject>(u), .measure = static_cast<Measure>(m)};
      if (n > 0) out.emplace(denial.code(), n);
    }
  out.emplace("refused_total", all);
  out.emplace("unavailable_total", s.limit_counters.unavailable);
  out.emplace("over_max_bytes_total", s.limit_counters.over_max_bytes);
  if (snapshot->leases() != nullptr) out.merge(snapshot->leases()->figures());
  if (snapshot->limiting->follower_figures) out.merge(snapshot->limiting->follower_figures());
  if (snapshot->limiter()->knows_models()) out.emplace("MODEL_LIMIT_BODY_TOO_LARGE", s.limit_counters.model_unseen);
  return out;
}

bool Exchange::spends_tokens() const {
  return generates_text_ || (head_.method == "POST" && target_.path().ends_with("/embeddings"));
}

/// A request whose body may say which model it is for. Those of forms, which files come in, are not looked at.
bool Exchange::names_model() const {
  if (head_.method != "POST" || head_.body == http::BodyKind::none) return false;
  const http::Field* type = http::find(head_.fields, http::FieldId::content_type);
  return type == nullptr || !iequals(trim(type->value).substr(0, 10), "multipart/");
}

/// Of the body, as far as it was held. False: it should name its model and cannot be looked at.
bool Exchange::read_held_for_limits() {
  if (const auto content = held_content(snapshot_.limit_options.hold_max_bytes)) {
    observe_held(*content);
    return true;
  }
  return !snapshot_.limiter()->knows_models() || !names_model() ||
         (held_ && held_->state == HeldBody::State::malformed);  // of which the relay says so
}

const limits::ModelMeters* Exchange::limited_model() const {
  if (!snapshot_.limiter()->knows_models()) return nullptr;
  if (head_.upgrade) return snapshot_.limiter()->model(route::query_value(target_.raw_query, "model"));
  return names_model() ? snapshot_.limiter()->model(request_reader_.model()) : nullptr;
}

/// A body that the guard has held may have taken minutes to come.
limits::Moment Exchange::permit_moment() const {
  return held_ ? limits::Moment{.wall_ns = wall_now_ns(), .mono_ns = mono_now_ns()}
               : limits::Moment{.wall_ns = started_wall_ns_, .mono_ns = started_mono_ns_};
}

/// Null: nothing can be said about this key.
const limits::MetersPtr& Exchange::key_meters(const limits::Moment& now) {
  const limits::KeyPlace place{keys_->view->authorizer().serial(), identity_->index};
  if (const limits::MetersPtr* const known = mine_->meters.known(place)) return *known;
  return mine_->meters.find(*snapshot_.limiter(), place, identity_->org_id, identity_->workspace_id, identity_->key_id,
                            identity_->limits, now);
}

/// The body has to be looked at before anything is taken.
bool Exchange::permit_needs_body(const limits::Meters& meters) const {
  return (meters.steps.tokens && head_.body != http::BodyKind::none && spends_tokens()) ||
         (snapshot_.limiter()->knows_models() && names_model());
}

limits::Spend Exchange::estimate_for(const limits::Meters& meters, const limits::ModelMeters* model,
                                     const std::optional<std::string_view>& content) {
  const bool tokens = meters.steps.tokens || (model != nullptr && model->steps.tokens);
  if (!tokens || !spends_tokens()) return {};
  return estimate_spend(content, meters.steps.money || (model != nullptr && model->steps.money));
}

/// take_permit() for most requests, which wait for nothing: their body came with the head, and nobody need be asked.
/// False: nothing was taken.
bool Exchange::take_permit_at_once(Limited& limited) {
  if (snapshot_.leases() != nullptr) return false;
  const limits::Moment now = permit_moment();
  const limits::MetersPtr& meters = key_meters(now);
  if (meters == nullptr) {
    limited.unavailable = true;
    return true;
  }
  std::optional<std::string_view> content;
  if (permit_needs_body(*meters)) {
    content = content_that_came(snapshot_.limit_options.hold_max_bytes);
    if (!content) return false;
    observe_held(*content);
  }
  const limits::ModelMeters* const model = snapshot_.limiter()->knows_models() ? limited_model() : nullptr;
  limited.denial = snapshot_.limiter()->take(meters, model, estimate_for(*meters, model, content), now, permit_);
  write_standing(*meters, model, now);
  return true;
}

/// What is returned other than `complete`: the client did not send its request, and nothing was taken.
net::Task<RelayEnd> Exchange::take_permit(Limited& limited) {
  const limits::Limiter& limiter = *snapshot_.limiter();
  limits::Moment now = permit_moment();
  const limits::MetersPtr meters = key_meters(now);
  if (meters == nullptr) {
    limited.unavailable = true;
    co_return RelayEnd::complete;
  }
  if (permit_needs_body(*meters)) {
    limited.denial = limiter.look(*meters, now);
    if (limited.denial) {  // a body that is refused anyway is not read
      limiter.count_refused(*meters, *limited.denial, now);
      write_standing(*meters, nullptr, now);
      co_return RelayEnd::complete;
    }
    const std::size_t most = snapshot_.limit_options.hold_max_bytes;
    if (!hold_what_came(most)) {
      const RelayEnd end = co_await hold_body(most);
      if (end != RelayEnd::complete) co_return end;
      now = {.wall_ns = wall_now_ns(), .mono_ns = mono_now_ns()};
    }
    limited.model_unseen = !read_held_for_limits();
    if (limited.model_unseen) co_return RelayEnd::complete;
  }
  const limits::ModelMeters* const model = limited_model();
  const limits::Spend estimate = estimate_for(*meters, model, held_content(snapshot_.limit_options.hold_max_bytes));
  limited.denial = limiter.take(meters, model, estimate, now, permit_);
  // Others may take what was fetched for this one; it is fair enough to try a few times.
  for (int round = 0; round < 3 && limited.denial && limited.denial->short_of_share; ++round) {
    if (!co_await await_share(*meters, model, estimate, now)) break;
    now = {.wall_ns = wall_now_ns(), .mono_ns = mono_now_ns()};
    limited.denial = limiter.take(meters, model, estimate, now, permit_);
  }
  if (snapshot_.leases() != nullptr) snapshot_.leases()->look();
  write_standing(*meters, model, now);
  co_return RelayEnd::complete;
}

/// One question about all that is missing. False: there is nobody to ask, or it is no use.
net::Task<bool> Exchange::await_share(const limits::Meters& meters, const limits::ModelMeters* model,
                                      const limits::Spend& estimate, const limits::Moment& now) {
  if (snapshot_.leases() == nullptr) co_return false;
  std::vector<limits::Wish> wishes;
  if (!snapshot_.limiter()->wishes(meters, model, estimate, now, wishes)) co_return false;
  if (wishes.empty()) co_return true;  // filled meanwhile
  net::Waiter& waiter = connection_.waiter();
  const auto question = snapshot_.leases()->ask(std::move(wishes), waiter);
  if (!question) co_return false;
  waiter.set_deadline(worker_.loop.now_ns() + LeaseDesk::kPatienceNs);
  while (!question->answered && !connection_.socket().was_cut() && !waiter.expired()) co_await waiter.wait();
  if (question->answered) co_return true;
  question->waiter = nullptr;
  co_return false;
}

void Exchange::write_standing(const limits::Meters& meters, const limits::ModelMeters* model,
                              const limits::Moment& now) {
  const auto left = [&](Measure measure) -> std::optional<limits::Standing> {
    if (!meters.steps.have(measure) && model == nullptr) return std::nullopt;
    return snapshot_.limiter()->standing(meters, model, measure, now);
  };
  const std::optional<limits::Standing> tokens = left(Measure::minute_tokens);
  if (const auto& seen = permit_.requests_left())
    buffers_.rate_limits.show(seen, tokens);
  else
    buffers_.rate_limits.show(left(Measure::requests), tokens);
}

/// Of a body that is not held only the length is known, and not the price.
limits::Spend Exchange::estimate_spend(const std::optional<std::string_view>& content, bool money) {
  const LimitOptions& options = snapshot_.limit_options;
  std::size_t bytes = head_.body == http::BodyKind::length ? static_cast<std::size_t>(head_.content_length) : 0;
  if (content) {
    bytes = content->size();
  } else if (head_.body != http::BodyKind::none) {
    if (head_.body == http::BodyKind::chunked) bytes = options.hold_max_bytes;
    count_one(services_.limit_counters.over_max_bytes);
  }
  std::int64_t output = 0;
  if (generates_text_) {
    const std::int64_t asked = request_reader_.max_output_tokens();
    output = asked < 0 ? options.default_output_reserve : std::min(asked, kMostOutput);
    output *= std::clamp<std::int64_t>(request_reader_.choices(), 1, kMostChoices);
  }
  const std::int64_t input = static_cast<std::int64_t>(bytes) / kBytesPerToken;
  limits::Spend estimate{.tokens = input + output};
  if (const std::string_view model = request_reader_.model(); money && !model.empty())
    estimate.cost_nano_usd = mine_->prices.nano_usd(snapshot_.prices, route_->index,
                                                    {.route = route_->name,
                                                     .model = model,
                                                     .service_tier = request_reader_.service_tier(),
                                                     .at_ns = started_wall_ns_},
                                                    input, output);
  return estimate;
}

net::Task<bool> Exchange::refuse_limited(const auth::Decision& admitted, const Limited& limited) {
  auth::Decision decision = admitted;
  LocalAnswer a;
  a.headers.emplace_back("Content-Type", "application/json");
  if (limited.model_unseen) {
    count_one(services_.limit_counters.model_unseen);
    a.status = 413;
    a.body = "{\"code\":\"MODEL_LIMIT_BODY_TOO_LARGE\",\"error\":\"request body too large for a limit on models\"}\n";
    decision.reason = "usage_limit_check_unavailable";
  } else if (!limited.denial) {
    count_one(services_.limit_counters.unavailable);
    a.status = 503;
    a.body = "{\"error\":\"gateway usage limit check unavailable\"}\n";
    decision.reason = "usage_limit_check_unavailable";
  } else {
    const limits::Denial& denial = *limited.denial;
    count_one(services_.limit_counters
                  .refused[static_cast<std::size_t>(denial.measure)][static_cast<std::size_t>(denial.subject)]);
    a.status = 429;
    a.body = denial.body();
    a.header_lines = buffers_.rate_limits.text();
    if (denial.retry_after_s > 0) a.headers.emplace_back("Retry-After", std::to_string(denial.retry_after_s));
    if (denial.lasting) a.headers.emplace_back("x-should-retry", "false");
    decision.reason = "usage_limit_exceeded";
  }
  decision.status = static_cast<std::uint16_t>(a.status);
  log_denial(decision, limited.model_unseen ? std::string_view("MODEL_LIMIT_BODY_TOO_LARGE")
                       : limited.denial     ? limited.denial->code()
                                            : std::string_view());
  co_return co_await answer(a);
}

/// With the trace, so that a client that has its answer finds it counted.
void Exchange::settle_permit(const ExchangeRecord& r) {
  const bool outdated = worker_.snapshot().limiting != snapshot_.limiting;
  if (!permit_.held() && !outdated) return;
  const bool unknown = r.usage.estimated && r.usage.total_tokens == 0;
  limits::Spend spent{.tokens = r.usage.total_tokens, .cost_nano_usd = r.cost.nano_usd};
  if (unknown) spent = permit_.reserved();
  if (permit_.held()) {
    const limits::Limiter& limiter = *snapshot_.limiter();
    const auto crossings = permit_.settle(spent, limiter.knows_models() ? limiter.model(r.model) : nullptr);
    if (!crossings.empty()) log_crossings(crossings);
  }
  if (outdated) count_late(spent, r);
  permit_.end();
  if (snapshot_.leases() != nullptr) snapshot_.leases()->look();
}

/// Limits of a reload since this request began count what it spends, too.
void Exchange::count_late(const limits::Spend& spent, const ExchangeRecord& r) {
  const std::shared_ptr<Limiting>& now = worker_.snapshot().limiting;
  if (now == nullptr || snapshot_.limiter() == nullptr || identity_ == nullptr || spent == limits::Spend{}) return;
  const limits::MetersPtr meters = now->limiter.meters_of(identity_->org_id, identity_->workspace_id, identity_->key_id,
                                                          {.wall_ns = wall_now_ns(), .mono_ns = mono_now_ns()});
  if (meters == nullptr) return;
  log_crossings(now->limiter.count_late(*meters, now->limiter.model(r.model), permit_,
                                        snapshot_.limiter()->model(r.model), spent, r.started_at_ns));
  if (now->leases != nullptr) now->leases->look();
}

/// Of a WebSocket, which holds its permit until it ends.
void Exchange::charge_permit(const ExchangeRecord& r) {
  const limits::Spend spent{.tokens = r.usage.total_tokens, .cost_nano_usd = r.cost.nano_usd};
  if (permit_.held()) log_crossings(permit_.charge(spent, snapshot_.limiter()->model(r.model), r.started_at_ns));
  if (worker_.snapshot().limiting != snapshot_.limiting) count_late(spent, r);
}

void Exchange::log_crossings(const limits::Crossings& crossings) {
  for (const limits::Crossing& c : crossings) {
    const limits::CrossingText text = limits::text_of(c);
    auto line = worker_.log.warn("usage limit threshold reached");
    line.field("percent", c.percent)
        .field("limit", text.limit)
        .field("spent", text.spent)
        .field("threshold", text.threshold)
        .field("org_id", c.subject == Subject::model ? std::string_view() : identity_->org_id)
        .field("workspace_id", c.subject >= Subject::org ? std::string_view() : identity_->workspace_id)
        .field("key_id", c.subject == Subject::key ? std::string_view(identity_->key_id) : std::string_view())
        .field("correlation_id", correlation_id_);
    span_.name(line, ExchangeSpan::Part::auth);
  }
}

}  // namespace gw::pipeline
