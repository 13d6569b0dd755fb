#pragma once
// `ongoingai demo`: the product in a minute without a provider key. See demo_provider.h for the provider it brings
// along.
#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>

#include "app/demo_provider.h"
#include "base/result.h"
#include "config/config.h"

namespace gw::app {

/// The real gateway, as the demo uses it.
struct DemoGateway {
  /// Starts to serve as `config` says and returns once it accepts connections; the result is the port it listens on
  /// (config.server.port is a concrete, free one). JSON log lines go to the file `log_path`, not to stdout. SIGINT and
  /// SIGTERM are blocked in the calling thread and wanted by the demo: the gateway must neither wait for them nor
  /// unblock them.
  std::function<Result<std::uint16_t>(const config::Config& config, const std::string& log_path)> start;
  /// Drains and ends it. Called once, after start() succeeded.
  std::function<void()> stop;
};

struct DemoOptions {
  bool once = false;            ///< exit after the summary
  std::ostream* out = nullptr;  ///< null: std::cout
  std::ostream* err = nullptr;  ///< null: std::cerr
  std::uint16_t port = 8080;    ///< wanted for the gateway; when taken, a free one
  DemoPace pace{};
  std::chrono::milliseconds patience{10'000};  ///< for readiness and for the traces to appear
  /// Waits at most that long for Ctrl-C or SIGTERM (negative: without end); true when it came. Empty: the process's
  /// signals.
  std::function<bool(std::chrono::milliseconds)> interrupted{};
};

/// Blocking, on the calling thread, which must be the process's only one. Exit code: 0; 1 when something could not be
/// started or did not come out as expected; 130 when Ctrl-C cut it short. Leaves no file and no thread behind.
int run_demo(const DemoOptions& options, const DemoGateway& gateway);

}  // namespace gw::app
