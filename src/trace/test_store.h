#pragma once
// A store for the tests of this folder: does what it is told, remembers what it was given. All methods from any thread.
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "store/trace_store.h"

namespace gw::trace {

class FakeStore : public store::TraceWriter {
 public:
  /// Decides about a call before it has any effect: nothing means it succeeds.
  using Rule = std::function<std::optional<store::WriteError>(std::span<const Trace>)>;

  using TraceWriter::write;
  tl::expected<store::WriteReport, store::WriteError> write(store::TraceRows& rows) override {
    std::vector<Trace> batch;
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (const Trace* t = rows.row(i); t != nullptr) batch.push_back(*t);
    std::unique_lock lock(mutex_);
    ++calls_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !blocked_; });
    largest_batch_ = std::max(largest_batch_, batch.size());
    if (rule_) {
      if (auto error = rule_(batch)) return tl::make_unexpected(std::move(*error));
    }
    store::WriteReport report;
    for (const Trace& t : batch) report.inserted += rows_.emplace(t.id, t).second ? 1 : 0;
    changed_.notify_all();
    return report;
  }
  bool probe() override {
    const std::lock_guard lock(mutex_);
    ++probes_;
    changed_.notify_all();
    return probe_answer_;
  }
  void tidy() override { ++tidied_; }
  int tidied() const { return tidied_; }

  void rule(Rule r) {
    const std::lock_guard lock(mutex_);
    rule_ = std::move(r);
  }
  void answer_probes(bool yes) {
    const std::lock_guard lock(mutex_);
    probe_answer_ = yes;
  }
  void block(bool on) {
    const std::lock_guard lock(mutex_);
    blocked_ = on;
    changed_.notify_all();
  }
  std::size_t size() {
    const std::lock_guard lock(mutex_);
    return rows_.size();
  }
  std::map<std::string, Trace> rows() {
    const std::lock_guard lock(mutex_);
    return rows_;
  }
  std::size_t largest_batch() {
    const std::lock_guard lock(mutex_);
    return largest_batch_;
  }
  int probes() {
    const std::lock_guard lock(mutex_);
    return probes_;
  }
  /// Until a write call has begun (and is perhaps blocked), counted from the start.
  void wait_for_calls(int n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return calls_ >= n; });
  }
  void wait_for_rows(std::size_t n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return rows_.size() >= n; });
  }
  void wait_for_probes(int n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return probes_ >= n; });
  }

  static store::WriteError away(std::string message = "database is locked") {
    return {.cls = store::ErrorClass::contention, .invalid_data = false, .message = std::move(message)};
  }
  static store::WriteError poison() {
    return {.cls = store::ErrorClass::constraint, .invalid_data = true, .message = "violates check constraint"};
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Trace> rows_;
  Rule rule_;
  bool blocked_ = false;
  bool probe_answer_ = true;
  int calls_ = 0;
  int probes_ = 0;
  std::atomic<int> tidied_{0};
  std::size_t largest_batch_ = 0;
};

class ScratchDir {
 public:
  ScratchDir() {
    std::string name = (std::filesystem::temp_directory_path() / "gw-trace-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~ScratchDir() {
    std::error_code ec;
    std::filesystem::remove_all(path_, ec);
  }
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;
  const std::string& path() const { return path_; }
  std::vector<std::string> files(const std::string& extension) const {
    std::vector<std::string> out;
    for (const auto& e : std::filesystem::directory_iterator(path_))
      if (e.path().extension() == extension) out.push_back(e.path().string());
    return out;
  }

 private:
  std::string path_;
};

/// Waits for another thread's progress; false after a minute, so that a test that hangs says where.
template <class Condition>
bool eventually(Condition condition) {
  const std::int64_t until = mono_now_ns() + 60'000'000'000;
  while (!condition()) {
    if (mono_now_ns() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace gw::trace
