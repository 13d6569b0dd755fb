// A database of the reference, made by hand from storage-schema §3, opens, migrates forward and reads as it should.
#include "base/time_format.h"
#include "store/postgres/scratch.h"

namespace gw::store::postgres {
namespace {

constexpr const char* kReference = R"sql(
CREATE TABLE schema_migrations(name TEXT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT now());
INSERT INTO schema_migrations(name) VALUES('postgres/001_create_traces.sql'),('postgres/002_tenant_referential_integrity.sql'),
  ('postgres/003_add_gateway_key_id.sql'),('postgres/004_workspace_scope_by_org.sql');
CREATE TABLE organizations(id TEXT PRIMARY KEY, name TEXT NOT NULL DEFAULT '', created_at TIMESTAMPTZ NOT NULL DEFAULT now());
CREATE TABLE workspaces(id TEXT NOT NULL, org_id TEXT NOT NULL, name TEXT NOT NULL DEFAULT '',
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  CONSTRAINT fk_workspaces_organization FOREIGN KEY (org_id) REFERENCES organizations(id) ON UPDATE CASCADE ON DELETE RESTRICT);
CREATE INDEX idx_workspaces_org_id ON workspaces(org_id);
CREATE INDEX idx_workspaces_id ON workspaces(id);
CREATE UNIQUE INDEX idx_workspaces_org_id_id ON workspaces(org_id, id);
INSERT INTO organizations(id, name) VALUES('default', 'Default Organization'),('acme', 'acme');
INSERT INTO workspaces(id, org_id, name) VALUES('default', 'default', 'Default Workspace'),('w1', 'acme', 'w1');
CREATE TABLE traces(id TEXT PRIMARY KEY, trace_group_id TEXT, org_id TEXT NOT NULL DEFAULT 'default',
  workspace_id TEXT NOT NULL DEFAULT 'default', timestamp TIMESTAMPTZ NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
  request_method TEXT NOT NULL, request_path TEXT NOT NULL, request_headers JSONB, request_body TEXT, response_status INTEGER,
  response_headers JSONB, response_body TEXT, input_tokens INTEGER, output_tokens INTEGER, total_tokens INTEGER,
  latency_ms BIGINT, time_to_first_token_ms BIGINT, time_to_first_token_us BIGINT, api_key_hash TEXT,
  estimated_cost_usd DOUBLE PRECISION, metadata JSONB, created_at TIMESTAMPTZ NOT NULL DEFAULT now(), gateway_key_id TEXT,
  CONSTRAINT fk_traces_workspace_tenant FOREIGN KEY (org_id, workspace_id) REFERENCES workspaces(org_id, id)
    ON UPDATE CASCADE ON DELETE RESTRICT);
CREATE INDEX idx_traces_timestamp ON traces(timestamp);
CREATE INDEX idx_traces_created_at_id ON traces(created_at DESC, id DESC);
CREATE INDEX idx_traces_org_workspace_timestamp ON traces(org_id, workspace_id, timestamp);
CREATE INDEX mine ON traces(model);
ALTER TABLE traces ENABLE ROW LEVEL SECURITY;
ALTER TABLE traces FORCE ROW LEVEL SECURITY;
CREATE POLICY traces_tenant_scope ON traces USING (coalesce(current_setting('ongoingai.org_id', true), '') IN ('', org_id))
  WITH CHECK (coalesce(current_setting('ongoingai.org_id', true), '') IN ('', org_id));
INSERT INTO traces SELECT 'old-' || n, NULL, CASE WHEN n % 2 = 0 THEN 'acme' ELSE 'default' END,
  CASE WHEN n % 2 = 0 THEN 'w1' ELSE 'default' END, '2026-02-12 02:00:00+00'::timestamptz + n * interval '1 second', 'openai',
  'gpt-4o', 'POST', '/openai/v1/chat/completions', '{"Accept": ["*/*"]}', '', 200, NULL, 'body', 10, 5, 15, 840, 99, 0, '', 0.0125,
  '{"gateway_key_id": "team-a", "streaming": false}', '2026-02-12 02:00:01.5+00'::timestamptz + n * interval '1 second', 'team-a'
  FROM generate_series(1, 5000) n;
)sql";

class ReferenceDatabase : public PostgresTraces {
 protected:
  void SetUp() override { PlainPg(TestServer::get().dsn(database_)).run(kReference); }
};

TEST_F(ReferenceDatabase, MigratesForwardAndReadsAsItDid) {
  open();
  ASSERT_NE(writer_, nullptr);
  auto r = reader();
  EXPECT_EQ(*r->count(), 5'000);
  const auto found = r->find(TenantScope::of("acme", "w1"), "old-4000");
  ASSERT_TRUE(found && *found);
  const Trace& t = **found;
  EXPECT_EQ(t.timestamp_ns, *parse_rfc3339("2026-02-12T03:06:40Z"));
  EXPECT_EQ(t.created_at_ns, *parse_rfc3339("2026-02-12T03:06:41.5Z"));
  EXPECT_EQ(t.cost_nano_usd, 12'500'000);
  EXPECT_EQ(t.latency_us, 840'000);
  EXPECT_EQ(t.time_to_first_token_us, 99'000);
  EXPECT_EQ(t.metadata, R"({"gateway_key_id":"team-a","streaming":false})");
  EXPECT_EQ(t.request_headers, R"({"Accept":["*/*"]})");
  EXPECT_EQ(t.gateway_key_id, "team-a");
  EXPECT_EQ(t.seq, 4'000);
  AnalyticsQuery q;
  q.edges = {*parse_rfc3339("2026-02-12T02:00:00Z"), *parse_rfc3339("2026-02-12T03:00:00Z")};
  for (int look = 0; look < 2; ++look) {  // from rows, then from a block
    const auto groups = r->analyze(TenantScope::all(), q);
    ASSERT_TRUE(groups) << groups.error().message;
    ASSERT_EQ(groups->size(), 1U);
    EXPECT_EQ((*groups)[0].figures.requests, 3'599);
    EXPECT_EQ((*groups)[0].figures.cost_nano_usd, 3'599LL * 12'500'000);
    settle();
  }
  EXPECT_EQ(ask("SELECT count(*) FROM trace_blocks"), "1");
  ASSERT_TRUE(writer_->write(test_traces(1, 3)));
  EXPECT_EQ(r->find(TenantScope::all(), "trace-001")->value().seq, 5'001);
}

/// What older versions of ours left: keys without limits, triggers that ran for each row, and the server's own
/// compression.
constexpr const char* kOlder = R"sql(
DELETE FROM schema_migrations WHERE name IN ('postgres/009_key_limits.sql', 'postgres/010_foreign_statements.sql',
  'postgres/011_compression.sql');
ALTER TABLE traces ALTER COLUMN request_body SET COMPRESSION DEFAULT, ALTER COLUMN response_body SET COMPRESSION DEFAULT,
  ALTER COLUMN request_headers SET COMPRESSION DEFAULT, ALTER COLUMN response_headers SET COMPRESSION DEFAULT,
  ALTER COLUMN metadata SET COMPRESSION DEFAULT;
DROP TRIGGER gateway_keys_change ON gateway_keys;
ALTER TABLE gateway_keys DROP COLUMN limits;
DROP FUNCTION traces_foreign_rows() CASCADE;
DROP FUNCTION traces_foreign_change() CASCADE;
CREATE FUNCTION traces_foreign() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  RAISE EXCEPTION 'the old trigger runs';
END $$;
CREATE TRIGGER traces_foreign_number BEFORE INSERT ON traces FOR EACH ROW WHEN (NEW.seq IS NULL) EXECUTE FUNCTION traces_foreign();
CREATE TRIGGER traces_foreign_change AFTER INSERT OR UPDATE OR DELETE ON traces FOR EACH ROW
  WHEN (current_setting('ongoingai.writer', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION traces_foreign();
CREATE TRIGGER traces_foreign_truncate AFTER TRUNCATE ON traces FOR EACH STATEMENT EXECUTE FUNCTION traces_foreign();
)sql";

TEST_F(PostgresTraces, ADatabaseOfAnOlderVersionGetsWhatWasAddedSince) {
  const std::string triggers =
      "SELECT string_agg(tgname || pg_get_triggerdef(oid), ' ' ORDER BY tgname) FROM pg_trigger WHERE NOT tgisinternal";
  const std::string columns =
      "SELECT string_agg(column_name, ',' ORDER BY column_name) FROM information_schema.columns WHERE table_name = "
      "'gateway_keys'";
  const std::string compressed =
      "SELECT string_agg(attname, ' ' ORDER BY attname) FROM pg_attribute WHERE attrelid = 'traces'::regclass AND "
      "attcompression = 'l'";
  open();
  const std::string triggers_of_new = ask(triggers);
  const std::string columns_of_new = ask(columns);
  writer_.reset();
  PlainPg(TestServer::get().dsn(database_)).run(kOlder);  // as their owner
  ASSERT_NE(ask(triggers), triggers_of_new);
  ASSERT_EQ(ask(compressed), "");
  open();
  EXPECT_EQ(ask(triggers), triggers_of_new);
  EXPECT_EQ(ask(columns), columns_of_new);
  EXPECT_EQ(ask(compressed), "metadata request_body request_headers response_body response_headers");
}

TEST_F(PostgresTraces, LargeBodiesAreCompressedAndReadAsTheyWere) {
  open();
  std::vector<Trace> batch = test_traces(1, 1);
  while (batch[0].request_body.size() < 20'000) batch[0].request_body += "The same again. ";
  ASSERT_TRUE(writer_->write(batch));
  EXPECT_EQ(ask("SELECT pg_column_compression(request_body) FROM traces"), "lz4");
  EXPECT_EQ(reader()->find(TenantScope::all(), "trace-001")->value().request_body, batch[0].request_body);
}

TEST_F(ReferenceDatabase, HasTheContractsNamesAndOurIndexesOnly) {
  open();
  EXPECT_EQ(ask("SELECT string_agg(indexname, ' ' ORDER BY indexname) FROM pg_indexes WHERE tablename = 'traces'"),
            "mine traces_by_seq traces_by_time traces_pkey");
  EXPECT_EQ(ask("SELECT string_agg(name, ' ' ORDER BY name) FROM schema_migrations WHERE name < 'postgres/005'"),
            "postgres/001_create_traces.sql postgres/002_tenant_referential_integrity.sql "
            "postgres/003_add_gateway_key_id.sql postgres/004_workspace_scope_by_org.sql");
  const std::string columns =
      "SELECT string_agg(column_name || ' ' || data_type || ' ' || is_nullable, ',' ORDER BY column_name) FROM "
      "information_schema.columns WHERE table_name = 'traces'";
  const std::string migrated = ask(columns);
  const std::string fresh = TestServer::get().fresh_database();
  PgOptions o;
  o.dsn = TestServer::get().dsn(fresh);
  auto w = writer(o);
  EXPECT_EQ(PlainPg(TestServer::get().dsn(fresh, "postgres")).ask(columns), migrated)
      << "a new database and a migrated one are the same";
  PlainPg old(TestServer::get().dsn(database_));
  EXPECT_EQ(old.ask("SELECT count(*) FROM traces"), "0") << "the policy binds";
}

TEST_F(ReferenceDatabase, AReferenceThatStillRunsBesideUsIsSeen) {
  open();
  settle();
  auto r = reader();
  // Its statement names its own columns; it sets nothing, so that the policy has to let it in as a role that bypasses.
  ask("INSERT INTO traces(id,trace_group_id,org_id,workspace_id,timestamp,provider,model,request_method,request_path,"
      "request_headers,request_body,response_status,response_headers,response_body,input_tokens,output_tokens,"
      "total_tokens,latency_ms,time_to_first_token_ms,time_to_first_token_us,api_key_hash,estimated_cost_usd,metadata,"
      "created_at,gateway_key_id) "
      "VALUES('theirs',NULL,'acme','w1',now(),'openai','m','POST','/',NULL,'',200,NULL,'',1,2,"
      "3,4,0,0,'',0.5,'{\"outcome\":\"complete\"}',now(),'')");
  const auto found = r->find(TenantScope::of("acme", "w1"), "theirs");
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->seq, 5'001);
  EXPECT_EQ((*found)->cost_nano_usd, 500'000'000);
  EXPECT_EQ(*r->count(), 5'001);
}

}  // namespace
}  // namespace gw::store::postgres
