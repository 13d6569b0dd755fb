#include "telemetry/log.h"

#include <signal.h>

#include <algorithm>
#include <cstring>

#include "base/json_writer.h"
#include "telemetry/log_core.h"
#include "telemetry/scrub.h"

namespace gw::telemetry {
namespace {

constexpr std::size_t kFastLine = 2048;
// What an access line holds beside its strings: keys, punctuation, time, two numbers.
constexpr std::size_t kAccessOverhead = 256;
constexpr std::size_t kKeptScratch = 64 << 10;
// Sixty-four kilobytes hold some hundred rare lines, far more than arise between two writes.
constexpr std::size_t kControlBytes = 64 << 10;

constexpr std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "DEBUG";
    case LogLevel::info:
      return "INFO";
    case LogLevel::warn:
      return "WARN";
    case LogLevel::error:
      return "ERROR";
  }
  return "INFO";
}

char* put(char* p, std::string_view s) {
  if (s.empty()) return p;  // its pointer may be null, which memcpy must not see
  std::memcpy(p, s.data(), s.size());
  return p + s.size();
}

void bump(std::atomic<std::uint64_t>& counter) {  // one writer, so no locked instruction
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

LogLane::LogLane(detail::LogCore& core, std::size_t bytes) : core_(core), ring_(bytes) { scratch_.reserve(1024); }

void LogLane::submit(std::string_view line) {
  bump(submitted_);
  if (core_.closed.load(std::memory_order_relaxed) || !ring_.push(line)) [[unlikely]] {
    bump(dropped_);
    return;
  }
  core_.published(ring_);
}

void LogLane::begin(LogLevel level, std::string_view msg) {
  scratch_.clear();
  append_head(scratch_, time_, core_.options.clock.wall_ns(), name_of(level), msg);
}

bool LogLane::takes(LogLevel level) const { return core_.takes(level); }

LogLine LogLane::line(LogLevel level, std::string_view msg) {
  if (!core_.takes(level)) return {};
  begin(level, msg);
  return LogLine(*this);
}
LogLine LogLane::debug(std::string_view msg) { return line(LogLevel::debug, msg); }
LogLine LogLane::info(std::string_view msg) { return line(LogLevel::info, msg); }
LogLine LogLane::warn(std::string_view msg) { return line(LogLevel::warn, msg); }
LogLine LogLane::error(std::string_view msg) { return line(LogLevel::error, msg); }

void LogLane::access(const AccessLine& a) {
  if (!core_.takes(LogLevel::info) || !core_.takes_access(a)) return;
  const std::size_t text =
      a.correlation_id.size() + a.method.size() + a.path.size() + a.trace_id.size() + a.span_id.size();
  if (text + kAccessOverhead > kFastLine ||
      (!a.own_id && (may_hold_credential(a.correlation_id) || !is_plain_json(a.correlation_id))) ||
      may_hold_credential(a.path) || may_hold_credential(a.method) || !is_plain_json(a.method) ||
      !is_plain_json(a.path)) [[unlikely]] {  // ids of spans are hex
    return access_slow(a);
  }
  char buffer[kFastLine];
  char* p = put(buffer, R"({"time":")");
  p = time_.write(p, a.at_ns != 0 ? a.at_ns : core_.options.clock.wall_ns());
  p = put(p, R"(","level":"INFO","msg":"request complete","correlation_id":")");
  p = put(p, a.correlation_id);
  p = put(p, R"(","method":")");
  p = put(p, a.method);
  p = put(p, R"(","path":")");
  p = put(p, a.path);
  p = put(p, R"(","status":)");
  p = write_int(p, a.status);
  p = put(p, R"(,"latency_ms":)");
  p = write_int(p, a.latency_ms);
  if (!a.trace_id.empty()) {
    p = put(p, R"(,"trace_id":")");
    p = put(p, a.trace_id);
    p = put(p, R"(","span_id":")");
    p = put(p, a.span_id);
    *p++ = '"';
  }
  p = put(p, "}\n");
  submit({buffer, static_cast<std::size_t>(p - buffer)});
}

void LogLane::access_slow(const AccessLine& a) {
  scratch_.clear();
  append_head(scratch_, time_, a.at_ns != 0 ? a.at_ns : core_.options.clock.wall_ns(), "INFO", "request complete");
  LogLine line(*this);
  line.field("correlation_id", a.correlation_id).field("method", a.method).field("path", a.path);
  line.field("status", a.status).field("latency_ms", a.latency_ms);
  if (!a.trace_id.empty()) line.field("trace_id", a.trace_id).field("span_id", a.span_id);
}

LogLine::LogLine(LogLine&& other) noexcept : lane_(other.lane_), lock_(std::move(other.lock_)) {
  other.lane_ = nullptr;
}

std::string& LogLine::key(std::string_view name) {
  std::string& out = lane_->scratch_;
  out += ',';
  append_json_string(out, name, JsonEscape::logs);
  out += ':';
  return out;
}

LogLine& LogLine::field(std::string_view name, std::string_view value) {
  if (lane_ == nullptr) return *this;
  std::string scratch;
  append_json_string(key(name), scrub(value, scratch), JsonEscape::logs);
  return *this;
}
LogLine& LogLine::field(std::string_view name, std::int64_t value) {
  if (lane_ == nullptr) return *this;
  append_json_int(key(name), value);
  return *this;
}
LogLine& LogLine::field(std::string_view name, std::uint64_t value) {
  if (lane_ == nullptr) return *this;
  JsonWriter(key(name), JsonEscape::logs).value(value);
  return *this;
}
LogLine& LogLine::field(std::string_view name, double value) {
  if (lane_ == nullptr) return *this;
  append_json_double(key(name), value);
  return *this;
}
LogLine& LogLine::field(std::string_view name, bool value) {
  if (lane_ == nullptr) return *this;
  key(name) += value ? "true" : "false";
  return *this;
}
LogLine& LogLine::object(std::string_view name, std::string_view json) {
  key(name) += json;
  return *this;
}
LogLine& LogLine::field(std::string_view name, std::span<const std::string> values) {
  if (lane_ == nullptr) return *this;
  JsonWriter w(key(name), JsonEscape::logs);
  w.begin_array();
  std::string scratch;
  for (const std::string& v : values) w.value(scrub(v, scratch));
  w.end_array();
  return *this;
}

void LogLine::submit() {
  if (lane_ == nullptr) return;
  std::string& out = lane_->scratch_;
  out += "}\n";
  lane_->submit(out);
  if (out.capacity() > kKeptScratch) out = std::string();
  lane_ = nullptr;
  if (lock_.owns_lock()) lock_.unlock();
}

LogWriter::LogWriter(const LogOptions& options) : core_(std::make_shared<detail::LogCore>(options)) {
  control_ = &core_->add_lane(std::min(kControlBytes, options.lane_bytes));
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all,
                    &before);  // inherited by the thread: signals belong to others, a broken pipe is no signal here
  core_->thread = std::thread([core = core_] { core->run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LogWriter::~LogWriter() { stop(std::chrono::milliseconds(500)); }

LogLane& LogWriter::add_lane() { return core_->add_lane(core_->options.lane_bytes); }

void LogWriter::set(const LogSettings& settings) { core_->set(settings); }

void LogWriter::set_tap(std::function<void(std::string_view)> tap) {
  const std::lock_guard lock(core_->mutex);
  core_->tap = std::move(tap);
}

LogLine LogWriter::line(LogLevel level, std::string_view msg) {
  if (!core_->takes(level)) return {};
  std::unique_lock lock(control_mutex_);
  control_->begin(level, msg);
  return LogLine(*control_, std::move(lock));
}

bool LogWriter::flush(std::chrono::milliseconds deadline) {
  const std::uint64_t mine = core_->flush_asked.fetch_add(1, std::memory_order_seq_cst) + 1;
  core_->wake();
  std::unique_lock lock(core_->mutex);
  return core_->changed.wait_for(lock, deadline, [&] { return core_->flush_done >= mine || core_->exited; }) &&
         core_->flush_done >= mine;
}

bool LogWriter::stop(std::chrono::milliseconds deadline) {
  if (core_->closed.exchange(true)) return true;
  const std::uint64_t lost_before = core_->lost.load();
  const bool flushed = flush(deadline);
  if (!flushed) core_->abandoned = true;
  core_->stopping = true;
  core_->wake();
  bool exited;
  {
    // A write that hangs in the kernel (a descriptor that could not be made non-blocking) must not hang the process: it
    // keeps the thread.
    std::unique_lock lock(core_->mutex);
    exited = core_->changed.wait_for(lock, std::chrono::milliseconds(500), [&] { return core_->exited; });
  }
  if (exited)
    core_->thread.join();
  else
    core_->thread.detach();
  return flushed && core_->lost.load() == lost_before;
}

LogStats LogWriter::stats() const { return core_->stats(); }
bool LogWriter::asleep() const { return core_->state.load() == detail::LogCore::kAsleep; }

}  // namespace gw::telemetry
