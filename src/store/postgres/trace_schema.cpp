#include "store/postgres/trace_schema.h"

namespace gw::store::postgres {
namespace {

// As the reference has it, but that counts of tokens have 64 bits.
constexpr std::string_view kCreate = R"sql(
CREATE TABLE IF NOT EXISTS traces (
  id TEXT PRIMARY KEY, trace_group_id TEXT,
  org_id TEXT NOT NULL DEFAULT 'default', workspace_id TEXT NOT NULL DEFAULT 'default',
  timestamp TIMESTAMPTZ NOT NULL,
  provider TEXT NOT NULL, model TEXT NOT NULL, request_method TEXT NOT NULL, request_path TEXT NOT NULL,
  request_headers JSONB, request_body TEXT, response_status INTEGER, response_headers JSONB, response_body TEXT,
  input_tokens BIGINT, output_tokens BIGINT, total_tokens BIGINT,
  latency_ms BIGINT, time_to_first_token_ms BIGINT, time_to_first_token_us BIGINT,
  api_key_hash TEXT, estimated_cost_usd DOUBLE PRECISION, metadata JSONB,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now());
)sql";

constexpr std::string_view kGatewayKeyId = R"sql(
ALTER TABLE traces ADD COLUMN IF NOT EXISTS gateway_key_id TEXT;
UPDATE traces SET gateway_key_id = metadata->>'gateway_key_id'
  WHERE gateway_key_id IS NULL AND coalesce(metadata->>'gateway_key_id', '') <> '';
)sql";

// Rows that are there are numbered in the order in which they lie, which is about that of their arrival. One rewrite of
// the table does it, and makes room for 64 bits of tokens: an UPDATE would leave a second copy of each row behind.
constexpr std::string_view kSequence = R"sql(
DROP INDEX IF EXISTS idx_traces_timestamp, idx_traces_provider, idx_traces_model, idx_traces_api_key_hash,
  idx_traces_org_workspace_created_at_id, idx_traces_org_workspace_timestamp, idx_traces_created_at_id,
  idx_traces_provider_created_at_id, idx_traces_model_created_at_id, idx_traces_api_key_hash_created_at_id,
  idx_traces_response_status_created_at_id, idx_traces_provider_timestamp, idx_traces_model_timestamp,
  idx_traces_api_key_hash_timestamp, idx_traces_response_status_timestamp, idx_traces_gateway_key_id,
  idx_traces_org_workspace_gateway_key_timestamp;
CREATE SEQUENCE traces_first_numbers;
ALTER TABLE traces
  ADD COLUMN IF NOT EXISTS org_id TEXT NOT NULL DEFAULT 'default',
  ADD COLUMN IF NOT EXISTS workspace_id TEXT NOT NULL DEFAULT 'default',
  ADD COLUMN IF NOT EXISTS time_to_first_token_us BIGINT,
  ALTER COLUMN input_tokens TYPE BIGINT, ALTER COLUMN output_tokens TYPE BIGINT, ALTER COLUMN total_tokens TYPE BIGINT,
  ADD COLUMN seq BIGINT NOT NULL DEFAULT nextval('traces_first_numbers'),
  ADD COLUMN latency_us BIGINT, ADD COLUMN cost_nano_usd BIGINT, ADD COLUMN session_id TEXT;
ALTER TABLE traces ALTER COLUMN seq DROP DEFAULT;
DROP SEQUENCE traces_first_numbers;
CREATE UNIQUE INDEX traces_by_seq ON traces(seq);
CREATE INDEX traces_by_time ON traces(created_at, id COLLATE "C");
INSERT INTO organizations(id, name) SELECT DISTINCT org_id, org_id FROM traces ON CONFLICT (id) DO NOTHING;
INSERT INTO workspaces(id, org_id, name) SELECT DISTINCT workspace_id, org_id, workspace_id FROM traces
  ON CONFLICT (org_id, id) DO NOTHING;
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'fk_traces_workspace_tenant' AND conrelid = 'traces'::regclass) THEN
    ALTER TABLE traces ADD CONSTRAINT fk_traces_workspace_tenant FOREIGN KEY (org_id, workspace_id)
      REFERENCES workspaces(org_id, id) ON UPDATE CASCADE ON DELETE RESTRICT;
  END IF;
END $$;
CREATE TABLE trace_counter (
  only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row), last_seq BIGINT NOT NULL, traces BIGINT NOT NULL
) WITH (fillfactor = 20);
INSERT INTO trace_counter(last_seq, traces) SELECT coalesce(max(seq), 0), count(*) FROM traces;
CREATE TABLE store_meta (key TEXT PRIMARY KEY, value BIGINT);
INSERT INTO store_meta SELECT 'epoch', 1 + floor(random() * 9e15)::bigint UNION ALL SELECT 'generation', 0
  UNION ALL SELECT 'rolled_seq', 0 UNION ALL SELECT 'removed_up_to', 0
  UNION ALL SELECT 'min_span_ns', least(0, extract(epoch FROM min(created_at - timestamp)) * 1e9)::bigint - 1000 FROM traces
  UNION ALL SELECT 'max_span_ns', greatest(0, extract(epoch FROM max(created_at - timestamp)) * 1e9)::bigint + 1000 FROM traces;
)sql";

// Blobs are packed already. Blocks hold every tenant's rows: who reads one of them says so beside the tenant.
constexpr std::string_view kAnalytics = R"sql(
CREATE TABLE trace_blocks (last_seq BIGINT PRIMARY KEY, header BYTEA NOT NULL);
CREATE TABLE trace_block_columns (
  col SMALLINT NOT NULL, last_seq BIGINT NOT NULL, data BYTEA NOT NULL, PRIMARY KEY (col, last_seq));
ALTER TABLE trace_block_columns ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE TABLE trace_rollups (
  level SMALLINT NOT NULL, dimension SMALLINT NOT NULL, org TEXT COLLATE "C" NOT NULL, workspace TEXT COLLATE "C" NOT NULL,
  start_ns BIGINT NOT NULL, sums BYTEA NOT NULL, latency BYTEA NOT NULL, ttft BYTEA NOT NULL,
  PRIMARY KEY (level, dimension, org, workspace, start_ns));
ALTER TABLE trace_rollups ALTER COLUMN sums SET STORAGE EXTERNAL, ALTER COLUMN latency SET STORAGE EXTERNAL,
  ALTER COLUMN ttft SET STORAGE EXTERNAL;
CREATE TABLE trace_stale_blocks (last_seq BIGINT PRIMARY KEY);
CREATE TABLE trace_stale_hours (start_ns BIGINT PRIMARY KEY);
CREATE POLICY trace_blocks_readers ON trace_blocks USING ((SELECT current_setting('ongoingai.scope', true)) = 'all'
  OR (SELECT current_setting('ongoingai.blocks', true)) = 'on');
CREATE POLICY trace_block_columns_readers ON trace_block_columns USING ((SELECT current_setting('ongoingai.scope', true)) = 'all'
  OR (SELECT current_setting('ongoingai.blocks', true)) = 'on');
ALTER TABLE trace_blocks ENABLE ROW LEVEL SECURITY;
ALTER TABLE trace_blocks FORCE ROW LEVEL SECURITY;
ALTER TABLE trace_block_columns ENABLE ROW LEVEL SECURITY;
ALTER TABLE trace_block_columns FORCE ROW LEVEL SECURITY;
)sql";

// Rows that others write get their number, are counted, and what was made of rows that they change is to be made anew:
// a statement at a time, so that a change of many rows costs no more for each than one of few. Numbers of a statement's
// rows are counted in a setting of its transaction.
//
// The lock is the roller's (roller_lock.h): a block is not made of rows that somebody is just changing. A snapshot that
// is older than the last block does not show it; FOR SHARE ends such a transaction with 40001, for it to be tried
// again.
//
// Locks are taken in one order, so that nobody waits in a circle: the roller's, the rows of store_meta from rolled_seq
// to the spans, the counter. The gateway has the last two in this order too.
constexpr std::string_view kForeign = R"sql(
DROP TRIGGER IF EXISTS traces_foreign_begin ON traces;
DROP TRIGGER IF EXISTS traces_foreign_number ON traces;
DROP TRIGGER IF EXISTS traces_foreign_insert ON traces;
DROP TRIGGER IF EXISTS traces_foreign_update ON traces;
DROP TRIGGER IF EXISTS traces_foreign_delete ON traces;
DROP TRIGGER IF EXISTS traces_foreign_change ON traces;
DROP TRIGGER IF EXISTS traces_foreign_truncate ON traces;
DROP FUNCTION IF EXISTS traces_foreign();
CREATE OR REPLACE FUNCTION traces_foreign_rows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$ DECLARE numbered BIGINT; BEGIN
  IF TG_LEVEL = 'ROW' THEN
    NEW.seq := current_setting('ongoingai.numbered')::bigint + 1;
    PERFORM set_config('ongoingai.numbered', NEW.seq::text, true);
    RETURN NEW;
  END IF;
  PERFORM pg_advisory_xact_lock_shared(8067396492);
  UPDATE store_meta SET value = value + 1 WHERE key = 'generation';
  UPDATE store_meta SET value = NULL WHERE key IN ('min_span_ns', 'max_span_ns') AND value IS NOT NULL;
  SELECT last_seq INTO numbered FROM trace_counter FOR UPDATE;
  PERFORM set_config('ongoingai.numbered', numbered::text, true);
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION traces_foreign_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$ DECLARE
  scope TEXT := coalesce(current_setting('ongoingai.scope', true), '');
  rolled BIGINT;
BEGIN
  PERFORM set_config('ongoingai.scope', 'all', true);  -- for the tables of traces and of blocks
  IF TG_OP = 'INSERT' THEN
    UPDATE trace_counter SET last_seq = current_setting('ongoingai.numbered')::bigint, traces = traces +
      (SELECT count(*) FROM traces WHERE seq > last_seq AND seq <= current_setting('ongoingai.numbered')::bigint);
    PERFORM set_config('ongoingai.scope', scope, true);
    RETURN NULL;
  END IF;
  PERFORM pg_advisory_xact_lock_shared(8067396492);
  SELECT value INTO rolled FROM store_meta WHERE key = 'rolled_seq' FOR SHARE;
  UPDATE store_meta SET value = value + 1 WHERE key = 'generation';
  IF TG_OP = 'UPDATE' THEN
    UPDATE store_meta SET value = NULL WHERE key IN ('min_span_ns', 'max_span_ns') AND value IS NOT NULL;
    INSERT INTO trace_stale_blocks(last_seq) SELECT DISTINCT coalesce(
      (SELECT b.last_seq FROM trace_blocks b WHERE b.last_seq >= c.seq ORDER BY b.last_seq LIMIT 1), c.seq)
      FROM (SELECT seq FROM before UNION ALL SELECT seq FROM after) c WHERE c.seq <= rolled ON CONFLICT DO NOTHING;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO trace_stale_blocks(last_seq) SELECT DISTINCT coalesce(
      (SELECT b.last_seq FROM trace_blocks b WHERE b.last_seq >= c.seq ORDER BY b.last_seq LIMIT 1), c.seq)
      FROM before c WHERE c.seq <= rolled ON CONFLICT DO NOTHING;
    UPDATE trace_counter SET traces = traces - (SELECT count(*) FROM before);
  ELSE
    UPDATE trace_counter SET traces = 0;
    DELETE FROM trace_blocks;
    DELETE FROM trace_block_columns;
    DELETE FROM trace_rollups;
    DELETE FROM trace_stale_blocks;
    DELETE FROM trace_stale_hours;
  END IF;
  PERFORM set_config('ongoingai.scope', scope, true);
  RETURN NULL;
END $$;
CREATE TRIGGER traces_foreign_begin BEFORE INSERT ON traces FOR EACH STATEMENT
  WHEN (current_setting('ongoingai.writer', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION traces_foreign_rows();
CREATE TRIGGER traces_foreign_number BEFORE INSERT ON traces FOR EACH ROW
  WHEN (current_setting('ongoingai.writer', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION traces_foreign_rows();
CREATE TRIGGER traces_foreign_insert AFTER INSERT ON traces FOR EACH STATEMENT
  WHEN (current_setting('ongoingai.writer', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION traces_foreign_change();
CREATE TRIGGER traces_foreign_update AFTER UPDATE ON traces REFERENCING OLD TABLE AS before NEW TABLE AS after
  FOR EACH STATEMENT WHEN (current_setting('ongoingai.writer', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION traces_foreign_change();
CREATE TRIGGER traces_foreign_delete AFTER DELETE ON traces REFERENCING OLD TABLE AS before
  FOR EACH STATEMENT WHEN (current_setting('ongoingai.writer', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION traces_foreign_change();
CREATE TRIGGER traces_foreign_truncate AFTER TRUNCATE ON traces FOR EACH STATEMENT EXECUTE FUNCTION traces_foreign_change();
)sql";

// Rows of more than two kilobytes are compressed, and what the server does by itself takes longer than all else that
// is done with them. Rows that are there stay as they are. Versions before 14 have no choice, nor do servers that were
// built without it; and where somebody reads the table for long, the gateways that write do not wait for this.
constexpr std::string_view kCompression = R"sql(
SET LOCAL lock_timeout = '2s';
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) THEN
    EXECUTE 'ALTER TABLE traces ALTER COLUMN request_body SET COMPRESSION lz4, ALTER COLUMN response_body SET COMPRESSION lz4,
      ALTER COLUMN request_headers SET COMPRESSION lz4, ALTER COLUMN response_headers SET COMPRESSION lz4,
      ALTER COLUMN metadata SET COMPRESSION lz4';
  END IF;
EXCEPTION WHEN lock_not_available THEN
  NULL;
END $$;
)sql";

// What older databases have from here, 010 replaces.
constexpr std::string_view kOnceMade = "SELECT";

constexpr Migration kMigrations[] = {
    {"postgres/001_create_traces.sql", kCreate},     {"postgres/003_add_gateway_key_id.sql", kGatewayKeyId},
    {"postgres/006_ingest_sequence.sql", kSequence}, {"postgres/007_analytics.sql", kAnalytics},
    {"postgres/008_foreign_writers.sql", kOnceMade}, {"postgres/010_foreign_statements.sql", kForeign},
    {"postgres/011_compression.sql", kCompression}};

constexpr TenantTable kTables[] = {{"traces", "traces_tenant_scope"},
                                   {"trace_rollups", "trace_rollups_tenant_scope", "org", "workspace"}};

}  // namespace

std::span<const Migration> trace_migrations() { return kMigrations; }
std::span<const TenantTable> trace_tables() { return kTables; }

}  // namespace gw::store::postgres
