#include "app/price_reloader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "config/price_file.h"

namespace gw::app {
namespace {

std::string table_text(const std::string& version) {
  return R"({"format":"ongoingai-prices/1","version":")" + version +
         R"(","providers":[{"id":"p","models":[{"id":"m","prices":{"input_mtok":"1"}}]}]})";
}

class Reloading : public ::testing::Test {
 protected:
  Reloading() : path_(std::filesystem::temp_directory_path() / ("reload-" + std::to_string(::getpid()) + ".json")) {
    write("v1");
    pricing_.file = path_.string();
  }
  ~Reloading() override { std::filesystem::remove(path_); }

  void write(const std::string& version) { write_text(table_text(version)); }
  /// As a careful writer does it: a new file takes the old one's name.
  void write_text(const std::string& text) {
    const std::string beside = path_.string() + ".new";
    std::ofstream(beside) << text;
    std::filesystem::rename(beside, path_);
  }

  std::filesystem::path path_;
  config::PricingConfig pricing_;
};

TEST_F(Reloading, AChangedFileReplacesTheTableOnce) {
  pipeline::PriceBook book(config::load_prices(pricing_).value());
  PriceReloader reloader(pricing_, book);
  const auto version = [&] { return std::string(book.table()->price_version()); };
  EXPECT_EQ(reloader.poll().value(), PriceReloader::Outcome::unchanged);
  EXPECT_TRUE(version().starts_with("v1+"));
  write("v2");
  EXPECT_EQ(reloader.poll().value(), PriceReloader::Outcome::replaced);
  EXPECT_TRUE(version().starts_with("v2+"));
  EXPECT_EQ(reloader.poll().value(), PriceReloader::Outcome::unchanged);
}

TEST_F(Reloading, Row25_ABadOrMissingFileKeepsTheLastGoodTableAndIsToldOnce) {
  pipeline::PriceBook book(config::load_prices(pricing_).value());
  PriceReloader reloader(pricing_, book);
  const auto before = book.table();
  write_text(table_text("v2").substr(0, 60));
  const auto bad = reloader.poll();
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("not valid JSON"), std::string::npos) << bad.error().message;
  EXPECT_TRUE(reloader.poll());
  std::filesystem::remove(path_);
  EXPECT_FALSE(reloader.poll());
  EXPECT_TRUE(reloader.poll());
  EXPECT_EQ(book.table(), before);
  write("v3");
  EXPECT_EQ(reloader.poll().value(), PriceReloader::Outcome::replaced);
  EXPECT_TRUE(book.table()->price_version().starts_with("v3+"));
}

}  // namespace
}  // namespace gw::app
