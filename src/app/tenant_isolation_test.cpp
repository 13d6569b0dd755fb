#include <filesystem>

#include "app/tenant_isolation_contract.h"
#include "store/sqlite/sqlite_key_store.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::app {
namespace {

class SqliteUnderTest final : public StoreUnderTest {
 public:
  SqliteUnderTest(const std::vector<Trace>& rows, const std::vector<store::GatewayKey>& keys) {
    std::string pattern = testing::TempDir() + "gw_tenants_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    store::SqliteOptions options;
    options.path = folder_ + "/traces.db";
    auto writer = store::open_sqlite_writer(options);
    EXPECT_TRUE(writer) << writer.error().message;
    constexpr std::size_t kBatch = 512;
    for (std::size_t at = 0; at < rows.size(); at += kBatch)
      EXPECT_TRUE((*writer)->write(std::span(rows).subspan(at, std::min(kBatch, rows.size() - at))));
    while ((*writer)->idle()) {
    }
    auto key_store = store::open_sqlite_key_store(options, {});
    EXPECT_TRUE(key_store) << key_store.error().message;
    keys_ = std::move(*key_store);
    for (const store::GatewayKey& k : keys)
      EXPECT_EQ(*keys_->insert(store::TenantScope::all(), k), store::KeyOutcome::done);
    auto reader = store::open_sqlite_reader(options);
    EXPECT_TRUE(reader) << reader.error().message;
    reader_ = std::move(*reader);
  }
  SqliteUnderTest(const SqliteUnderTest&) = delete;
  SqliteUnderTest& operator=(const SqliteUnderTest&) = delete;
  ~SqliteUnderTest() override {
    reader_.reset();
    keys_.reset();
    std::filesystem::remove_all(folder_);
  }
  store::TraceReader& traces() override { return *reader_; }
  store::KeyStore& keys() override { return *keys_; }

 private:
  std::string folder_;
  std::unique_ptr<store::TraceReader> reader_;
  std::unique_ptr<store::KeyStore> keys_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, TenantIsolation,
                         testing::Values(StoreFactory([](const std::vector<Trace>& rows,
                                                         const std::vector<store::GatewayKey>& keys) {
                           return std::unique_ptr<StoreUnderTest>(new SqliteUnderTest(rows, keys));
                         })));

}  // namespace
}  // namespace gw::app
