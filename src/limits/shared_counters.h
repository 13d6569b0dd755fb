#pragma once
// What several gateways count together, as one of them sees it: who holds how much of each counter. Plain data and the
// interface of the place where that is kept. Implementations block, up to a deadline of their own; one thread each.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "limits/share.h"

namespace gw::limits {

/// One counter, told and asked at once. Repeating it changes nothing: amounts are totals, not differences.
struct CounterAsk {
  std::string name;  ///< with its period
  Share::Kind kind = Share::Kind::sum;
  std::int64_t threshold = 0;
  std::int64_t known = 0;   ///< of a sum: what everybody together had spent, as
                            ///< far as this one knows
  std::int64_t base = 0;    ///< and of that (of a window: lately), those who have no name any more
  std::int64_t spent = 0;   ///< by this instance since it took its present name
  std::int64_t held = 0;    ///< by this instance beside that: reserved by requests
                            ///< in flight, or spare
  std::int64_t need = 0;    ///< what requests wait for, together,
  std::int64_t single = 0;  ///< and the greatest one of them: it may cross the threshold of a sum
  std::int64_t extra = 0;   ///< what is worth having beside that
  std::int64_t keep_s = 0;  ///< how long nobody needs to have asked about it until it is forgotten
};

struct CounterAnswer {
  std::int64_t granted = 0;  ///< held from then on, too
  std::int64_t total = 0;    ///< spent by everybody
  std::int64_t base = 0;     ///< of a sum: of that, by those who have no name any more
  std::int64_t pool = 0;     ///< neither spent nor held by anybody
  std::int64_t retry_after_s = 1;
};

struct Hello {
  std::string instance;    ///< a name that nobody had before
  bool fresh = false;      ///< it is new
  bool returning = false;  ///< and of a gateway that had another one
  std::int64_t lease_ms = 0;
};

struct Round {
  /// False: the instance is not known any more, what it held has gone back, and nothing was done. It needs a new name.
  bool known = true;
  std::int64_t instances = 1;  ///< that are alive
  bool frozen = false;         ///< nobody is granted anything for a moment, until all
                               ///< have said what they hold
  std::string epoch;           ///< differs when everything was forgotten
  std::vector<CounterAnswer> answers;
};

class SharedCounters {
 public:
  virtual ~SharedCounters() = default;
  virtual Result<Round> exchange(const Hello& hello, std::span<const CounterAsk> asks) = 0;
  /// Gives back all that the instance holds. As well as it can be done.
  virtual void leave(std::string_view instance) = 0;
};

}  // namespace gw::limits
