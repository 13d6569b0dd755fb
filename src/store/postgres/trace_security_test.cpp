// Row-level security on what traces leave behind, for a session that has set nothing and for one that names a tenant.
#include "store/postgres/scratch.h"

namespace gw::store::postgres {
namespace {

class TraceSecurity : public PostgresTraces {
 protected:
  void SetUp() override {
    open();
    std::vector<Trace> batch;
    for (int n = 0; n < 5'000; ++n) {
      batch.push_back(test_trace(n));
      batch.back().id = "t" + std::to_string(n);
      batch.back().workspace_id = n % 5 == 0 ? "ws-b" : "ws-a";
      if (n % 7 == 0) batch.back().org_id = "org-b";
    }
    ASSERT_TRUE(writer_->write(batch));
    settle();
    ask("GRANT USAGE ON SCHEMA public TO reporter; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reporter");
  }
  std::string total(const std::string& where) { return ask("SELECT count(*) FROM traces WHERE " + where); }
};

TEST_F(TraceSecurity, APlainSelectSeesWhatItsSettingsName) {
  for (const char* role : {TestServer::kRole, "reporter"}) {
    SCOPED_TRACE(role);
    PlainPg session(TestServer::get().dsn(database_, role));
    const auto seen = [&](const std::string& table) { return session.ask("SELECT count(*) FROM " + table); };
    EXPECT_EQ(seen("traces"), "0") << "nothing is set";
    EXPECT_EQ(seen("trace_rollups"), "0");
    EXPECT_EQ(seen("trace_blocks"), "0");
    EXPECT_EQ(seen("trace_block_columns"), "0");
    session.run("SELECT set_config('ongoingai.org_id', 'org-a', false)");
    EXPECT_EQ(seen("traces"), total("org_id = 'org-a'"));
    EXPECT_EQ(session.ask("SELECT count(*) FROM trace_rollups WHERE org <> 'org-a'"), "0");
    EXPECT_NE(seen("trace_rollups"), "0");
    EXPECT_EQ(seen("trace_blocks"), "0") << "blocks have every tenant's rows";
    session.run("SELECT set_config('ongoingai.workspace_id', 'ws-b', false)");
    EXPECT_EQ(seen("traces"), total("org_id = 'org-a' AND workspace_id = 'ws-b'"));
    EXPECT_EQ(session.ask("SELECT string_agg(DISTINCT org_id || workspace_id, ',') FROM traces"), "org-aws-b");
    session.run("SELECT set_config('ongoingai.org_id', '', false)");
    EXPECT_EQ(seen("traces"), "0") << "a workspace alone is no tenant";
  }
}

TEST_F(TraceSecurity, ARowOfAnotherTenantCannotBeWritten) {
  PlainPg session(TestServer::get().dsn(database_));
  const std::string insert =
      "INSERT INTO traces(id,org_id,workspace_id,timestamp,provider,model,request_method,request_path) VALUES('mine',"
      "'org-a','ws-b',now(),'p','m','G','/')";
  EXPECT_EQ(session.failure(insert), "42501");
  session.run("SELECT set_config('ongoingai.org_id', 'org-b', false)");
  EXPECT_EQ(session.failure(insert), "42501");
  session.run("SELECT set_config('ongoingai.org_id', 'org-a', false)");
  EXPECT_EQ(session.failure(insert), "");
  EXPECT_EQ(session.ask("SELECT current_setting('ongoingai.scope', true)"), "") << "the trigger left its scope behind";
  EXPECT_EQ(session.ask("UPDATE traces SET model = 'x' WHERE org_id = 'org-b' RETURNING 1"), "");
  EXPECT_EQ(session.ask("SELECT count(*) FROM trace_blocks"), "0");
}

TEST_F(TraceSecurity, TheRulesHoldForEveryQuestionOfAReader) {
  // A reader whose WHERE clauses were wrong would still be bound: here the policies are what binds him alone.
  auto r = reader();
  const TenantScope tenant = TenantScope::of("org-a", "ws-b");
  const auto page = r->list(tenant, {.model = "gpt-4o-mini"}, {}, 10'000);
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_EQ(std::to_string(page->items.size()), total("org_id = 'org-a' AND workspace_id = 'ws-b'"));
  EXPECT_FALSE(r->find(tenant, "t1")->has_value());
  std::size_t exported = 0;
  ASSERT_TRUE(r->export_rows(tenant, {}, 0, 10'000, {}, [&](const Trace& t) {
    EXPECT_EQ(t.org_id + t.workspace_id, "org-aws-b");
    return ++exported > 0;
  }));
  EXPECT_EQ(exported, page->items.size());
  for (const TenantScope& nobody : {TenantScope::of("", ""), TenantScope::of("org-a", ""), TenantScope::of("", "ws-a"),
                                    TenantScope::of("org-c", "ws-a")}) {
    EXPECT_TRUE(r->list(nobody, {}, {}, 10)->items.empty());
    EXPECT_FALSE(r->find(nobody, "t1")->has_value());
    EXPECT_FALSE(r->span(nobody)->any);
  }
  EXPECT_EQ(r->list(TenantScope::all(), {}, {}, 10'000)->items.size(), 5'000U)
      << "what one question set is not there for the next";
}

TEST_F(TraceSecurity, APolicyThatAnotherProgramReplacedBindsAgainAfterTheNextStart) {
  ask("DROP POLICY traces_tenant_scope ON traces; CREATE POLICY traces_tenant_scope ON traces USING (true)");
  PlainPg session(TestServer::get().dsn(database_));
  EXPECT_EQ(session.ask("SELECT count(*) FROM traces"), "5000");
  open();
  EXPECT_EQ(session.ask("SELECT count(*) FROM traces"), "0");
}

}  // namespace
}  // namespace gw::store::postgres
