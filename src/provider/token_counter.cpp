#include "provider/token_counter.h"

namespace gw::provider {

std::size_t TokenCounter::step(std::size_t max_bytes) {
  if (pending_bytes() == 0) return 0;
  const RankTable& table = tokenizers_->get(encoding_);
  std::size_t done = 0;
  while (done < max_bytes && head_ < pending_.size()) {
    const std::string_view rest = std::string_view(pending_).substr(head_);
#ifdef GW_PLANT_BUG
    const std::size_t size = next_piece(encoding_, rest, true);
#else
    const std::size_t size = next_piece(encoding_, rest, last_);
#endif
    if (size == 0) break;
    tokens_ += static_cast<std::int64_t>(table.encode_piece(rest.substr(0, size)));
    head_ += size;
    done += size;
  }
  return done;
}

void TokenCounter::gather() {
  step(pending_.size());
  pending_.erase(0, head_);
  head_ = 0;
  // A piece that goes on is looked at again when there is much more of it, not at every part.
  next_at_ = pending_.size() + hold_;
}

}  // namespace gw::provider
