#include "app/demo.h"

#include <signal.h>
#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <system_error>
#include <vector>

#include "app/demo_http.h"
#include "app/demo_report.h"
#include "app/demo_traffic.h"
#include "base/clock.h"

namespace gw::app {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kPollEvery{20};
constexpr int kInterrupted = 130;  // what a shell reports for a program that Ctrl-C ended

/// A folder of our own, gone with this object.
class ScratchFolder {
 public:
  static Result<ScratchFolder> make() {
    const char* base = ::getenv("TMPDIR");
    std::string path = std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/ongoingai-demo-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr)
      return fail("create a scratch folder " + path + ": " + std::strerror(errno) + " (set TMPDIR)");
    return ScratchFolder(std::move(path));
  }
  ScratchFolder(ScratchFolder&& o) noexcept : path_(std::exchange(o.path_, {})) {}
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;  // nothing more can be done about it, and what is left lies under the temporary folder
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

/// Holds Ctrl-C, SIGTERM and SIGHUP back from the process, so that every thread started meanwhile does too, and waits
/// for them. SIGPIPE is held back as well: `ongoingai demo | head` must not end us with the scratch folder left behind.
class HeldInterrupt {
 public:
  HeldInterrupt() {
    ::sigemptyset(&ends_);
    for (const int s : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&ends_, s);
    sigset_t held = ends_;
    ::sigaddset(&held, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &held, &before_);
  }
  ~HeldInterrupt() {
    sigset_t pipe;
    ::sigemptyset(&pipe);
    ::sigaddset(&pipe, SIGPIPE);
    const timespec now{};
    while (::sigtimedwait(&pipe, nullptr, &now) > 0) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  HeldInterrupt(const HeldInterrupt&) = delete;
  HeldInterrupt& operator=(const HeldInterrupt&) = delete;

  bool wait(milliseconds time) const {
    if (time < milliseconds(0)) {
      int signal = 0;
      return ::sigwait(&ends_, &signal) == 0;
    }
    const timespec t{.tv_sec = time.count() / 1000, .tv_nsec = time.count() % 1000 * 1'000'000};
    return ::sigtimedwait(&ends_, nullptr, &t) > 0;
  }

 private:
  sigset_t ends_{};
  sigset_t before_{};
};

config::Config demo_config(const std::string& folder, std::uint16_t port, std::uint16_t provider_port) {
  config::Config c;
  c.server.host = "127.0.0.1";
  c.server.port = port;
  c.server.workers = 2;
  c.server.drain_timeout_ms = 2'000;
  c.storage.path = folder + "/ongoingai.db";
  c.trace.ring_bytes = 4 << 20;
  c.trace.spill_bytes = 16 << 20;
  const std::string upstream = "http://127.0.0.1:" + std::to_string(provider_port);
  c.providers.openai.upstream = upstream;
  c.providers.anthropic.upstream = upstream;
  return c;
}

/// One run; members in the order in which they end, last first.
class Demo {
 public:
  Demo(const DemoOptions& options, const DemoGateway& gateway, std::ostream& out, std::ostream& err,
       std::function<bool(milliseconds)> interrupted)
      : options_(options),
        gateway_(gateway),
        out_(out),
        err_(err),
        interrupted_(std::move(interrupted)),
        provider_(options.pace) {}
  ~Demo() {
    if (started_) gateway_.stop();
    provider_.stop();
  }
  Demo(const Demo&) = delete;
  Demo& operator=(const Demo&) = delete;

  int run(const std::string& folder) {
    Result<void> ok = start(folder);
    if (ok) ok = wait_until_ready();
    if (!ok) return stopped_ ? kInterrupted : failure(ok.error().message);
    print_welcome(out_, place_);
    if (!send_all()) return kInterrupted;

    ok = collect_traces();
    if (stopped_) return kInterrupted;
    if (!ok) return failure(ok.error().message);
    print_traces(out_, traces_);
    const std::vector<std::string> wrong = differences(sent_, traces_);
    print_verdict(out_, sent_, traces_, wrong);
    if (!options_.once) {
      print_invitation(out_, place_, traces_.empty() ? "ID" : traces_.front().id);
      interrupted_(milliseconds(-1));
      out_ << "\nStopping; the scratch folder is removed.\n";
    }
    return wrong.empty() ? 0 : 1;
  }

 private:
  int failure(const std::string& text) {
    err_ << "demo: " << text << '\n';
    return 1;
  }

  Result<void> start(const std::string& folder) {
    place_.folder = folder;
    const Result<std::uint16_t> provider = provider_.start();
    if (!provider) return fail("start the simulated provider: " + provider.error().message);
    place_.provider_port = *provider;
    std::string problem;
    // A port found free can be taken before the gateway binds it, so there is more than one try.
    for (int attempt = 0; attempt < 3; ++attempt) {
      const Result<std::uint16_t> free = free_port(attempt == 0 ? options_.port : std::uint16_t{0});
      if (!free) return fail("find a free port: " + free.error().message);
      const Result<std::uint16_t> port =
          gateway_.start(demo_config(folder, *free, place_.provider_port), folder + "/gateway.log");
      if (port) {
        started_ = true;
        place_.gateway_port = *port;
        place_.usual_port_taken = options_.port != 0 && *port != options_.port;
        return {};
      }
      problem = port.error().message;
    }
    return fail("start the gateway: " + problem);
  }

  /// `wanted`, or any free one when that is taken.
  static Result<std::uint16_t> free_port(std::uint16_t wanted) {
    Result<Listener> l = listen_on_loopback(wanted);
    if (!l && wanted != 0) l = listen_on_loopback(0);
    if (!l) return tl::make_unexpected(l.error());
    return l->port;
  }

  /// Polls `done` until it says true, Ctrl-C comes or the patience ends; the last error then.
  template <class Done>
  Result<void> poll(Done done) {
    const std::int64_t deadline = mono_now_ns() + std::chrono::nanoseconds(options_.patience).count();
    for (;;) {
      const Result<bool> state = done();
      if (state && *state) return {};
      if (mono_now_ns() >= deadline) return state ? Result<void>() : Result<void>(tl::make_unexpected(state.error()));
      if (interrupted_(kPollEvery)) {
        stopped_ = true;
        return fail("interrupted");
      }
    }
  }

  Result<void> wait_until_ready() {
    return poll([&]() -> Result<bool> {
      const Result<HttpResponse> r = get("/api/ready");
      if (!r) return fail("the gateway does not answer: " + r.error().message);
      if (r->status != 200) return fail("the gateway does not get ready: " + r->body);
      return true;
    });
  }

  /// False: interrupted.
  bool send_all() {
    for (const Sample& sample : samples()) {
      if (interrupted_(milliseconds(0))) return false;
      sent_.push_back(send_sample(place_.gateway_port, sample));
      print_sent(out_, sent_.size(), sent_.back());
    }
    return true;
  }

  /// Traces are stored a moment after the answer. Too few at the end of the patience is for the verdict to tell.
  Result<void> collect_traces() {
    return poll([&]() -> Result<bool> {
      const Result<HttpResponse> r = get("/api/traces?limit=200");
      if (!r) return fail("read the traces: " + r.error().message);
      if (r->status != 200) return fail("read the traces: the gateway answered " + std::to_string(r->status));
      Result<std::vector<TraceRow>> rows = read_traces(r->body);
      if (!rows) return tl::make_unexpected(rows.error());
      traces_ = std::move(*rows);
      return traces_.size() >= sent_.size();
    });
  }

  Result<HttpResponse> get(std::string_view target) { return exchange(place_.gateway_port, "GET", target, {}, {}); }

  const DemoOptions& options_;
  const DemoGateway& gateway_;
  std::ostream& out_;
  std::ostream& err_;
  std::function<bool(milliseconds)> interrupted_;
  DemoProvider provider_;
  DemoPlace place_;
  std::vector<Sent> sent_;
  std::vector<TraceRow> traces_;
  bool started_ = false;
  bool stopped_ = false;  ///< by Ctrl-C
};

}  // namespace

int run_demo(const DemoOptions& options, const DemoGateway& gateway) {
  std::ostream& out = options.out != nullptr ? *options.out : std::cout;
  std::ostream& err = options.err != nullptr ? *options.err : std::cerr;
  const HeldInterrupt held;
  const Result<ScratchFolder> folder = ScratchFolder::make();
  if (!folder) {
    err << "demo: " << folder.error().message << '\n';
    return 1;
  }
  const auto by_signal = [&held](milliseconds time) { return held.wait(time); };
  Demo demo(options, gateway, out, err, options.interrupted ? options.interrupted : by_signal);
  return demo.run(folder->path());
}

}  // namespace gw::app
