// The contract's six limits are asked by a shorter way than others. It must decide the same.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "limits/limiter.h"

namespace gw::limits {
namespace {

constexpr std::int64_t kFarAway = std::int64_t{1} << 40;

Options six(std::mt19937_64& random) {
  Options o;
  for (const Subject s : {Subject::key, Subject::workspace}) {
    const auto some = [&](std::int64_t most) {
      return random() % 4 == 0 ? 0 : 1 + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most));
    };
    o.of(s).of(Measure::requests) = some(12);
    o.of(s).of(Measure::day_tokens) = some(4000);
    o.of(s).of(Measure::day_cost) = some(4000);
  }
  return o;
}

/// A limiter, and what its requests hold.
struct Asked {
  Limiter limiter;
  std::vector<Permit> permits{};
  explicit Asked(const Options& o) : limiter(o) {}

  /// With a model each of its requests is asked the long way.
  std::string take(std::size_t key, bool with_model, const Spend& estimate, const Moment& now) {
    static constexpr const char* kKeys[] = {"a", "b", "c"};
    const MetersPtr meters = limiter.find("o", key == 2 ? "other" : "w", kKeys[key], {}, now);
    Permit permit;
    const auto denial = limiter.take(meters, with_model ? limiter.model("m") : nullptr, estimate, now, permit);
    EXPECT_EQ(permit.held(), !denial);
    const auto& left = permit.requests_left();
    std::string said = denial ? std::string(denial->code()) + " " + std::to_string(denial->retry_after_s) +
                                    (denial->lasting ? " lasting" : "")
                              : "";
    if (left)
      said += " left " + std::to_string(left->remaining) + " of " + std::to_string(left->limit) + " for " +
              std::to_string(left->reset_s);
    if (!denial) permits.push_back(std::move(permit));
    return said;
  }
  std::string settle(std::size_t which, const Spend& spent) {
    std::string said;
    for (const Crossing& c : permits[which].settle(spent)) {
      const CrossingText text = text_of(c);
      said += text.limit + " " + std::to_string(c.percent) + " " + text.spent + " " + text.threshold + "; ";
    }
    permits.erase(permits.begin() + static_cast<std::ptrdiff_t>(which));
    return said;
  }
};

TEST(PlainSteps, DecideAsAllOthersDo) {
  std::mt19937_64 random(20261127);
  int admitted = 0, refused = 0;
  for (int round = 0; round < 200; ++round) {
    const Options o = six(random);
    Options with_model = o;
    with_model.models.push_back({.pattern = "m", .thresholds = {}});
    with_model.models.back().thresholds.of(Measure::day_tokens) = kFarAway;
    Asked plain(o), other(with_model);
    Moment now{.wall_ns = 1'795'000'000'000'000'000, .mono_ns = 1'000'000'000};
    for (int i = 0; i < 200; ++i) {
      const auto step = static_cast<std::int64_t>(random() % (random() % 50 == 0 ? 86'400 : 20)) * 500'000'000;
      now = {.wall_ns = now.wall_ns + step, .mono_ns = now.mono_ns + step};
      const Spend spend{static_cast<std::int64_t>(random() % 600), static_cast<std::int64_t>(random() % 600)};
      if (plain.permits.empty() || random() % 2 == 0) {
        const std::size_t key = random() % 3;
        const std::string said = plain.take(key, false, spend, now);
        ASSERT_EQ(said, other.take(key, true, spend, now)) << "round " << round << ", step " << i;
        ++(said.find("EXCEEDED") == std::string::npos ? admitted : refused);
      } else {
        const std::size_t which = random() % plain.permits.size();
        ASSERT_EQ(plain.settle(which, spend), other.settle(which, spend)) << "round " << round << ", step " << i;
      }
    }
  }
  EXPECT_GT(admitted, 2000);
  EXPECT_GT(refused, 2000);
}

TEST(PlainSteps, AreThoseOfTheContractAndNoOthers) {
  Options o;
  for (const Subject s : {Subject::key, Subject::workspace})
    for (const Measure m : {Measure::requests, Measure::day_tokens, Measure::day_cost}) o.of(s).of(m) = 10;
  const auto plain = [](const Options& options) {
    Limiter limiter(options);
    return limiter.find("o", "w", "k", {}, {.wall_ns = 1, .mono_ns = 1})->steps.plain;
  };
  EXPECT_TRUE(plain(o));
  for (const auto& [subject, measure] : {std::pair{Subject::key, Measure::minute_tokens},
                                         {Subject::key, Measure::concurrent},
                                         {Subject::workspace, Measure::month_cost},
                                         {Subject::org, Measure::requests},
                                         {Subject::org, Measure::day_tokens}}) {
    Options more = o;
    more.of(subject).of(measure) = 10;
    EXPECT_FALSE(plain(more)) << to_string(subject) << ", " << to_string(measure);
  }
  o.shared = true;
  EXPECT_FALSE(plain(o)) << "shared with other gateways";
}

}  // namespace
}  // namespace gw::limits
