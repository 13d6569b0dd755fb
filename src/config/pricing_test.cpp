// `pricing`: what is refused, where, and that a decimal keeps every digit on its way from the file to the price.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "config/price_file.h"
#include "config/test_support.h"
#include "config/validate.h"
#include "provider/pricing.h"

namespace gw::config {
namespace {

using testing::contains;
using testing::error_of;
using testing::parsed;

constexpr std::string_view kGood =
    R"({"format":"ongoingai-prices/1","version":"acme-1","providers":[{"id":"openai","models":[)"
    R"({"id":"gpt-x","prices":{"input_mtok":"7","output_mtok":"9"}}]}]})";

/// A file of this test that goes when it ends.
class PriceFile {
 public:
  explicit PriceFile(std::string_view text)
      : path_(std::filesystem::temp_directory_path() /
              ("prices-" + std::to_string(::getpid()) + "-" + std::to_string(++count_) + ".json")) {
    std::ofstream(path_) << text;
  }
  ~PriceFile() { std::filesystem::remove(path_); }
  std::string path() const { return path_.string(); }

 private:
  static inline int count_ = 0;
  std::filesystem::path path_;
};

std::int64_t nano_of(const Config& c, std::string_view model) {
  const auto table = load_prices(c.pricing);
  EXPECT_TRUE(table) << error_of(table);
  Usage u;
  u.input_tokens = 1'000'000'000;
  u.seen = true;
  const provider::PriceQuery query{
      .route = "openai", .provider = "openai", .model = model, .at_ns = 1'795'000'000'000'000'000};
  return provider::price(**table, query, u).cost.nano_usd;
}

TEST(Pricing, AnOverrideIsReadExactlyFromTheText) {
  const Config c = parsed(
      "pricing:\n  overrides:\n    - {provider: openai, model: gpt-4o, input: 0.123456789012345678}\n"
      "    - {provider: openai, model: gpt-5, input: '0.5'}\n");
  EXPECT_EQ(error_of(validate(c)), "(no error)");
  EXPECT_EQ(nano_of(c, "gpt-4o"), 123'456'789'012);
  EXPECT_EQ(nano_of(c, "gpt-5"), 500'000'000'000);
}

TEST(Pricing, ABadOverrideIsRefusedWithItsKey) {
  const auto error = [](const std::string& entry) {
    return testing::without_places(error_of(validate(parsed("pricing: {overrides: [" + entry + "]}"))));
  };
  EXPECT_EQ(error("{provider: openai, model: m, input: .nan}"), "pricing.overrides[0].input must be a decimal number");
  EXPECT_EQ(error("{provider: openai, model: m, output: -1}"), "pricing.overrides[0].output must not be negative");
  EXPECT_EQ(error("{provider: openai, model: m}"), "pricing.overrides[0] sets no price");
  EXPECT_EQ(error("{provider: openia, model: m, input: 1}"),
            "pricing.overrides[0].provider \"openia\" is neither a configured provider nor one of the price table");
  EXPECT_EQ(error("{provider: groq, model: m, input: 1}"), "(no error)");
}

TEST(Pricing, AFileReplacesTheTable) {
  const PriceFile file(kGood);
  Config c;
  c.pricing.file = file.path();
  EXPECT_EQ(error_of(validate(c)), "(no error)");
  EXPECT_EQ(nano_of(c, "gpt-x"), 7'000'000'000'000);
  EXPECT_EQ(nano_of(c, "gpt-4o"), 0);
}

TEST(Pricing, ABadFileIsRefusedByValidateNamingPlaceAndReason) {
  Config c;
  const auto error = [&](std::string_view text) {
    const PriceFile file(text);
    c.pricing.file = file.path();
    const std::string message = error_of(validate(c));
    EXPECT_TRUE(contains(message, "pricing.file: \"" + file.path() + "\": "));
    return message;
  };
  EXPECT_TRUE(contains(error(""), "not valid JSON"));
  EXPECT_TRUE(contains(error(kGood.substr(0, kGood.size() - 1)), "not valid JSON"));
  std::string negative(kGood);
  negative.replace(negative.find("\"7\""), 3, "\"-7\"");
  EXPECT_TRUE(contains(error(negative), "providers[0].models[0].prices.input_mtok: must not be negative"));
  c.pricing.file = "/no/such/prices.json";
  EXPECT_TRUE(contains(error_of(validate(c)), "pricing.file: cannot read \"/no/such/prices.json\": No such file"));
  c.pricing.file = std::filesystem::temp_directory_path().string();
  EXPECT_TRUE(contains(error_of(validate(c)), "is not a file"));
}

}  // namespace
}  // namespace gw::config
