#include "limits/ledger.h"

#include <algorithm>

#include "limits/flag_lock.h"
#include "limits/period.h"

namespace gw::limits {

std::shared_ptr<Meter> Ledger::meter(const std::string& name) {
  const FlagLock lock(busy_);
  std::shared_ptr<Meter>& meter = entries_[name].meter;
  if (meter == nullptr) meter = std::make_shared<Meter>();
  return meter;
}

std::shared_ptr<RateWindow> Ledger::requests(const std::string& name, std::uint64_t limiter, std::int64_t most,
                                             std::int64_t mono_ns) {
  const FlagLock lock(busy_);
  std::vector<Rate>& rates = entries_[name].rates;
  const auto own = std::find_if(rates.rbegin(), rates.rend(), [&](const Rate& r) { return r.limiter == limiter; });
  if (own != rates.rend() && own->most == most) return own->window;
  auto made = std::make_shared<RateWindow>();
  if (!rates.empty()) made->copy(*rates.back().window, rates.back().most, most, mono_ns);
  std::erase_if(rates, [](const Rate& r) { return r.window.use_count() == 1; });
  rates.push_back({.limiter = limiter, .most = most, .window = made});
  return made;
}

void Ledger::forget_idle(const Moment& now) {
  const Periods at = Periods::at(now.wall_ns);
  const FlagLock lock(busy_);
  std::erase_if(entries_, [&](const auto& entry) {
    const Entry& e = entry.second;
    if (e.meter != nullptr && (e.meter.use_count() > 1 || !e.meter->idle(at))) return false;
    return std::all_of(e.rates.begin(), e.rates.end(), [&](const Rate& r) { return r.idle(now.mono_ns); });
  });
}

std::size_t Ledger::size() const {
  const FlagLock lock(busy_);
  return entries_.size();
}

}  // namespace gw::limits
