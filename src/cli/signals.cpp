#include "cli/signals.h"

namespace gw::cli {
namespace {

volatile std::sig_atomic_t interrupt_asked = 0;

struct sigaction action(void (*handler)(int), int flags) {
  struct sigaction a{};
  a.sa_handler = handler;
  a.sa_flags = flags;
  ::sigemptyset(&a.sa_mask);
  return a;
}

}  // namespace

PipeSignalIgnored::PipeSignalIgnored() {
  const struct sigaction ignore = action(SIG_IGN, 0);
  ::sigaction(SIGPIPE, &ignore, &before_);
}
PipeSignalIgnored::~PipeSignalIgnored() { ::sigaction(SIGPIPE, &before_, nullptr); }

InterruptRequests::InterruptRequests() {
  interrupt_asked = 0;
  const struct sigaction note = action([](int) { interrupt_asked = 1; }, static_cast<int>(SA_RESETHAND));
  ::sigaction(SIGINT, &note, &interrupt_);
  ::sigaction(SIGTERM, &note, &terminate_);
  ::sigaction(SIGHUP, &note, &hangup_);
}

InterruptRequests::~InterruptRequests() {
  ::sigaction(SIGINT, &interrupt_, nullptr);
  ::sigaction(SIGTERM, &terminate_, nullptr);
  ::sigaction(SIGHUP, &hangup_, nullptr);
  interrupt_asked = 0;
}

bool InterruptRequests::asked() { return interrupt_asked != 0; }

}  // namespace gw::cli
