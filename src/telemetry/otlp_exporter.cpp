#include "telemetry/otlp_exporter.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <bit>
#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>

#include "base/random.h"
#include "telemetry/otlp_metrics.h"

namespace gw::telemetry::otlp {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::size_t kMostBatchBytes = std::size_t{2} << 20;
constexpr std::size_t kLeastLane = 64 * 1024;

/// What the receiver says it did not take of a request that it took; garbage says nothing.
std::uint64_t rejected_items(std::string_view answer) {
  try {
    protozero::pbf_reader response(answer.data(), answer.size());
    while (response.next(1)) {
      protozero::pbf_reader partial = response.get_message();
      while (partial.next(1)) {
        const std::int64_t n = partial.get_int64();
        return n > 0 ? static_cast<std::uint64_t>(n) : 0;
      }
    }
  } catch (const protozero::exception&) {
    return 0;
  }
  return 0;
}

void add(std::atomic<std::uint64_t>& counter, std::uint64_t n) {
  counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);  // one writer
}

}  // namespace

Exporter::Exporter(Settings settings, SpanOptions spans, std::size_t producers, ExporterHooks hooks)
    : settings_(std::move(settings)),
      hooks_(std::move(hooks)),
      encoder_(std::move(spans)),
      lane_bytes_(std::bit_floor(std::max(kLeastLane, settings_.queue_bytes / std::max<std::size_t>(1, producers)))),
      wake_bytes_(lane_bytes_ / 4),
      channels_(),
      wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  for (Channel& c : channels_) c.retry = RetryClock(hooks_.retry);
}

Exporter::~Exporter() { stop(hooks_.clock.mono_ns()); }

SpanLane& Exporter::add_lane() {
  lanes_.push_back(std::make_unique<SpanLane>(lane_bytes_, settings_.sampling_ratio, wake_bytes_, [this] { wake(); }));
  return *lanes_.back();
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
  woken_ = false;
  wake();
  thread_.join();
  return all_taken_;
}

/// Any thread. A system call only when the exporter may rest.
void Exporter::wake() {
  if (woken_.load(std::memory_order_relaxed) || woken_.exchange(true)) return;
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
  spans_due_ns_ = began + settings_.span_delay_ms * kMs;
  metrics_due_ns_ = began + settings_.metric_interval_ms * kMs;
  while (stop_at_ns_.load() == 0) {
    const std::int64_t now = hooks_.clock.mono_ns();
    const std::int64_t metrics = settings_.of(Signal::metrics).enabled ? export_metrics(now) : now + 60'000 * kMs;
    if (stop_at_ns_.load() != 0) break;
    const std::int64_t spans = settings_.of(Signal::traces).enabled ? export_spans(now) : now + 60'000 * kMs;
    look_at_drops();
    rest(std::min(metrics, spans));
  }
  last_flush();
}

/// When to look again.
std::int64_t Exporter::export_spans(std::int64_t now_ns) {
  Channel& c = channel(Signal::traces);
  if (now_ns < c.retry.not_before_ns()) return c.retry.not_before_ns();  // woken_ stays: producers need not wake us
  if (c.body.empty() && now_ns < spans_due_ns_ && !lanes_hold_batch()) {
    woken_ = false;
    return lanes_hold_batch() ? now_ns : spans_due_ns_;
  }
  if (!c.body.empty() && !attempt(Signal::traces, false)) return c.retry.not_before_ns();
  // What came in while a request was on its way waits for company, unless that is together already; metrics have their
  // turn in between.
  do {
    if (!take_spans()) break;
    if (!attempt(Signal::traces, false) || c.retry.not_before_ns() != 0) return c.retry.not_before_ns();
    if (settings_.of(Signal::metrics).enabled && hooks_.clock.mono_ns() >= metrics_due_ns_)
      return hooks_.clock.mono_ns();
  } while (stop_at_ns_.load(std::memory_order_relaxed) == 0 && lanes_hold_batch());
  spans_due_ns_ = hooks_.clock.mono_ns() + settings_.span_delay_ms * kMs;
  woken_ = false;
  return lanes_hold_batch() ? now_ns : spans_due_ns_;
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
      drop(Signal::metrics, c.items, {});
    }
  }
  if (!settings_.of(Signal::traces).enabled) return;
  Channel& c = channel(Signal::traces);
  for (bool away = false; !c.body.empty() || take_spans();) {
    if (!away && attempt(Signal::traces, true)) continue;
    away = true;
    all_taken_ = false;
    drop(Signal::traces, c.items, {});
    c.body.clear();
  }
}

/// Enough waits for a request of its own.
bool Exporter::lanes_hold_batch() {
  for (const auto& lane : lanes_)
    if (lane->queued_bytes() > wake_bytes_) return true;
  return false;
}

void Exporter::look_at_drops() {
  constexpr std::int64_t kSayAgainNs = 60'000 * kMs;
  std::uint64_t dropped = 0;
  for (const auto& lane : lanes_) dropped += lane->dropped();
  const std::int64_t now = hooks_.clock.mono_ns();
  if (dropped == told_dropped_ || (told_at_ns_ != 0 && now - told_at_ns_ < kSayAgainNs)) return;
  if (hooks_.overflowed) hooks_.overflowed(dropped - told_dropped_);
  told_dropped_ = dropped;
  told_at_ns_ = now;
}

/// The next request, of at most a batch and of every lane in turn. False: no span waits.
bool Exporter::take_spans() {
  for (std::size_t empty = 0;
       empty < lanes_.size() && encoder_.spans() < settings_.span_batch && encoder_.bytes() < kMostBatchBytes;) {
    RecordRing& ring = lanes_[next_lane_]->ring();
    const std::string_view record = ring.front();
    if (record.data() == nullptr) {
      ++empty;
      next_lane_ = (next_lane_ + 1) % lanes_.size();
      continue;
    }
    empty = 0;
    encoder_.add(SpanRecord(record));
    ring.pop();
  }
  Channel& c = channel(Signal::traces);
  c.items = encoder_.spans();
  if (c.items == 0) return false;
  c.body = outgoing(Signal::traces, encoder_.take());
  c.retry.begin_request();
  return true;
}

void Exporter::take_metrics() {
  Channel& c = channel(Signal::metrics);
  if (c.body.empty()) c.retry.begin_request();
  c.items = 1;
  c.body = outgoing(Signal::metrics, encode_metrics(hooks_.snapshot(), settings_.resource));
}

std::string Exporter::outgoing(Signal signal, std::string protobuf) const {
  if (protobuf.empty()) return protobuf;
  const Destination& to = settings_.of(signal);
  std::string body = to.json ? to_json(signal, protobuf) : std::move(protobuf);
  return to.gzip ? gzipped(body) : body;
}

bool Exporter::attempt(Signal signal, bool last) {
  Channel& c = channel(signal);
  const Destination& to = settings_.of(signal);
  const std::int64_t began = hooks_.clock.mono_ns();
  std::int64_t timeout_ms = to.timeout_ms;
  if (last) timeout_ms = std::min(timeout_ms, (stop_at_ns_.load() - began) / kMs);
  const PostResult r = hooks_.post(to, c.body, timeout_ms);
  if (r.delivery == Delivery::taken) {
    const std::uint64_t rejected = to.json ? 0 : std::min(rejected_items(r.answer), c.items);
    add(c.requests, 1);
    add(c.sent, c.items - rejected);
    c.last_taken_ns.store(hooks_.clock.wall_ns(), std::memory_order_relaxed);
    c.body.clear();
    c.retry.taken();
    if (rejected > 0)
      drop(signal, rejected, "the receiver rejected a part");
    else if (c.failing && hooks_.works_again)
      hooks_.works_again(signal, c.dropped_since);
    if (rejected == 0) {
      c.failing = false;
      c.dropped_since = 0;
    }
    return true;
  }
  add(c.failures, 1);
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
  for (const auto& lane : lanes_) {
    out.queue_dropped += lane->dropped();
    out.queue_bytes += lane->queued_bytes();
    out.queue_capacity += lane->ring().capacity();
  }
  return out;
}

}  // namespace gw::telemetry::otlp
