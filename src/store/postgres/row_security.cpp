#include "store/postgres/row_security.h"

#include "store/postgres/pg_migrations.h"

namespace gw::store::postgres {
namespace {

// On the policy as its comment: dropping and making it anew, as other programs do, loses it.
constexpr std::string_view kMark = "ongoingai: binds, 1";

// In a subselect it is looked up once a statement.
std::string setting(std::string_view name) {
  return "(SELECT nullif(current_setting('ongoingai." + std::string(name) + "', true), ''))";
}

}  // namespace

std::string policy_sql(const TenantTable& t) {
  const std::string table(t.table), policy(t.policy);
  std::string rule = setting("scope") + " = 'all' OR (" + std::string(t.org_column) + " = " + setting("org_id");
  if (!t.workspace_column.empty())
    rule += " AND (" + setting("workspace_id") + " IS NULL OR " + std::string(t.workspace_column) + " = " +
            setting("workspace_id") + ")";
  rule += ")";
  return "DROP POLICY IF EXISTS " + policy + " ON " + table + "; CREATE POLICY " + policy + " ON " + table +
         " USING (" + rule + ") WITH CHECK (" + rule + "); COMMENT ON POLICY " + policy + " ON " + table + " IS '" +
         std::string(kMark) + "'; ALTER TABLE " + table + " ENABLE ROW LEVEL SECURITY; ALTER TABLE " + table +
         " FORCE ROW LEVEL SECURITY;";
}

namespace {

/// The statements that put right what is not as it should be.
PgExpected<std::string> to_do(PgConnection& c, std::span<const TenantTable> tables) {
  std::string sql;
  for (const TenantTable& t : tables) {
    const auto state = c.query(
        "SELECT c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = "
        "c.oid "
        "AND p.polname = $2 AND obj_description(p.oid, 'pg_policy') = $3) FROM pg_class c WHERE c.oid = "
        "to_regclass($1)",
        PgParams().text(t.table).text(t.policy).text(kMark));
    if (!state) return tl::make_unexpected(state.error());
    if (state->rows() == 1 && !state->boolean(0, 0)) sql += policy_sql(t);
  }
  return sql;
}

}  // namespace

PgExpected<void> ensure_policies(PgConnection& c, std::span<const TenantTable> tables) {
  const auto seen = to_do(c, tables);
  if (!seen) return tl::make_unexpected(seen.error());
  if (seen->empty()) return {};
  const TenantScope all = TenantScope::all();
  auto t = PgTransaction::begin(c, {.scope = &all});
  if (!t) return tl::make_unexpected(t.error());
  if (auto ok = lock_schema(c); !ok) return ok;
  const auto left = to_do(c, tables);  // another gateway may have been first
  if (!left) return tl::make_unexpected(left.error());
  if (left->empty()) return {};
  if (auto ok = c.run(*left); !ok) return tl::make_unexpected(ok.error());
  return t->commit();
}

}  // namespace gw::store::postgres
