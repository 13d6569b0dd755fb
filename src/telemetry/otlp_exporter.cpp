#include "telemetry/otlp_exporter.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <bit>

#include "base/random.h"
#include "telemetry/otlp_answer.h"
#include "telemetry/otlp_metrics.h"

namespace gw::telemetry::otlp {
namespace {

constexpr std::size_t kMostBatchBytes = std::size_t{2} << 20;
constexpr std::size_t kLeastLane = 64 * 1024;

void add(std::atomic<std::uint64_t>& counter, std::uint64_t n) {
  counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);  // one writer
}

}  // namespace

Exporter::Exporter(Settings settings, SpanOptions spans, std::size_t producers, ExporterHooks hooks)
    : settings_(std::move(settings)),
      hooks_(std::move(hooks)),
      encoder_(spans),
      genai_(spans.resource, spans.scrub, spans.most_value_bytes),
      logs_(spans.resource, spans.scrub, spans.most_value_bytes),
      lane_bytes_(std::bit_floor(std::max(kLeastLane, settings_.queue_bytes / std::max<std::size_t>(1, producers)))),
      channels_(),
      wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  for (Channel& c : channels_) c.retry = RetryClock(hooks_.retry);
  queue(Signal::traces).delay_ms = settings_.span_delay_ms;
  queue(Signal::traces).batch = settings_.span_batch;
  Queue& logs = queue(Signal::logs);
  logs.delay_ms = settings_.log_delay_ms;
  logs.batch = settings_.log_batch;
  if (!settings_.of(Signal::logs).enabled) return;
  const std::size_t bytes = std::bit_floor(std::max(kLeastLane, settings_.log_queue_bytes));
  log_queue_ = std::make_unique<LogQueue>(bytes, bytes / 4, [this, &logs] { wake(logs); });
  logs.sources.push_back({&log_queue_->ring(), bytes / 4, [this](std::string_view line) { logs_.add(line); }});
}

Exporter::~Exporter() { stop(hooks_.clock.mono_ns()); }

SpanLane& Exporter::add_lane() {
  Queue& spans = queue(Signal::traces);
  const std::size_t wake_bytes = lane_bytes_ / 4;
  lanes_.push_back(
      std::make_unique<SpanLane>(lane_bytes_, settings_.sampling_ratio, wake_bytes, [this, &spans] { wake(spans); }));
  spans.sources.push_back(
      {&lanes_.back()->ring(), wake_bytes, [this](std::string_view record) { encoder_.add(SpanRecord(record)); }});
  return *lanes_.back();
}

GenAiLane& Exporter::add_genai_lane(Signal signal) {
  Queue& q = queue(signal);
  const std::size_t wake_bytes = lane_bytes_ / 4;
  auto& lanes = genai_lanes_[static_cast<std::size_t>(signal)];
  lanes.push_back(std::make_unique<GenAiLane>(lane_bytes_, wake_bytes, [this, &q] { wake(q); }));
  std::function<void(std::string_view)> encode = [this](std::string_view record) {
    genai_.add_span(GenAiRecord(record));
  };
  if (signal == Signal::logs)
    encode = [this](std::string_view record) {
      logs_.add_record(genai_.details(GenAiRecord(record)));
      if (const std::string failed = genai_.exception(GenAiRecord(record)); !failed.empty()) logs_.add_record(failed);
    };
  q.sources.push_back({&lanes.back()->ring(), wake_bytes, std::move(encode)});
  return *lanes.back();
}

void Exporter::start() {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // inherited by the thread: signals belong to main
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_setname_np(thread_.native_handle(), "export-otlp");
}

bool Exporter::stop(std::int64_t deadline_ns) {
  if (!thread_.joinable()) return true;
  if (hooks_.abort_at) hooks_.abort_at(deadline_ns);
  stop_at_ns_.store(std::max<std::int64_t>(1, deadline_ns));
  Queue& any = queues_.front();
  any.woken = false;
  wake(any);
  thread_.join();
  return all_taken_;
}

/// Any thread. A system call only when the exporter may rest.
void Exporter::wake(Queue& queue) {
  if (queue.woken.load(std::memory_order_relaxed) || queue.woken.exchange(true)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(wake_fd_.get(), &one, sizeof one);
}

/// Until then, or until it is woken.
void Exporter::rest(std::int64_t until_ns) {
  const std::int64_t ms = (until_ns - hooks_.clock.mono_ns() + kMs - 1) / kMs;
  pollfd p{.fd = wake_fd_.get(), .events = POLLIN, .revents = 0};
  ::poll(&p, 1, static_cast<int>(std::clamp<std::int64_t>(ms, 0, 60'000)));
  std::uint64_t count = 0;
  [[maybe_unused]] const auto n = ::read(wake_fd_.get(), &count, sizeof count);
}

void Exporter::run() {
  const std::int64_t began = hooks_.clock.mono_ns();
  for (Queue& q : queues_) q.due_ns = began + q.delay_ms * kMs;
  metrics_due_ns_ = began + settings_.metric_interval_ms * kMs;
  while (stop_at_ns_.load() == 0) {
    const std::int64_t now = hooks_.clock.mono_ns();
    std::int64_t next = now + 60'000 * kMs;
    if (settings_.of(Signal::metrics).enabled) next = std::min(next, export_metrics(now));
    for (const Signal signal : {Signal::traces, Signal::logs})
      if (settings_.of(signal).enabled && stop_at_ns_.load() == 0) next = std::min(next, export_queue(signal, now));
    for (const Signal signal : {Signal::traces, Signal::logs}) look_at_drops(signal, dropped_before(signal));
    rest(next);
  }
  last_flush();
}

/// When to look again.
std::int64_t Exporter::export_queue(Signal signal, std::int64_t now_ns) {
  Channel& c = channel(signal);
  Queue& q = queue(signal);
  if (now_ns < c.retry.not_before_ns()) return c.retry.not_before_ns();  // q.woken stays: producers need not wake us
  if (c.body.empty() && now_ns < q.due_ns && !q.holds_batch()) {
    q.woken = false;
    return q.holds_batch() ? now_ns : q.due_ns;
  }
  // After one that was given up the next waits as well.
  if (!c.body.empty() && (!attempt(signal, false) || c.retry.not_before_ns() > now_ns)) return c.retry.not_before_ns();
  // What came in while a request was on its way waits for company, unless that is together already; metrics have their
  // turn in between.
  do {
    if (!take_queued(signal)) break;
    if (!attempt(signal, false) || c.retry.not_before_ns() > now_ns) return c.retry.not_before_ns();
    if (settings_.of(Signal::metrics).enabled && hooks_.clock.mono_ns() >= metrics_due_ns_)
      return hooks_.clock.mono_ns();
  } while (stop_at_ns_.load(std::memory_order_relaxed) == 0 && q.holds_batch());
  q.due_ns = hooks_.clock.mono_ns() + q.delay_ms * kMs;
  q.woken = false;
  return q.holds_batch() ? now_ns : q.due_ns;
}

std::int64_t Exporter::export_metrics(std::int64_t now_ns) {
  Channel& c = channel(Signal::metrics);
  const std::int64_t due = std::max(metrics_due_ns_, c.retry.not_before_ns());
  const bool again = !c.body.empty() && now_ns >= c.retry.not_before_ns();
  if (!again && now_ns < due) return c.body.empty() ? due : std::max(now_ns, c.retry.not_before_ns());
  // Sums and histograms are cumulative: a later snapshot says all that one which was not taken said.
  take_metrics();
  while (metrics_due_ns_ <= now_ns) metrics_due_ns_ += settings_.metric_interval_ms * kMs;
  if (!c.body.empty() && !attempt(Signal::metrics, false)) return c.retry.not_before_ns();
  return std::max(metrics_due_ns_, c.retry.not_before_ns());
}

void Exporter::last_flush() {
  if (settings_.of(Signal::metrics).enabled) {
    take_metrics();
    if (Channel& c = channel(Signal::metrics); !c.body.empty() && !attempt(Signal::metrics, true)) {
      all_taken_ = false;
      drop(Signal::metrics, c.items, c.last_error);
    }
  }
  for (const Signal signal : {Signal::traces, Signal::logs})
    if (settings_.of(signal).enabled) flush_queue(signal);
}

void Exporter::flush_queue(Signal signal) {
  Channel& c = channel(signal);
  for (bool away = false; !c.body.empty() || take_queued(signal);) {
    if (!away && attempt(signal, true)) continue;
    away = true;
    all_taken_ = false;
    drop(signal, c.items, c.last_error);
    c.body.clear();
  }
}

/// Enough waits for a request of its own.
bool Exporter::Queue::holds_batch() const {
  return std::any_of(sources.begin(), sources.end(), [](const Source& s) { return s.ring->used() > s.wake_bytes; });
}

/// Records that found no room.
std::uint64_t Exporter::dropped_before(Signal signal) const {
  std::uint64_t dropped = 0;
  if (signal == Signal::traces)
    for (const auto& lane : lanes_) dropped += lane->dropped();
  else if (log_queue_)
    dropped = log_queue_->dropped();
  for (const auto& lane : genai_lanes_[static_cast<std::size_t>(signal)]) dropped += lane->dropped();
  return dropped;
}

void Exporter::look_at_drops(Signal signal, std::uint64_t dropped) {
  constexpr std::int64_t kSayAgainNs = 60'000 * kMs;
  Queue& q = queue(signal);
  const std::int64_t now = hooks_.clock.mono_ns();
  if (dropped == q.told_dropped || (q.told_at_ns != 0 && now - q.told_at_ns < kSayAgainNs)) return;
  if (hooks_.overflowed) hooks_.overflowed(signal, dropped - q.told_dropped);
  q.told_dropped = dropped;
  q.told_at_ns = now;
}

std::size_t Exporter::items_of(Signal signal) const {
  return signal == Signal::traces ? encoder_.spans() + genai_.spans() : logs_.records();
}
std::size_t Exporter::bytes_of(Signal signal) const {
  return signal == Signal::traces ? encoder_.bytes() + genai_.bytes() : logs_.bytes();
}
void Exporter::encode(Signal signal, Body& to) {
  if (signal != Signal::traces) return logs_.take(to);
  encoder_.take(to);
  to.pieces.back().append(genai_.take_spans());
}

/// The next request, of at most a batch and of every ring in turn. False: nothing waits.
bool Exporter::take_queued(Signal signal) {
  Queue& q = queue(signal);
  for (std::size_t empty = 0;
       empty < q.sources.size() && items_of(signal) < q.batch && bytes_of(signal) < kMostBatchBytes;) {
    const Source& source = q.sources[q.next];
    const std::string_view record = source.ring->front();
    if (record.data() == nullptr) {
      ++empty;
      q.next = (q.next + 1) % q.sources.size();
      continue;
    }
    empty = 0;
    source.encode(record);
    source.ring->pop();
  }
  Channel& c = channel(signal);
  c.items = items_of(signal);
  if (c.items == 0) return false;
  encode(signal, c.body);
  make_outgoing(signal, c.body);
  c.retry.begin_request();
  return true;
}

void Exporter::take_metrics() {
  Channel& c = channel(Signal::metrics);
  if (c.body.empty()) c.retry.begin_request();
  c.items = 1;
  c.body.assign(encode_metrics(hooks_.snapshot(), settings_.resource));
  make_outgoing(Signal::metrics, c.body);
}

void Exporter::make_outgoing(Signal signal, Body& protobuf) const {
  const Destination& to = settings_.of(signal);
  if (protobuf.empty() || (!to.json && !to.gzip)) return;
  std::string text = protobuf.text();
  if (to.json) text = to_json(signal, text);
  if (to.gzip) text = gzipped(text);
  protobuf.assign(text);
}

bool Exporter::attempt(Signal signal, bool last) {
  Channel& c = channel(signal);
  const Destination& to = settings_.of(signal);
  const std::int64_t began = hooks_.clock.mono_ns();
  std::int64_t timeout_ms = to.timeout_ms;
  if (last) timeout_ms = std::min(timeout_ms, (stop_at_ns_.load() - began) / kMs);
  const PostResult r = hooks_.post(to, c.body, timeout_ms);
  if (r.delivery == Delivery::taken) {
    const Rejected answer = read_rejected(signal, to.json, r.answer);
    const std::uint64_t rejected = std::min(answer.items, c.items);
    add(c.requests, 1);
    add(c.sent, c.items - rejected);
    c.last_taken_ns.store(hooks_.clock.wall_ns(), std::memory_order_relaxed);
    c.body.clear();
    c.retry.taken();
    if (rejected > 0)
      drop(signal, rejected, "the receiver rejected a part" + (answer.why.empty() ? "" : ": " + answer.why));
    else if (c.failing && hooks_.works_again)
      hooks_.works_again(signal, c.dropped_since);
    if (rejected == 0) {
      c.failing = false;
      c.dropped_since = 0;
    }
    return true;
  }
  add(c.failures, 1);
  c.last_error = r.error;
  if (r.delivery == Delivery::refused) {
    if (last) all_taken_ = false;
    drop(signal, c.items, r.error);
    c.body.clear();
    c.retry.begin_request();
    return true;
  }
  if (last) return false;
  const double jitter = static_cast<double>(random_u64() >> 11) / static_cast<double>(std::uint64_t{1} << 53);
  const bool again = c.retry.failed(hooks_.clock.mono_ns(), r.retry_after_ms * kMs, jitter);
  drop(signal, again ? 0 : c.items, r.error);
  if (!again) c.body.clear();
  return !again;
}

/// Counts them; says so where that was not said yet.
void Exporter::drop(Signal signal, std::uint64_t items, const std::string& error) {
  Channel& c = channel(signal);
  add(c.dropped, items);
  c.dropped_since += items;
  if (c.failing || error.empty()) return;
  c.failing = true;
  if (hooks_.failing) hooks_.failing(signal, error, items);
}

ExporterStats Exporter::stats() const {
  ExporterStats out;
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    const Channel& c = channels_[i];
    out.signals[i] = {.requests = c.requests.load(std::memory_order_relaxed),
                      .failures = c.failures.load(std::memory_order_relaxed),
                      .sent = c.sent.load(std::memory_order_relaxed),
                      .dropped = c.dropped.load(std::memory_order_relaxed),
                      .last_taken_ns = c.last_taken_ns.load(std::memory_order_relaxed)};
  }
  out.log_queue_dropped = dropped_before(Signal::logs);
  out.queue_dropped = dropped_before(Signal::traces);
  for (const auto& lane : lanes_) {
    out.queue_bytes += lane->queued_bytes();
    out.queue_capacity += lane->ring().capacity();
  }
  for (const auto& lane : genai_lanes_[static_cast<std::size_t>(Signal::traces)]) {
    out.queue_bytes += lane->queued_bytes();
    out.queue_capacity += lane->ring().capacity();
  }
  return out;
}

}  // namespace gw::telemetry::otlp
