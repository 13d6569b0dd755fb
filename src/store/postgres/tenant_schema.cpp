#include "store/postgres/tenant_schema.h"

#include "base/strings.h"

namespace gw::store::postgres {
namespace {

// The reference's own, for a database that it has not made; on one of its own their names are there already.
constexpr std::string_view kTenants = R"sql(
CREATE TABLE IF NOT EXISTS organizations (
  id TEXT PRIMARY KEY, name TEXT NOT NULL DEFAULT '', created_at TIMESTAMPTZ NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS workspaces (
  id TEXT NOT NULL, org_id TEXT NOT NULL, name TEXT NOT NULL DEFAULT '', created_at TIMESTAMPTZ NOT NULL DEFAULT now());
CREATE INDEX IF NOT EXISTS idx_workspaces_org_id ON workspaces(org_id);
CREATE INDEX IF NOT EXISTS idx_workspaces_id ON workspaces(id);
CREATE UNIQUE INDEX IF NOT EXISTS idx_workspaces_org_id_id ON workspaces(org_id, id);
INSERT INTO organizations(id, name) VALUES('default', 'Default Organization') ON CONFLICT (id) DO NOTHING;
INSERT INTO workspaces(id, org_id, name) VALUES('default', 'default', 'Default Workspace') ON CONFLICT (org_id, id) DO NOTHING;
INSERT INTO organizations(id, name) SELECT DISTINCT org_id, org_id FROM workspaces ON CONFLICT (id) DO NOTHING;
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'fk_workspaces_organization' AND conrelid = 'workspaces'::regclass) THEN
    ALTER TABLE workspaces ADD CONSTRAINT fk_workspaces_organization FOREIGN KEY (org_id) REFERENCES organizations(id)
      ON UPDATE CASCADE ON DELETE RESTRICT;
  END IF;
END $$;
)sql";

// One workspace id may be in several organisations.
constexpr std::string_view kWorkspaceScope = R"sql(
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
             WHERE c.conname = 'workspaces_pkey' AND c.conrelid = 'workspaces'::regclass AND c.contype = 'p'
               AND array_length(c.conkey, 1) = 1 AND a.attname = 'id') THEN
    ALTER TABLE workspaces DROP CONSTRAINT workspaces_pkey;
  END IF;
END $$;
)sql";

// team, expires_at and the previous token are ours. The reference makes the table outside its migrations, and older
// ones of it held tokens in plain text.
constexpr std::string_view kKeys = R"sql(
CREATE TABLE IF NOT EXISTS gateway_keys (id TEXT PRIMARY KEY);
ALTER TABLE gateway_keys
  ADD COLUMN IF NOT EXISTS token_hash TEXT,
  ADD COLUMN IF NOT EXISTS token TEXT,
  ADD COLUMN IF NOT EXISTS org_id TEXT NOT NULL DEFAULT 'default',
  ADD COLUMN IF NOT EXISTS workspace_id TEXT NOT NULL DEFAULT 'default',
  ADD COLUMN IF NOT EXISTS team TEXT NOT NULL DEFAULT '',
  ADD COLUMN IF NOT EXISTS name TEXT NOT NULL DEFAULT '',
  ADD COLUMN IF NOT EXISTS description TEXT NOT NULL DEFAULT '',
  ADD COLUMN IF NOT EXISTS created_by TEXT NOT NULL DEFAULT '',
  ADD COLUMN IF NOT EXISTS last_used_at TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS role TEXT NOT NULL DEFAULT 'developer',
  ADD COLUMN IF NOT EXISTS permissions JSONB,
  ADD COLUMN IF NOT EXISTS expires_at TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS previous_token_hash TEXT,
  ADD COLUMN IF NOT EXISTS previous_until TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS revoked_at TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS created_at TIMESTAMPTZ NOT NULL DEFAULT now();
ALTER TABLE gateway_keys ALTER COLUMN token DROP NOT NULL;
UPDATE gateway_keys SET token_hash = encode(sha256(convert_to(btrim(token, E' \t\n\r\f\v'), 'UTF8')), 'hex')
  WHERE coalesce(token_hash, '') = '' AND btrim(coalesce(token, ''), E' \t\n\r\f\v') <> '' AND token NOT LIKE 'redacted:%';
UPDATE gateway_keys SET token = 'redacted:' || id WHERE coalesce(token, '') NOT LIKE 'redacted:%';
DO $$ DECLARE bad TEXT; BEGIN
  SELECT id INTO bad FROM gateway_keys WHERE coalesce(token_hash, '') = '' ORDER BY id LIMIT 1;
  IF FOUND THEN RAISE EXCEPTION 'gateway key "%" is missing token_hash after migration', bad; END IF;
END $$;
ALTER TABLE gateway_keys ALTER COLUMN token_hash SET NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS idx_gateway_keys_token_hash ON gateway_keys(token_hash);
CREATE UNIQUE INDEX IF NOT EXISTS idx_gateway_keys_previous_token_hash ON gateway_keys(previous_token_hash)
  WHERE previous_token_hash IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_gateway_keys_org_workspace_active ON gateway_keys(org_id, workspace_id) WHERE revoked_at IS NULL;
DROP INDEX IF EXISTS idx_gateway_keys_active;
INSERT INTO organizations(id, name) SELECT DISTINCT org_id, org_id FROM gateway_keys ON CONFLICT (id) DO NOTHING;
INSERT INTO workspaces(id, org_id, name) SELECT DISTINCT workspace_id, org_id, workspace_id FROM gateway_keys
  ON CONFLICT (org_id, id) DO NOTHING;
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'fk_gateway_keys_workspace_tenant' AND conrelid = 'gateway_keys'::regclass) THEN
    ALTER TABLE gateway_keys ADD CONSTRAINT fk_gateway_keys_workspace_tenant FOREIGN KEY (org_id, workspace_id)
      REFERENCES workspaces(org_id, id) ON UPDATE CASCADE ON DELETE RESTRICT;
  END IF;
END $$;

CREATE TABLE IF NOT EXISTS gateway_key_state (
  only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row), change BIGINT NOT NULL DEFAULT 0);
INSERT INTO gateway_key_state DEFAULT VALUES ON CONFLICT DO NOTHING;
CREATE OR REPLACE FUNCTION gateway_keys_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  EXECUTE format('UPDATE %I.gateway_key_state SET change = change + 1', TG_TABLE_SCHEMA);
  PERFORM pg_notify('ongoingai_gateway_keys', '');
  RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS gateway_keys_change ON gateway_keys;
CREATE TRIGGER gateway_keys_change AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF id, token_hash, org_id, workspace_id, team, role,
  permissions, expires_at, previous_token_hash, previous_until, revoked_at ON gateway_keys
  FOR EACH STATEMENT EXECUTE FUNCTION gateway_keys_changed();
)sql";

// See store/key_limits.h.
constexpr std::string_view kKeyLimits = R"sql(
ALTER TABLE gateway_keys ADD COLUMN IF NOT EXISTS limits JSONB;
DROP TRIGGER IF EXISTS gateway_keys_change ON gateway_keys;
CREATE TRIGGER gateway_keys_change AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF id, token_hash, org_id, workspace_id, team, role,
  permissions, expires_at, previous_token_hash, previous_until, revoked_at, limits ON gateway_keys
  FOR EACH STATEMENT EXECUTE FUNCTION gateway_keys_changed();
)sql";

constexpr Migration kTenantMigrations[] = {{"postgres/002_tenant_referential_integrity.sql", kTenants},
                                           {"postgres/004_workspace_scope_by_org.sql", kWorkspaceScope},
                                           {"postgres/005_gateway_keys.sql", kKeys},
                                           {"postgres/009_key_limits.sql", kKeyLimits}};

constexpr TenantTable kTenantTables[] = {{"organizations", "organizations_org_scope", "id", ""},
                                         {"workspaces", "workspaces_org_scope", "org_id", ""},
                                         {"gateway_keys", "gateway_keys_tenant_scope"}};

// Nothing is written where there is nothing to do: each of these would wait for others.
constexpr const char* kSeeds = R"sql(
INSERT INTO organizations(id, name) SELECT 'default', 'Default Organization'
  WHERE NOT EXISTS (SELECT FROM organizations WHERE id = 'default' AND name = 'Default Organization')
  ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name;
INSERT INTO workspaces(id, org_id, name) SELECT 'default', 'default', 'Default Workspace'
  WHERE NOT EXISTS (SELECT FROM workspaces WHERE org_id = 'default' AND id = 'default' AND name = 'Default Workspace')
  ON CONFLICT (org_id, id) DO UPDATE SET name = EXCLUDED.name;
UPDATE gateway_keys SET token = 'redacted:' || id WHERE token NOT LIKE 'redacted:%';
)sql";

/// A count of orphans, where foreign keys were dropped by hand.
constexpr const char* kOrphanWorkspaces =
    "SELECT count(*) FROM workspaces w WHERE NOT EXISTS (SELECT FROM organizations o WHERE o.id = w.org_id)";
constexpr const char* kOrphanKeys =
    "SELECT count(*) FROM gateway_keys k WHERE NOT EXISTS (SELECT FROM workspaces w WHERE w.org_id = k.org_id AND "
    "w.id = k.workspace_id)";
constexpr const char* kWithoutDigest =
    "SELECT id FROM gateway_keys WHERE coalesce(token_hash, '') = '' ORDER BY id LIMIT 1";

PgExpected<std::string> inconsistent(PgConnection& c) {
  const auto without = c.query(kWithoutDigest);
  if (!without) return tl::make_unexpected(without.error());
  if (without->rows() > 0)
    return "gateway key " + in_quotes(without->text(0, 0)) + " is missing token_hash after migration";
  const auto workspaces = c.query(kOrphanWorkspaces), keys = workspaces ? c.query(kOrphanKeys) : c.query("SELECT 0");
  if (!workspaces) return tl::make_unexpected(workspaces.error());
  if (!keys) return tl::make_unexpected(keys.error());
  if (const auto n = workspaces->integer(0, 0); n > 0)
    return "found " + std::to_string(n) + " workspaces without matching organization rows";
  if (const auto n = keys->integer(0, 0); n > 0)
    return "found " + std::to_string(n) + " gateway keys without matching workspace scope rows";
  return std::string();
}

}  // namespace

std::span<const Migration> tenant_migrations() { return kTenantMigrations; }
std::span<const TenantTable> tenant_tables() { return kTenantTables; }

Result<void> tidy_tenants(PgConnection& c) {
  const std::string prefix = "ensure postgres tenant schema component: ";
  const TenantScope all = TenantScope::all();
  auto t = PgTransaction::begin(c, {.scope = &all});
  if (!t) return fail(prefix + t.error().message);
  if (auto ok = c.run(kSeeds); !ok) return fail(prefix + ok.error().message);
  const auto wrong = inconsistent(c);
  if (!wrong) return fail(prefix + wrong.error().message);
  if (!wrong->empty()) return fail(*wrong);
  if (auto ok = t->commit(); !ok) return fail(prefix + ok.error().message);
  return {};
}

}  // namespace gw::store::postgres
