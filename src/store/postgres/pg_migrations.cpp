#include "store/postgres/pg_migrations.h"

#include <algorithm>
#include <set>

#include "base/strings.h"

namespace gw::store::postgres {
namespace {

constexpr const char* kCreateTable =
    "CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT "
    "now())";

PgExpected<std::set<std::string>> applied(PgConnection& c) {
  std::set<std::string> names;
  const auto there = c.query("SELECT to_regclass('schema_migrations') IS NOT NULL");
  if (!there) return tl::make_unexpected(there.error());
  if (!there->boolean(0, 0)) return names;
  const auto rows = c.query("SELECT name::text FROM schema_migrations WHERE starts_with(name, 'postgres/')");
  if (!rows) return tl::make_unexpected(rows.error());
  for (int i = 0; i < rows->rows(); ++i) names.emplace(rows->text(i, 0));
  return names;
}

PgExpected<void> apply(PgConnection& c, const Migration& m, const char*& doing) {
  const TenantScope all = TenantScope::all();
  auto t = PgTransaction::begin(c, {.scope = &all});
  if (!t) return tl::make_unexpected(t.error());
  doing = "acquire migration advisory lock: ";
  if (auto ok = lock_schema(c); !ok) return ok;
  doing = "";
  if (auto ok = c.run(kCreateTable); !ok) return tl::make_unexpected(ok.error());
  const auto noted =
      c.query("INSERT INTO schema_migrations(name) VALUES($1) ON CONFLICT DO NOTHING", PgParams().text(m.name));
  if (!noted) return tl::make_unexpected(noted.error());
  if (noted->affected() == 0) return {};  // another gateway was first
  if (auto ok = c.run(std::string(m.sql)); !ok) return tl::make_unexpected(ok.error());
  return t->commit();
}

}  // namespace

PgExpected<void> lock_schema(PgConnection& c) {
  const auto locked = c.run("SELECT pg_advisory_xact_lock(8067396491)");
  if (!locked) return tl::make_unexpected(locked.error());
  return {};
}

PgExpected<SchemaCheck> check_schema(PgConnection& c, std::span<const Migration> migrations) {
  const auto names = applied(c);
  if (!names) return tl::make_unexpected(names.error());
  for (const std::string& name : *names)
    if (std::none_of(migrations.begin(), migrations.end(), [&](const Migration& m) { return m.name == name; }))
      return SchemaCheck{SchemaState::newer, name};
  for (const Migration& m : migrations)
    if (!names->contains(std::string(m.name)))
      return SchemaCheck{names->empty() ? SchemaState::empty : SchemaState::older, std::string(m.name)};
  return SchemaCheck{};
}

std::string schema_message(const SchemaCheck& check, std::string_view setting) {
  if (check.state == SchemaState::newer)
    return "the database of " + std::string(setting) + " was written by a newer version (migration " +
           in_quotes(check.migration) + " is not known here); use that version or a newer one";
  if (check.state == SchemaState::empty)
    return "the database of " + std::string(setting) +
           " has no tables of a gateway yet; start the gateway on it once, which makes them";
  return "the database of " + std::string(setting) + " is of an older version (migration " +
         in_quotes(check.migration) + " is missing); start the gateway on it once, which migrates it";
}

Result<void> migrate(PgConnection& c, std::span<const Migration> migrations, int timeout_ms, const Progress& progress) {
  const std::string prefix = "ensure postgres schema: ";
  const auto check = check_schema(c, migrations);
  if (!check) return fail(prefix + check.error().message);
  if (check->state == SchemaState::newer) return fail(prefix + schema_message(*check, c.setting()));
  if (check->state == SchemaState::current) return {};
  const auto names = applied(c);
  if (!names) return fail(prefix + names.error().message);
  for (const Migration& m : migrations) {
    if (names->contains(std::string(m.name))) continue;
    if (progress) progress(std::string("applying ") + std::string(m.name));
    c.set_deadline(timeout_ms);
    const char* doing = "";
    const auto done = apply(c, m, doing);
    c.clear_deadline();
    if (!done) return fail(prefix + doing + "apply migration " + std::string(m.name) + ": " + done.error().message);
  }
  return {};
}

}  // namespace gw::store::postgres
