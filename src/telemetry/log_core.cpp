#include "telemetry/log_core.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "base/json_writer.h"
#include "telemetry/log_text.h"

namespace gw::telemetry::detail {
namespace {

constexpr std::size_t kBatchBytes = 256 << 10;  // big enough to make the system call cheap, small enough for caches
constexpr int kBlockedPollMs = 50;              // how often a blocked writer looks whether it shall give up
// Gathering costs one timer wake-up per round; sleeping costs the next producer a system call. After this many quiet
// rounds (one second with the default) the log is idle enough to sleep.
constexpr int kQuietRounds = 50;
constexpr std::chrono::milliseconds kSecondLook{1};
constexpr std::chrono::milliseconds kDeepSleep{10'000};
constexpr std::chrono::milliseconds kNoRoomPause{200};

long futex(std::atomic<std::uint32_t>& word, int op, std::uint32_t value, const timespec* timeout) {
  static_assert(sizeof word == 4);
  return ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), op, value, timeout, nullptr, 0);
}

std::uint64_t count_lines(std::string_view s) {
  std::uint64_t lines = 0;
  for (std::size_t at = s.find('\n'); at != std::string_view::npos; at = s.find('\n', at + 1)) ++lines;
  return lines;
}

}  // namespace

LogCore::LogCore(const LogOptions& o) : options(o), output_(o.fd) {
  batch_.reserve(16 << 10);
  set(o.settings);
}

void LogCore::set(const LogSettings& settings) {
  level = settings.level;
  format = settings.format;
  const double ratio = settings.access_sample_ratio;
  access_most = ratio >= 1 ? kAllAccess : ratio > 0 ? static_cast<std::uint64_t>(std::ldexp(ratio, 64)) : 0;
}

std::uint64_t LogCore::sample_of(std::string_view correlation_id) {
  std::uint64_t h = 0xcbf29ce484222325;
  for (const char c : correlation_id) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  // Ids that are counted up differ in their last bytes, which the high bits have hardly seen.
  for (const std::uint64_t factor : {0xff51afd7ed558ccdU, 0xc4ceb9fe1a85ec53U}) h = (h ^ (h >> 33)) * factor;
  return h ^ (h >> 33);
}

LogLane& LogCore::add_lane(std::size_t bytes) {
  std::lock_guard lock(mutex);
  lanes.push_back(std::unique_ptr<LogLane>(new LogLane(*this, bytes)));
  return *lanes.back();
}

void LogCore::wake() {
  if (state.exchange(kRunning, std::memory_order_seq_cst) != kRunning) futex(state, FUTEX_WAKE_PRIVATE, 1, nullptr);
}

std::uint64_t LogCore::dropped_in_lanes() {
  std::lock_guard lock(mutex);
  std::uint64_t n = 0;
  for (const auto& lane : lanes) n += lane->dropped_.load(std::memory_order_relaxed);
  return n;
}

LogStats LogCore::stats() {
  LogStats s;
  s.written = written.load(std::memory_order_relaxed);
  s.writes = writes.load(std::memory_order_relaxed);
  s.dropped = lost.load(std::memory_order_relaxed) + dropped_in_lanes();
  std::lock_guard lock(mutex);
  for (const auto& lane : lanes) s.submitted += lane->submitted_.load(std::memory_order_relaxed);
  return s;
}

bool LogCore::lanes_empty() {
  std::lock_guard lock(mutex);
  return std::all_of(lanes.begin(), lanes.end(), [](const auto& lane) { return lane->ring_.empty(); });
}

/// Takes lines into the batch, whole lanes at a time so that no line is cut, each round beginning with another lane.
bool LogCore::collect() {
  const std::uint64_t asked = flush_asked.load(std::memory_order_seq_cst);
  const std::size_t before = batch_.size();
  std::size_t visited = 0;
  const bool text = format.load(std::memory_order_relaxed) == LogFormat::text;
  {
    std::lock_guard lock(mutex);
    std::string& lines = text ? taken_ : batch_;
    const std::size_t first = lines.size();
    for (std::size_t taken = 0; visited < lanes.size() && taken < kBatchBytes; ++visited)
      taken += lanes[next_lane_++ % lanes.size()]->ring_.pop_all(lines);
    more_ = visited < lanes.size();
    if (tap && lines.size() > first) tap(std::string_view(lines).substr(first));
  }
  if (text) append_text_lines(batch_, taken_);
  taken_.clear();
  if (taken_.capacity() > 2 * kBatchBytes) std::string().swap(taken_);
  if (!more_) covers_ = asked;
  const bool any = batch_.size() != before;
  announce_drops(any);
  return batch_.size() != before;
}

/// Adds the notice that lines were dropped. While the descriptor is gone it goes only with other lines: a notice alone
/// would be lost and tried again without end.
void LogCore::announce_drops(bool have_lines) {
  const std::uint64_t total = lost.load(std::memory_order_relaxed) + dropped_in_lanes();
  if (total == announced_ || (gone_ && !have_lines)) return;
  notice_ = true;
  announcing_ = total;
  std::string line;
  append_head(line, time_, options.clock.wall_ns(), "WARN", "log lines dropped");
  line += R"(,"dropped_total":)";
  append_json_int(line, static_cast<std::int64_t>(total));
  line += R"(,"dropped":)";
  append_json_int(line, static_cast<std::int64_t>(total - announced_));
  line += "}\n";
  if (format.load(std::memory_order_relaxed) == LogFormat::text)
    append_text_lines(batch_, line);
  else
    batch_ += line;
}

/// True when the batch is out or lost, false when the writer shall end.
bool LogCore::send_batch() {
  while (sent_ < batch_.size()) {
    if (abandoned) return false;
    const LogOutput::Outcome r = output_.write(batch_.data() + sent_, batch_.size() - sent_);
    sent_ += r.written;
    ++writes;
    switch (r.status) {
      case LogOutput::Status::ok:
        gone_ = false;
        break;
      case LogOutput::Status::blocked:
        output_.wait_writable(kBlockedPollMs);
        break;
      case LogOutput::Status::no_room:
        std::this_thread::sleep_for(kNoRoomPause);
        break;
      case LogOutput::Status::gone:
        lose_batch();
        return true;
    }
  }
  batch_is_out();
  return true;
}

void LogCore::batch_is_out() {
  written += count_lines(batch_) - (kept_notice_ ? 1 : 0) - (notice_ ? 1 : 0);
  if (notice_) announced_ = announcing_;
  notice_ = kept_notice_ = begins_inside_ = false;
  sent_ = 0;
  batch_.clear();
  if (batch_.capacity() > 2 * kBatchBytes) std::string().swap(batch_);
}

/// Nobody reads any more. The rest of a line that has gone out in part stays: should a reader come back (a FIFO keeps
/// what was written), it gets whole lines.
void LogCore::lose_batch() {
  const std::string_view all = batch_;
  const std::uint64_t out = count_lines(all.substr(0, sent_));
  const bool inside = sent_ > 0 ? all[sent_ - 1] != '\n' : begins_inside_;
  const std::size_t keep_end = inside ? all.find('\n', sent_) + 1 : sent_;
  std::uint64_t lines_lost = count_lines(all.substr(keep_end));

  written += out - (kept_notice_ && out > 0 ? 1 : 0);
  if (out > 0) kept_notice_ = false;
  if (notice_) {
    if (lines_lost > 0) {
      --lines_lost;  // the notice itself: nobody handed it in, and it will be told again
    } else {
      kept_notice_ = true;
      announced_ = announcing_;
    }
    notice_ = false;
  }
  lost += lines_lost;
  batch_.erase(keep_end);
  batch_.erase(0, sent_);
  sent_ = 0;
  begins_inside_ = inside;
  gone_ = true;
}

/// At the end: what is still here was not written in time.
void LogCore::give_up() {
  written +=
      count_lines(std::string_view(batch_).substr(0, sent_)) - (kept_notice_ && sent_ > batch_.find('\n') ? 1 : 0);
  if (sent_ > batch_.find('\n')) kept_notice_ = false;
  std::uint64_t lines_lost = count_lines(std::string_view(batch_).substr(sent_));
  lines_lost -= (kept_notice_ ? 1 : 0) + (notice_ ? 1 : 0);
  std::string rest_of_lanes;
  std::lock_guard lock(mutex);
  for (const auto& lane : lanes) lane->ring_.pop_all(rest_of_lanes);
  lost += lines_lost + count_lines(rest_of_lanes);
}

/// Asleep, it looks again after a moment: a producer that did not see the state yet has published its line long before.
void LogCore::rest(std::uint32_t how) {
  const auto wait = [&](std::chrono::milliseconds most) {
    const timespec timeout{.tv_sec = most.count() / 1000, .tv_nsec = most.count() % 1000 * 1'000'000};
    futex(state, FUTEX_WAIT_PRIVATE, how, &timeout);
  };
  state.store(how, std::memory_order_seq_cst);
  if (how == kGathering) {
    if (!urgent()) wait(options.gather);
  } else if (!urgent() && lanes_empty()) {
    wait(std::max(options.gather, kSecondLook));
    if (!urgent() && lanes_empty()) wait(kDeepSleep);
  }
  state.store(kRunning, std::memory_order_seq_cst);
}

void LogCore::run() {
  ::pthread_setname_np(::pthread_self(), "log");
  int quiet = 0;
  while (true) {
    const bool any = collect();
    quiet = any ? 0 : quiet + 1;
    if ((any && !send_batch()) || abandoned) break;
    if (covers_ != flushed_) {
      std::lock_guard lock(mutex);
      flush_done = flushed_ = covers_;
      changed.notify_all();
    }
    if (more_) continue;
    if (stopping) break;
    if (quiet > kQuietRounds) rest(kAsleep);
    if (!urgent()) rest(kGathering);
  }
  give_up();
  output_.close();
  std::lock_guard lock(mutex);
  exited = true;
  changed.notify_all();
}

}  // namespace gw::telemetry::detail
