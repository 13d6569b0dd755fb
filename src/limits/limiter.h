#pragma once
// Who may send how much. A request takes a Permit, which reserves what it may spend, and settles it with what it spent.
//
//   limiter.find(...) -> Meters of a key, its workspace and its org
//   limiter.model(name) -> ModelMeters, where the model is limited
//   limiter.take(meters, model, estimate, moment) -> Permit or Denial
//
// A request is admitted while what is spent and reserved is below the threshold, so the last one admitted may cross it,
// as it does when requests come one by one. What all of them together spend is therefore over a threshold by no more
// than that one's reservation and what requests in flight spend beyond theirs, whatever the concurrency.
//
// What a request spends counts for the period in which it was admitted.
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "limits/denial.h"
#include "limits/lease_book.h"
#include "limits/ledger.h"
#include "limits/meter.h"
#include "limits/thresholds.h"
#include "store/key_limits.h"

namespace gw::limits {

/// One check: a threshold of somebody, and what counts for it.
struct Step {
  Subject subject = Subject::key;
  Measure measure = Measure::requests;
  bool asked_last = false;  ///< a rate that is asked only when everything else has agreed
  std::int64_t threshold = 0;
  Meter* meter = nullptr;
  Meter* whole = nullptr;  ///< is told what the meter is told; null: none
  RateWindow* requests = nullptr;
  Share* share = nullptr;  ///< what is left of it here, where it is counted with
                           ///< other gateways
  /// Of a day's or month's spending that counts here alone and for nobody else, as most does; else null.
  Meter::Account<10>* account = nullptr;
};

/// A step with an account, as those need it who ask nothing else of it.
struct Sum {
  Meter::Account<10>* account = nullptr;
  std::int64_t threshold = 0;
  std::int64_t tell_from = 0;  ///< nobody is told of a smaller sum
  std::uint32_t money = 0;     ///< 1: of cost_nano_usd, else of tokens
  std::uint32_t month = 0;     ///< 1: of the month, else of the day
  std::uint32_t step = 0;      ///< its place in the list
};

/// Checks in the order in which they are made, and what a request has to say for them of what it may spend.
struct Steps {
  std::vector<Step> list;
  std::vector<Step> requests;  ///< those of the list that count requests
  std::vector<Sum> sums;       ///< those with an account
  bool plain = true;           ///< the others are asked last, and none is contended: so with the contract's limits
  bool tokens = false, money = false;
  bool contended = false;     ///< beside the contract's limits, other callers share some of what is reserved
  std::uint8_t measures = 0;  ///< a bit for each that a step has

  void add(const Step& step);
  bool have(Measure m) const { return (measures >> static_cast<int>(m) & 1) != 0; }
  /// 0: not limited.
  std::int64_t most(Subject subject, Measure measure) const;
};

/// Of one key. Shared by all that use it.
struct Meters {
  std::string org, workspace, key;
  std::shared_ptr<Meter> subjects[kTenants];
  /// What the whole workspace spends, where keys without an id are measured by it; else null.
  std::shared_ptr<Meter> whole;
  store::KeyLimits overrides;
  std::shared_ptr<RateWindow> requests[kTenants];  ///< null: not limited, or not here
  Steps steps;

  Meter& of(Subject s) const { return *subjects[static_cast<std::size_t>(s)]; }
};
using MetersPtr = std::shared_ptr<Meters>;

/// Of all models that one entry of Options::models matches. Lives as long as the limiter.
struct ModelMeters {
  std::string pattern;
  std::shared_ptr<Meter> meter;
  std::shared_ptr<RateWindow> requests;  ///< null: not limited, or not here
  Steps steps;
};

/// A share of a threshold that a request's spending reached: 80, 90 or 100 %.
struct Crossing {
  Subject subject = Subject::key;
  Measure measure = Measure::day_tokens;
  int percent = 0;
  std::int64_t spent = 0, threshold = 0;
  std::string_view pattern{};  ///< of a model's
};
/// For people: which setting, and its amounts in tokens or dollars.
struct CrossingText {
  std::string limit, spent, threshold;
};
CrossingText text_of(const Crossing& c);

using Crossings = std::vector<Crossing>;

/// How much of a rate is left.
struct Standing {
  std::int64_t limit = 0, remaining = 0;
  std::int64_t reset_s = 0;  ///< until more is left; 0: all of it is
};

class Limiter;

/// What one admitted request holds. One owner, one thread; the limiter outlives it. Destroyed unsettled it is settled
/// with its estimate: a request whose end nobody saw was not free.
class Permit {
 public:
  Permit() = default;
  Permit(Permit&& from) noexcept { *this = std::move(from); }
  Permit& operator=(Permit&& from) noexcept {
    end();
    limiter_ = std::exchange(from.limiter_, nullptr);
    meters_ = std::move(from.meters_);
    model_ = from.model_;
    reserved_ = from.reserved_;
    periods_ = from.periods_;
    requests_left_ = from.requests_left_;
    settled_ = from.settled_;
    return *this;
  }
  ~Permit() { end(); }

  /// Something is counted for this request.
  bool held() const { return limiter_ != nullptr; }
  /// The first call replaces the reservation by what was spent; later ones do nothing. `found` counts it too when the
  /// model was not known before.
  Crossings settle(const Spend& spent, const ModelMeters* found = nullptr);
  /// Spent beside that, at a time, on a model: by the responses of a WebSocket.
  Crossings charge(const Spend& spent, const ModelMeters* model, std::int64_t wall_ns);
  /// As when it is destroyed.
  void end() {
    if (limiter_ != nullptr) give_back();
  }
  const Spend& reserved() const { return reserved_; }
  /// Limiter::standing() of requests when it was taken, where that was seen by the way.
  const std::optional<Standing>& requests_left() const { return requests_left_; }

 private:
  friend class Limiter;
  void give_back();
  std::span<const Step> tenant_steps() const { return meters_->steps.list; }
  std::span<const Step> model_steps() const {
    return model_ != nullptr ? std::span<const Step>(model_->steps.list) : std::span<const Step>();
  }

  const Limiter* limiter_ = nullptr;
  MetersPtr meters_;
  const ModelMeters* model_ = nullptr;
  Spend reserved_;
  Periods periods_;
  std::optional<Standing> requests_left_;
  bool settled_ = false;
};

/// Any thread. take() and what follows from it neither lock nor allocate, but for a threshold that is reached; find()
/// locks for as long as a look-up in a table takes, so workers remember what it gave (MeterCache).
///
/// Bounded by Options::max_keys: for another one, those are forgotten of which nothing is counted.
class Limiter {
 public:
  /// Goes on with what the ledger has, at that time (monotonic). With Options::shared the ledger is nobody else's: what
  /// is counted with other gateways has one owner, and they know it.
  explicit Limiter(Options options, std::shared_ptr<Ledger> ledger = std::make_shared<Ledger>(),
                   std::int64_t mono_ns = 0);

  /// False: every threshold is off, and nothing else need be called for a key without overrides.
  bool on() const { return on_; }

  /// Null: max_keys are in use, or nobody can read the overrides. With other overrides than before what is counted of
  /// the key stays.
  MetersPtr find(std::string_view org, std::string_view workspace, std::string_view key,
                 const store::KeyLimits& overrides, const Moment& now);

  /// Models are limited: a request has to say which one it is for.
  bool knows_models() const { return !models_.empty(); }
  /// Of a model's name, which may be empty; null: nothing limits it.
  const ModelMeters* model(std::string_view name) const;

  /// Whether take() would give a permit to a request that spends nothing, the model aside. Changes nothing.
  std::optional<Denial> look(const Meters& meters, const Moment& now) const;
  /// Of a request that look() has refused: a key's event stays also when its workspace's rate refuses it, as the
  /// contract has it. take() does so itself.
  void count_refused(const Meters& meters, const Denial& denial, const Moment& now) const;
  /// The permit is one that holds nothing; refused, it goes on to hold nothing.
  std::optional<Denial> take(const MetersPtr& meters, const ModelMeters* model, const Spend& estimate,
                             const Moment& now, Permit& permit) const;
  tl::expected<Permit, Denial> take(const MetersPtr& meters, const ModelMeters* model, const Spend& estimate,
                                    const Moment& now) const {
    Permit permit;
    if (const auto denial = take(meters, model, estimate, now, permit)) return tl::make_unexpected(*denial);
    return permit;
  }

  /// Of `requests` or `minute_tokens`, of the subject that has the least left. Nothing where that is not limited.
  std::optional<Standing> standing(const Meters& meters, const ModelMeters* model, Measure measure,
                                   const Moment& now) const;

  /// What take() would need of shares that have too little; false: one of them was asked for a moment ago, in vain.
  /// Where nothing is missing any more taking again will do.
  bool wishes(const Meters& meters, const ModelMeters* model, const Spend& estimate, const Moment& now,
              std::vector<Wish>& out) const;
  /// Shares that want their owner to look at them.
  WantingShares& wanting() { return wanting_; }

  /// Of a key of which something is learnt: with the overrides that it is known with. Null as for find().
  MetersPtr meters_of(std::string_view org, std::string_view workspace, std::string_view key, const Moment& now);
  /// A day's or month's spending is limited, whatever overrides say.
  bool limits_spending() const { return limits_spending_; }
  /// What the store says was spent in the day or month, at least: by all gateways on it, and before the start. By one
  /// thread at a time. A threshold that is reached thereby, where it is not counted elsewhere (Options::shared).
  std::optional<Crossing> learn(const Meters& meters, Subject subject, Measure measure, std::int64_t spent,
                                std::int64_t wall_ns);
  std::optional<Crossing> learn(const ModelMeters& model, Measure measure, std::int64_t spent, std::int64_t wall_ns);

  /// Spent by a request that `earlier` was given for, by a limiter that others took the place of since: counts for
  /// what that one did not limit. So does a request without a permit, for all. `earlier_model` is what settle() was
  /// told.
  Crossings count_late(const Meters& meters, const ModelMeters* model, const Permit& earlier,
                       const ModelMeters* earlier_model, const Spend& spent, std::int64_t wall_ns) const;

  const Options& options() const { return options_; }
  const std::shared_ptr<Ledger>& ledger() const { return ledger_; }

 private:
  friend class Permit;

  std::optional<Denial> take_in_order(const Meters& meters, const ModelMeters* model, const Moment& now,
                                      Permit& permit) const;
  void add_models(std::int64_t mono_ns);
  void add_steps(Meters& meters, std::int64_t mono_ns);
  void share(Step& step, const std::string& name);
  PeriodStep learn(Meter& meter, Measure measure, std::int64_t spent, std::int64_t wall_ns);
  MetersPtr make(std::string name, std::string_view org, std::string_view workspace, std::string_view key,
                 const store::KeyLimits& overrides, const Moment& now);
  MetersPtr with_overrides(const Meters& known, const store::KeyLimits& overrides, const Moment& now);
  void forget_idle(const Moment& now);

  Options options_;
  const std::shared_ptr<Ledger> ledger_;
  const std::uint64_t number_;                        ///< in the ledger
  std::vector<std::unique_ptr<ModelMeters>> models_;  ///< in the order in which they are tried
  bool on_ = false, limits_spending_ = false;
  WantingShares wanting_;

  std::atomic_flag busy_;
  std::unordered_map<std::string, MetersPtr> keys_;
  std::int64_t swept_mono_ns_ = 0;
};

/// Which key a request came with: the number of the set of keys in force, not 0, and the key's place in it. What a set
/// says of its keys never changes, so their ids need not be compared.
struct KeyPlace {
  std::uint64_t keys = 0;
  std::uint32_t index = 0;

  friend bool operator==(const KeyPlace&, const KeyPlace&) = default;
};

/// What one worker remembers of Limiter::find. One thread.
class MeterCache {
 public:
  /// Null: it is not remembered.
  const MetersPtr* known(const KeyPlace& of) const {
    const Place& place = places_[of.index % kPlaces];
    return place.of == of && place.meters != nullptr ? &place.meters : nullptr;
  }
  /// Null as there.
  const MetersPtr& find(Limiter& limiter, const KeyPlace& of, std::string_view org, std::string_view workspace,
                        std::string_view key, const store::KeyLimits& overrides, const Moment& now) {
    if (const MetersPtr* known = this->known(of)) return *known;
    Place& known = places_[of.index % kPlaces];
    known = {of, limiter.find(org, workspace, key, overrides, now)};
    return known.meters;
  }

 private:
  static constexpr std::size_t kPlaces = 256;
  struct Place {
    KeyPlace of;
    MetersPtr meters;
  };
  std::array<Place, kPlaces> places_;
};

}  // namespace gw::limits
