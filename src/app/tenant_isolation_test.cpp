#include <filesystem>

#include "app/tenant_isolation_contract.h"
#include "store/postgres/postgres_key_store.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/test_server.h"
#include "store/sqlite/sqlite_key_store.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::app {
namespace {

/// What every store is filled with. The folder or database outlives it.
class FilledStore : public StoreUnderTest {
 public:
  store::TraceReader& traces() override { return *reader_; }
  store::KeyStore& keys() override { return *keys_; }

 protected:
  static void write(store::TraceWriter& writer, const std::vector<Trace>& rows) {
    constexpr std::size_t kBatch = 512;
    for (std::size_t at = 0; at < rows.size(); at += kBatch)
      EXPECT_TRUE(writer.write(std::span(rows).subspan(at, std::min(kBatch, rows.size() - at))));
    while (writer.idle()) {
    }
  }
  void open(Result<std::unique_ptr<store::KeyStore>> keys, const std::vector<store::GatewayKey>& stored,
            Result<std::unique_ptr<store::TraceReader>> reader) {
    EXPECT_TRUE(keys) << keys.error().message;
    keys_ = std::move(*keys);
    for (const store::GatewayKey& k : stored)
      EXPECT_EQ(*keys_->insert(store::TenantScope::all(), k), store::KeyOutcome::done);
    EXPECT_TRUE(reader) << reader.error().message;
    reader_ = std::move(*reader);
  }
  void close() {
    reader_.reset();
    keys_.reset();
  }

 private:
  std::unique_ptr<store::TraceReader> reader_;
  std::unique_ptr<store::KeyStore> keys_;
};

class SqliteUnderTest final : public FilledStore {
 public:
  SqliteUnderTest(const std::vector<Trace>& rows, const std::vector<store::GatewayKey>& keys) {
    std::string pattern = testing::TempDir() + "gw_tenants_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    store::SqliteOptions options;
    options.path = folder_ + "/traces.db";
    auto writer = store::open_sqlite_writer(options);
    EXPECT_TRUE(writer) << writer.error().message;
    write(**writer, rows);
    open(store::open_sqlite_key_store(options, {}), keys, store::open_sqlite_reader(options));
  }
  SqliteUnderTest(const SqliteUnderTest&) = delete;
  SqliteUnderTest& operator=(const SqliteUnderTest&) = delete;
  ~SqliteUnderTest() override {
    close();
    std::filesystem::remove_all(folder_);
  }

 private:
  std::string folder_;
};

class PostgresUnderTest final : public FilledStore {
 public:
  PostgresUnderTest(const std::vector<Trace>& rows, const std::vector<store::GatewayKey>& keys) {
    auto& server = store::postgres::TestServer::get();
    store::PgOptions options;
    options.dsn = server.dsn(server.fresh_database());
    auto writer = store::open_postgres_writer(options);
    EXPECT_TRUE(writer) << writer.error().message;
    write(**writer, rows);
    open(store::open_postgres_key_store(options, {}, true), keys, store::open_postgres_reader(options));
  }
};

template <class Store>
StoreFactory factory_of() {
  return [](const std::vector<Trace>& rows, const std::vector<store::GatewayKey>& keys) {
    return std::unique_ptr<StoreUnderTest>(new Store(rows, keys));
  };
}

INSTANTIATE_TEST_SUITE_P(Sqlite, TenantIsolation, testing::Values(factory_of<SqliteUnderTest>()));
INSTANTIATE_TEST_SUITE_P(Postgres, TenantIsolation, testing::Values(factory_of<PostgresUnderTest>()));

}  // namespace
}  // namespace gw::app
