#include "pipeline/commit_signal.h"

#include <algorithm>

namespace gw::pipeline {

// Either the waiter sees the new count, or notify() sees it armed: both sides write before they read.

void CommitSignal::notify() {
  count_.fetch_add(1);
  const std::lock_guard lock(mutex_);
  for (Listener* l : listeners_)
    if (l->armed_.exchange(false)) l->loop_.post([l] { l->wake_all(); });
}

CommitSignal::Listener::Listener(CommitSignal& signal, net::Loop& loop) : signal_(signal), loop_(loop) {
  const std::lock_guard lock(signal_.mutex_);
  signal_.listeners_.push_back(this);
}

CommitSignal::Listener::~Listener() {
  const std::lock_guard lock(signal_.mutex_);
  std::erase(signal_.listeners_, this);
}

void CommitSignal::Listener::wake_all() {
  armed_.store(!waiting_.empty());
  for (net::Wakeable* w : waiting_) loop_.ready(*w);
}

CommitSignal::Waiting::Waiting(Listener& listener, net::Wakeable& waiter) : listener_(listener), waiter_(waiter) {
  listener_.waiting_.push_back(&waiter);
  listener_.armed_.store(true);
}

CommitSignal::Waiting::~Waiting() {
  auto& all = listener_.waiting_;
  *std::find(all.begin(), all.end(), &waiter_) = all.back();
  all.pop_back();
}

}  // namespace gw::pipeline
