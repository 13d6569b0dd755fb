#include "config/faults.h"

#include <algorithm>
#include <utility>

namespace gw::config {
namespace {

/// Takes the first word off `text`.
std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  while (!word.empty() && (word.back() == ':' || word.back() == ',')) word.remove_suffix(1);
  return word;
}

/// The key that a fault is about; empty when its text begins with none.
std::string_view key_of(std::string_view message) {
  constexpr int kWords = 3;
  for (int i = 0; i < kWords && !message.empty(); ++i)
    if (const std::string_view word = take_word(message); word.find('.') != std::string_view::npos) return word;
  return {};
}

}  // namespace

std::string place_of(const Config& config, std::string_view message) {
  for (std::string_view key = key_of(message); !key.empty();) {
    const auto at = config.places.find(key);
    if (at != config.places.end()) return at->second;
    const std::size_t cut = key.find_last_of(".[");
    key = key.substr(0, cut == std::string_view::npos ? 0 : cut);
  }
  return {};
}

void Faults::add(std::string message, std::string_view key) {
  if (key.empty()) key = key_of(message);
  if (!key.empty()) {
    if (has(key)) return;
    if (found_.size() < kMost) keys_.emplace_back(key);
  }
  if (found_.size() == kMost)
    ++more_;
  else
    found_.push_back(std::move(message));
}

Result<void> Faults::result() const {
  if (found_.empty()) return {};
  std::string all;
  for (const std::string& message : found_) {
    if (!all.empty()) all += '\n';
    all += message;
    if (const std::string place = place_of(*config_, message); !place.empty()) all += "\n  at " + place;
  }
  if (more_ > 0) all += "\nand " + std::to_string(more_) + " more";
  return fail(std::move(all));
}

}  // namespace gw::config
