#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "pipeline/price_book.h"
#include "pipeline/unpriced_models.h"

namespace gw::pipeline {
namespace {

std::shared_ptr<const provider::PriceTable> table_of(const std::string& price) {
  return provider::PriceTable::parse(R"({"format":"ongoingai-prices/1","version":"t)" + price +
                                     R"(","providers":[{"id":"p","models":[{"id":"m","prices":{"input_mtok":")" +
                                     price + R"("}}]}]})")
      .value();
}

Usage one_million() {
  Usage u;
  u.input_tokens = 1'000'000;
  u.seen = true;
  return u;
}

constexpr provider::PriceQuery kQuery{.model = "m"};
const std::vector<PricedRoute> kRoutes = {{"p", "", ""}};

TEST(PriceBook, WorkersSeeAReplacedTableWithTheNextExchangeWholly) {
  PriceBook book(table_of("1"), kRoutes);
  std::vector<std::thread> workers;
  workers.reserve(3);
  std::atomic<bool> bad{false};
  std::atomic<int> finished{0};
  for (int w = 0; w < 3; ++w) {
    workers.emplace_back([&] {
      WorkerPrices prices;
      std::int64_t last = 0;
      while (last != 100'000'000'000) {
        const provider::Priced p = prices.price(book, 0, kQuery, one_million());
        // Figures never go back, and the version is the one of the figure.
        if (p.cost.nano_usd < last ||
            !p.price_version.starts_with("t" + std::to_string(p.cost.nano_usd / 1'000'000'000)))
          bad = true;
        last = p.cost.nano_usd;
      }
      ++finished;
    });
  }
  for (int price = 2; price <= 100; ++price) book.replace(table_of(std::to_string(price)));
  for (auto& w : workers) w.join();
  EXPECT_FALSE(bad);
  EXPECT_EQ(finished, 3);
}

/// Of two providers, with prices of one model that differ.
std::shared_ptr<const provider::PriceTable> table_of_two(int price) {
  const std::string p = std::to_string(price), more = std::to_string(price + 1);
  const std::string model = R"({"id":"m","prices":{"input_mtok":")", output = R"(","output_mtok":"7"}})";
  return provider::PriceTable::parse(R"({"format":"ongoingai-prices/1","version":"t)" + p +
                                     R"(","providers":[{"id":"p","api_pattern":"https://p","models":[)" + model + p +
                                     output + R"(]},{"id":"q","api_pattern":"https://q","models":[)" + model + more +
                                     output + R"(]}]})")
      .value();
}

TEST(WorkerPrices, SayOfTokensOfTextWhatPriceSays) {
  std::mt19937_64 random(20261127);
  PriceBook book(table_of_two(1), {{"p", "", "https://p"}, {"q", "", "https://q"}});
  WorkerPrices prices;
  std::int64_t sum = 0;
  for (int i = 0; i < 20'000; ++i) {
    if (random() % 500 == 0) book.replace(table_of_two(1 + static_cast<int>(random() % 50)));
    constexpr std::string_view kModels[] = {"m", "m", "m", "", "n", "a-name-that-no-table-has"};
    constexpr std::string_view kTiers[] = {"", "", "", "priority", "default"};
    const std::size_t route = random() % 2;
    const provider::PriceQuery query{.route = route == 0 ? "p" : "q",
                                     .model = kModels[random() % std::size(kModels)],
                                     .service_tier = kTiers[random() % std::size(kTiers)],
                                     .at_ns = static_cast<std::int64_t>(random() % 2'000'000'000) * 1'000'000'000};
    Usage usage;
    usage.seen = true;
    const std::uint64_t most = random() % 50 == 0 ? std::uint64_t{1} << 40 : 100'000;
    usage.input_tokens = static_cast<std::int64_t>(random() % most);
    usage.output_tokens = static_cast<std::int64_t>(random() % most);
    usage.total_tokens = usage.input_tokens + usage.output_tokens;
    const std::int64_t said = prices.nano_usd(book, route, query, usage.input_tokens, usage.output_tokens);
    const provider::PriceTable& table = *book.table();
    provider::PriceQuery whole = query;
    whole.provider = route == 0 ? "p" : "q";
    ASSERT_EQ(said, provider::price(table, whole, usage).cost.nano_usd) << "query " << i << " of " << query.model;
    provider::PriceQuery answered = query;  // as it is asked at the end, which must not be taken for an estimate
    answered.response_model = "m";
    prices.price(book, route, answered, usage);
    sum += said;
  }
  EXPECT_GT(sum, 0);
}

TEST(UnpricedModels, TellTheFirstTimeAndCountEach) {
  UnpricedModels models;
  EXPECT_TRUE(models.add("openai", "new", 10));
  EXPECT_FALSE(models.add("openai", "new", 30));
  EXPECT_FALSE(models.add("openai", "new", 20));
  EXPECT_TRUE(models.add("azure", "new", 40));
  const auto list = models.list();
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].provider, "openai");
  EXPECT_EQ(list[0].count, 3U);
  EXPECT_EQ(list[0].first_seen_ns, 10);
  EXPECT_EQ(list[0].last_seen_ns, 30);
  EXPECT_EQ(models.total(), 4U);
}

TEST(UnpricedModels, AreBoundedAndTheRestIsCountedAsOther) {
  UnpricedModels models;
  int first = 0;
  for (int i = 0; i < 1500; ++i) first += models.add("p", "m" + std::to_string(i), i) ? 1 : 0;
  EXPECT_EQ(first, 1001) << "each of the kept ones, and other once";
  const auto list = models.list();
  EXPECT_EQ(list.size(), 1001U);
  EXPECT_EQ(list[0].model, "other");
  EXPECT_EQ(list[0].count, 500U);
  std::uint64_t sum = 0;
  for (const auto& m : list) sum += m.count;
  EXPECT_EQ(sum, models.total());
  EXPECT_FALSE(models.add("p", std::string(100'000, 'x'), 1));
}

}  // namespace
}  // namespace gw::pipeline
