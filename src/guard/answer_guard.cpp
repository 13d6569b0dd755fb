#include "guard/answer_guard.h"

#include <algorithm>
#include <limits>

#include "base/strings.h"
#include "guard/body_run.h"

namespace gw::guard {
namespace {

constexpr const char* kBlocked = "response blocked by pii policy";
constexpr const char* kUnsure = "response denied by pii guardrail policy uncertainty";

std::size_t line_end(std::string_view s, std::size_t from) { return find_either<'\n', '\r'>(s, from); }

/// Behind the next blank line at or after `from`, or npos.
std::size_t event_end(std::string_view s, std::size_t from) {
  for (std::size_t i = line_end(s, from); i != npos; i = line_end(s, i)) {
    // Whether another line end follows a CR is known when the next byte is.
    const bool crlf = s[i] == '\r' && i + 1 < s.size() && s[i + 1] == '\n';
    const std::size_t next = i + (crlf ? 2 : 1);
    if (next >= s.size()) return npos;
    if (s[next] == '\n') return next + 1;
    if (s[next] == '\r') return next + 1 < s.size() ? next + (s[next + 1] == '\n' ? 2 : 1) : npos;
    i = next;
  }
  return npos;
}

}  // namespace

std::string_view to_string(AnswerMode mode) {
  constexpr std::string_view kNames[kAnswerModes] = {"off", "observe", "redact", "block"};
  return kNames[static_cast<std::size_t>(mode)];
}

std::optional<AnswerMode> parse_answer_mode(std::string_view name) {
  for (const AnswerMode mode : {AnswerMode::off, AnswerMode::observe, AnswerMode::redact, AnswerMode::block})
    if (name == to_string(mode)) return mode;
  return std::nullopt;
}

AnswerGuard::AnswerGuard(const BodyRedactor& redactor, AnswerMode mode, std::string_view workspace_id,
                         std::size_t max_body)
    : redactor_(redactor), mode_(mode), workspace_id_(workspace_id), max_body_(max_body) {}
AnswerGuard::AnswerGuard(AnswerGuard&&) noexcept = default;
AnswerGuard::~AnswerGuard() = default;

void AnswerGuard::begin(bool is_text, bool events, bool encoded) {
  active_ = is_text && mode_ != AnswerMode::off;
  events_ = events;
  if (!active_ || !encoded) return;
  if (mode_ == AnswerMode::observe)
    active_ = false;
  else
    error_ = "response has a content encoding";
}

int AnswerGuard::refusal() const {
  if (state_ == State::refused) return 403;
  return state_ == State::unsure ? 503 : 0;
}

void AnswerGuard::give_up(std::string why, std::string& out) {
  error_ = std::move(why);
  if (mode_ == AnswerMode::observe) {  // goes on as it came, uncounted
    active_ = false;
    std::string().swap(held_);
    return;
  }
  state_ = State::unsure;
  std::string().swap(held_);
  if (events_) end_stream(kUnsure, out);
}

/// Clients of the providers know an event with an error.
void AnswerGuard::end_stream(std::string_view message, std::string& out) {
  out.append("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"pii_policy\",\"message\":\"")
      .append(message)
      .append("\"}}\n\n");
}

void AnswerGuard::take(const BodyRedactor::Outcome& outcome) {
  for (std::size_t k = 0; k < kKinds; ++k) counts_[k] += outcome.counts[k];
  found_ = found_ || outcome.changed;
}

void AnswerGuard::push(std::string_view bytes, std::string& out) {
  // Answers may come byte by byte: nearly all of them have only to be kept.
  if (bytes.size() > small_room_) return push_on(bytes, out);
  char* to = small_.data() + small_size_;
  for (const char c : bytes) {
    if (c == '\n' || c == '\r' || c == '\0') return push_on(bytes, out);
    *to++ = c;
  }
  small_size_ += bytes.size();
  small_room_ -= bytes.size();
}

void AnswerGuard::push_on(std::string_view bytes, std::string& out) {
  const std::size_t nul = bytes.find('\0');
  if (nul == npos) return hold(bytes, out);
  hold(bytes.substr(0, nul), out);
  std::string unused;
  if (mode_ == AnswerMode::observe) out.append(bytes, nul);
  if (active_ && state_ == State::open)
    give_up("redact response body: it holds NUL bytes", mode_ == AnswerMode::observe ? unused : out);
}

void AnswerGuard::hold(std::string_view bytes, std::string& out) {
  hold_small();
  if (mode_ == AnswerMode::observe) out.append(bytes);
  if (!active_ || state_ != State::open) return;
  if (!error_.empty() || held_.size() + bytes.size() > max_body_) return cannot_hold(out);
  // Whether a CR ends a line by itself is known when the next byte is.
  const bool may_end = held_.ends_with('\r') || line_end(bytes, 0) != npos;
  held_.append(bytes);
  if (events_ && may_end && more_events() && held_.size() >= look_at_) {
    std::string unused;
    look(false, mode_ == AnswerMode::observe ? unused : out);
  }
  if (mode_ != AnswerMode::observe && state_ == State::open && error_.empty() && !held_.ends_with('\r'))
    small_room_ = std::min(small_.size(), max_body_ - std::min(max_body_, held_.size()));
}

void AnswerGuard::hold_small() {
  held_.append(small_.data(), small_size_);
  small_size_ = small_room_ = 0;
}

void AnswerGuard::cannot_hold(std::string& out) {
  std::string unused;
  std::string& to = mode_ == AnswerMode::observe ? unused : out;
  if (!error_.empty()) return give_up(error_, to);
  give_up("response body exceeds pii inspection limit (" + std::to_string(max_body_) + " bytes)", to);
}

void AnswerGuard::finish(std::string& out) {
  hold_small();
  std::string unused;
  std::string& to = mode_ == AnswerMode::observe ? unused : out;
  if (active_ && state_ == State::open && !error_.empty()) give_up(error_, to);
  if (active_ && state_ == State::open && events_) look(true, to);
  if (active_ && state_ == State::open && !events_) {
    std::string redacted;
    const auto outcome = redactor_.redact(held_, workspace_id_, redacted);
    if (outcome.failed) {
      give_up(std::string("redact response body: ") + outcome.error, to);
    } else {
      take(outcome);
      if (outcome.changed && mode_ == AnswerMode::block)
        state_ = State::refused;
      else
        to.append(outcome.changed ? redacted : held_);
    }
  }
  if (!events_ && mode_ != AnswerMode::observe && refusal() != 0)
    out.assign("{\"error\":\"").append(state_ == State::refused ? kBlocked : kUnsure).append("\"}\n");
  active_ = active_ && state_ == State::open;
  std::string().swap(held_);
}

/// Whether more of them are whole than when it was looked last. No byte is scanned twice.
bool AnswerGuard::more_events() {
  constexpr std::size_t kEnd = 4;  // of an event: two line ends of two bytes
  const std::size_t before = whole_;
  for (std::size_t end = event_end(held_, std::max(whole_, scanned_)); end != npos; end = event_end(held_, whole_))
    whole_ = end;
  scanned_ = held_.size() - std::min(held_.size(), kEnd - 1);
  unlooked_ = unlooked_ || whole_ > before;
  return unlooked_;
}

void AnswerGuard::look(bool ended, std::string& out) {
  unlooked_ = false;
  const std::size_t whole = ended ? held_.size() : whole_;
  if (whole == 0) return;
  const std::string_view events = std::string_view(held_).substr(0, whole);
  window_.ended = ended;
  window_.open_from = npos;
  window_.words.clear();
  if (run_ == nullptr)
    run_ = std::make_unique<BodyRun>(redactor_, events, workspace_id_, BodyFormat{}, &window_);
  else
    run_->restart(events);
  run_->step(std::numeric_limits<std::size_t>::max() / 2);
  if (run_->error() != nullptr) return give_up(std::string("redact response body: ") + run_->error(), out);
  Redaction& redaction = run_->redaction();
  for (std::size_t k = 0; k < kKinds; ++k) counts_[k] += redaction.counts()[k];
  found_ = found_ || redaction.changed();
  if (redaction.changed() && mode_ == AnswerMode::block) {
    state_ = State::refused;
    std::string().swap(held_);
    return end_stream(kBlocked, out);
  }
  // Events before the one in which the first open end begins may go.
  std::size_t go = 0;
  for (std::size_t end = event_end(events, 0); end != npos && end <= window_.open_from; end = event_end(events, go))
    go = end;
  if (ended) go = whole;
  for (const EventWindow::Word& w : window_.words) {
    if (w.begin >= go) continue;
    if (w.ends_inside)
      window_.inside.insert(w.key);
    else if (w.begin < w.end)
      window_.inside.erase(w.key);
  }
  whole_ = whole;
  if (redaction.changed()) {
    std::string redacted;
    Moves moves;
    redaction.apply(redacted, &moves);
    window_.texts.move(moves);
    go = moves(static_cast<std::uint32_t>(go));
    whole_ = redacted.size();
    redacted.append(held_, whole);
    held_ = std::move(redacted);
  }
  if (redaction.changed_text()) {  // what stays is read again as a whole
    window_.texts = StreamedTexts();
    window_.read = 0;
  } else {
    window_.texts.drop(go);
    window_.read = whole_ - go;
  }
#ifdef GW_PLANT_BUG
  out.append(held_, 0, go > 100 ? go - 1 : go);
#else
  out.append(held_, 0, go);
#endif
  held_.erase(0, go);
  whole_ -= go;
  scanned_ = 0;
  constexpr std::size_t kUsual = 64 << 10;
  if (whole > kUsual) run_.reset();  // and its memory
  // The texts of what stays are searched again each time: where that is more than a few events, only when it has grown
  // by half.
  constexpr std::size_t kOften = 1024;
  look_at_ = whole_ > kOften ? held_.size() + whole_ / 2 : 0;
}

}  // namespace gw::guard
