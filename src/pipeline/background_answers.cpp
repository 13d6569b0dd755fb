#include "pipeline/background_answers.h"

#include <algorithm>
#include <functional>
#include <string>

namespace gw::pipeline {

bool BackgroundAnswers::add(std::string_view provider, std::string_view response_id) {
  const std::string key = std::string(provider).append("\n").append(response_id);
  const std::uint64_t hash = std::hash<std::string>{}(key) | 1;
  const std::lock_guard lock(mutex_);
  if (std::ranges::find(seen_, hash) != seen_.end()) return false;
  seen_[next_] = hash;
  next_ = (next_ + 1) % kMost;
  return true;
}

}  // namespace gw::pipeline
