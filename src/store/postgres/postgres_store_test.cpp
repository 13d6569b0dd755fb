#include "store/postgres/postgres_store.h"

#include "store/postgres/test_server.h"
#include "store/trace_store_contract.h"

namespace gw::store {
namespace {

using postgres::PlainPg;
using postgres::TestServer;

class PostgresUnderTest final : public StoreUnderTest {
 public:
  std::unique_ptr<TraceWriter> writer() override {
    auto w = open_postgres_writer(options_);
    EXPECT_TRUE(w) << w.error().message;
    return w ? std::move(*w) : nullptr;
  }
  std::unique_ptr<TraceReader> reader() override {
    auto r = open_postgres_reader(options_);
    EXPECT_TRUE(r) << r.error().message;
    return r ? std::move(*r) : nullptr;
  }

 private:
  PgOptions options_{.dsn = TestServer::get().dsn(TestServer::get().fresh_database())};
};
INSTANTIATE_TEST_SUITE_P(Postgres, TraceStoreContract,
                         testing::Values([] { return std::make_unique<PostgresUnderTest>(); }));

}  // namespace
}  // namespace gw::store
