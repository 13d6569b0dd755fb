#include "store/postgres/postgres_store.h"

#include "store/postgres/pg_json.h"
#include "store/postgres/scratch.h"
#include "store/trace_store_contract.h"

namespace gw::store {
namespace {

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

class PostgresStore : public postgres::PostgresTraces {
 protected:
  /// What becomes of a trace that is written and read.
  Trace round_trip(Trace t) {
    if (writer_ == nullptr) open();
    t.id = "t" + std::to_string(next_++);
    const auto r = writer_->write({&t, 1});
    EXPECT_TRUE(r) << r.error().message;
    auto found = reader()->find(TenantScope::all(), t.id);
    EXPECT_TRUE(found && *found);
    return found && *found ? **found : Trace();
  }
};

TEST_F(PostgresStore, EveryTextOfMetadataAndHeadersComesBack) {
  for (const char* text :
       {"not json", "{", "[1,2]", "\"a string\"", "12", "null", "{\"a\":\"\\u0000\"}", "{\"a\":\"\\ud800\"}",
        "{\"a\":1e999}", "{\"a\":123456789012345678901234567890}", "{}", "{\"a\":[],\"b\":{}}",
        "{\"a\":\"\\u003cb\\u003e \\\"q\\\" \\\\ \\n\",\"b\":[1,-2.5,\"x, y\",{\"c\":null,\"d\":[true,false]}]}",
        "{\"a\":1,\"aa\":2,\"b\":\"gr\xC3\xBC\xC3\x9F \xE2\x82\xAC\"}",
        "{\"cost\":0.0000012,\"n\":9007199254740993}"}) {
    Trace t = test_trace(1);
    t.metadata = t.request_headers = t.response_headers = text;
    const Trace got = round_trip(t);
    EXPECT_EQ(got.metadata, text);
    EXPECT_EQ(got.request_headers, text);
    EXPECT_EQ(got.response_headers, text);
  }
}

TEST(PostgresJson, KeysAreSortedAndSpacesTakenOutOfWhatPostgresSays) {
  EXPECT_EQ(postgres::text_of_json(R"({"b": [1, {"z": "a, b", "y": "[:]"}], "aa": {"c": 1}})"),
            R"({"aa":{"c":1},"b":[1,{"y":"[:]","z":"a, b"}]})");
  EXPECT_EQ(postgres::text_of_json(R"("{\"a\": 1}")"), R"({"a": 1})") << "what was no object is as it was";
}

TEST_F(PostgresStore, TextThatCannotBeStoredIsMadeStorable) {
  Trace t = test_trace(1);
  t.request_body = std::string("a\0b", 3) + "\xFF";
  t.model = "m\xC3";
  t.org_id = std::string("o\0rg", 4);
  t.metadata = std::string("{\"a\":\"\xFF\"}");
  const Trace got = round_trip(t);
  EXPECT_EQ(got.request_body, "ab\xEF\xBF\xBD");
  EXPECT_EQ(got.model, "m\xEF\xBF\xBD");
  EXPECT_EQ(got.org_id, "org");
  EXPECT_EQ(got.metadata, "{\"a\":\"\xEF\xBF\xBD\"}");
}

TEST_F(PostgresStore, AFilterThatNoStoredTextCanBeFindsNothing) {
  open();
  ASSERT_TRUE(writer_->write(test_traces(1, 3)));
  auto r = reader();
  for (const std::string& bad : {std::string("a\0b", 3), std::string("\xFF")}) {
    for (const TraceFilter& f : {TraceFilter{.model = bad}, TraceFilter{.thread_id = bad}, TraceFilter{.text = bad}}) {
      const auto page = r->list(TenantScope::all(), f, {}, 10);
      ASSERT_TRUE(page) << page.error().message;
      EXPECT_TRUE(page->items.empty());
    }
    EXPECT_FALSE(r->find(TenantScope::all(), bad)->has_value());
    EXPECT_TRUE(r->list(TenantScope::of(bad, bad), {}, {}, 10)->items.empty());
    EXPECT_TRUE(r->list(TenantScope::all(), {}, TraceCursor{INT64_MAX, bad}, 10));
  }
}

TEST_F(PostgresStore, CountsOfTokensHave64Bits) {
  Trace t = test_trace(1);
  t.input_tokens = 5'000'000'000;
  t.output_tokens = 6'000'000'000;
  t.total_tokens = 11'000'000'000;
  EXPECT_EQ(round_trip(t).total_tokens, 11'000'000'000);
}

TEST_F(PostgresStore, ARowThatCanNeverBeStoredIsToldAndTheOthersOfItsBatchAreNotThere) {
  open();
  std::vector<Trace> batch = test_traces(1, 3);
  for (int i = 0; i < 9'000; ++i) batch[1].id += "x" + std::to_string(i * 7'919 % 9'973);  // too large for an index
  const auto r = writer_->write(batch);
  ASSERT_FALSE(r);
  EXPECT_TRUE(r.error().invalid_data) << r.error().message;
  EXPECT_EQ(*reader()->count(), 0);
  batch.erase(batch.begin() + 1);
  ASSERT_TRUE(writer_->write(batch));
}

TEST_F(PostgresStore, RowsOfATenantWhoseEntryWasDeletedGetItAgain) {
  open();
  ASSERT_TRUE(writer_->write(test_traces(1, 3)));
  ask("DELETE FROM traces; DELETE FROM workspaces WHERE id = 'ws-a'; DELETE FROM organizations WHERE id = 'org-a'");
  const auto r = writer_->write(test_traces(4, 6));
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(ask("SELECT id, org_id, name FROM workspaces WHERE org_id = 'org-a'"), "ws-a|org-a|ws-a");
}

TEST_F(PostgresStore, ABatchLargerThanOneStatementIsStillOneTransaction) {
  open();
  std::vector<Trace> batch = test_traces(1, 12);
  for (Trace& t : batch) t.request_body.assign(std::size_t{1} << 20, 'x');
  batch[10].id = batch[2].id;  // in another statement
  const auto r = writer_->write(batch);
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(r->inserted, 11U);
  EXPECT_EQ(reader()->sequence()->last, 11);
  std::string ids;
  ASSERT_TRUE(reader()->export_rows(TenantScope::all(), {}, 0, 100, {.bodies = true}, [&](const Trace& t) {
    ids += t.id.substr(7) + ' ';
    return t.request_body.size() == std::size_t{1} << 20;
  }));
  EXPECT_EQ(ids, "01 02 03 04 05 06 07 08 09 10 12 ");
}

TEST_F(PostgresStore, AReaderRefusesADatabaseThatNobodyPrepared) {
  const auto r = open_postgres_reader(options());
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().message.find("storage.dsn"), std::string::npos) << r.error().message;
  EXPECT_EQ(ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
}

TEST_F(PostgresStore, ATimeZoneOfTheRoleChangesNothing) {
  ask("ALTER ROLE gateway IN DATABASE " + database_ + " SET TimeZone = 'America/New_York'");
  const Trace t = test_trace(7), got = round_trip(t);
  EXPECT_EQ(got.timestamp_ns, t.timestamp_ns);
  EXPECT_EQ(
      reader()->list(TenantScope::all(), {.from_ns = t.timestamp_ns, .to_ns = t.timestamp_ns}, {}, 5)->items.size(),
      1U);
}

}  // namespace
}  // namespace gw::store
