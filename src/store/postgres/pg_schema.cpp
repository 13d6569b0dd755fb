#include "store/postgres/pg_schema.h"

#include <algorithm>
#include <vector>

#include "store/postgres/tenant_schema.h"
#include "store/postgres/trace_schema.h"

namespace gw::store::postgres {
namespace {

std::vector<Migration> all_migrations() {
  std::vector<Migration> all(tenant_migrations().begin(), tenant_migrations().end());
  all.insert(all.end(), trace_migrations().begin(), trace_migrations().end());
  std::sort(all.begin(), all.end(), [](const Migration& a, const Migration& b) { return a.name < b.name; });
  return all;
}

}  // namespace

Result<void> prepare_database(PgConnection& c, int migration_timeout_ms, const Progress& progress) {
  if (auto ok = c.connect(); !ok) return fail("open postgres database: " + ok.error().message);
  if (auto ok = migrate(c, all_migrations(), migration_timeout_ms, progress); !ok) return ok;
  if (auto ok = ensure_policies(c, tenant_tables()); !ok)
    return fail("ensure postgres tenant schema component: " + ok.error().message);
  if (auto ok = ensure_policies(c, trace_tables()); !ok)
    return fail("ensure postgres traces rls policy: " + ok.error().message);
  return tidy_tenants(c);
}

PgExpected<bool> without_tables(PgConnection& c) {
  const auto check = check_schema(c, all_migrations());
  if (!check) return tl::make_unexpected(check.error());
  if (check->state != SchemaState::empty) return false;
  const auto may = c.query("SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)");
  if (!may) return tl::make_unexpected(may.error());
  if (may->boolean(0, 0)) return true;
  return tl::make_unexpected(PgError{.message = "the role of " + c.setting() +
                                                " may not make tables in this database: it must own the database, or "
                                                "have been granted what it needs"});
}

PgExpected<void> require_schema(PgConnection& c) {
  const auto check = check_schema(c, all_migrations());
  if (!check) return tl::make_unexpected(check.error());
  if (check->state == SchemaState::current) return {};
  return tl::make_unexpected(PgError{.message = schema_message(*check, c.setting())});
}

}  // namespace gw::store::postgres
