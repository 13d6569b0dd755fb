#include "store/postgres/postgres_key_store.h"

#include <poll.h>

#include <algorithm>
#include <optional>

#include "base/strings.h"
#include "store/configured_keys.h"
#include "store/postgres/pg_connection.h"
#include "store/postgres/pg_schema.h"
#include "store/postgres/tenant_schema.h"

namespace gw::store {
namespace postgres {
namespace {

constexpr const char* kColumnsOfAKey =
    "id, token_hash, org_id, workspace_id, team, name, description, created_by, role, created_at, last_used_at, "
    "expires_at, coalesce(previous_token_hash, ''), previous_until, ARRAY(SELECT jsonb_array_elements_text(CASE WHEN "
    "jsonb_typeof(permissions) = 'array' THEN permissions ELSE '[]' END)), coalesce(limits::text, '')";

GatewayKey key_of(const PgResult& r, int row) {
  GatewayKey key;
  int i = 0;
  for (std::string* to : {&key.id, &key.token_hash, &key.org_id, &key.workspace_id, &key.team, &key.name,
                          &key.description, &key.created_by, &key.role})
    *to = r.text(row, i++);
  key.created_at_ns = r.time_ns(row, 9);
  key.last_used_at_ns = r.time_ns(row, 10);
  key.expires_at_ns = r.time_ns(row, 11);
  if (key.expires_at_ns == INT64_MAX) key.expires_at_ns = 0;  // 'infinity'
  key.previous_token_hash = r.text(row, 12);
  key.previous_until_ns = r.time_ns(row, 13);
  key.permissions = r.texts(row, 14);
  key.limits = key_limits_from(r.text(row, 15));
  return key;
}

class PostgresKeyStore final : public KeyStore {
 public:
  PostgresKeyStore(const PgOptions& o, std::vector<GatewayKey> configured)
      : options_(o),
        configured_(std::move(configured)),
        connection_({.dsn = o.dsn, .setting = o.setting, .connect_timeout_ms = o.connect_timeout_ms}) {}

  Result<void> open(bool prepare);

  Result<std::int64_t> change_number() override;
  Result<KeySet> load(const TenantScope& scope) override;
  Result<KeyOutcome> insert(const TenantScope& scope, const GatewayKey& key) override;
  Result<KeyOutcome> revoke(const TenantScope& scope, std::string_view id, std::int64_t at_ns) override;
  Result<KeyChange> rotate(const TenantScope& scope, std::string_view id, const KeyRotation& rotation) override;
  Result<KeyChange> set_limits(const TenantScope& scope, std::string_view id, const KeyLimits& limits,
                               std::int64_t at_ns) override;
  Result<void> touch(const TenantScope& scope, std::span<const KeyUse> uses) override;

 private:
  /// The deadline of one call of the interface.
  class Timed {
   public:
    Timed(PgConnection& c, int ms) : c_(c) { c_.set_deadline(ms); }
    Timed(const Timed&) = delete;
    Timed& operator=(const Timed&) = delete;
    ~Timed() { c_.clear_deadline(); }

   private:
    PgConnection& c_;
  };

  Timed timed() { return {connection_, options_.write_deadline_ms}; }
  PgExpected<KeySet> read(const TenantScope& scope);
  /// Alone among those who change keys, with every key in sight and those of the configuration imported; then narrowed
  /// to `scope` by narrow().
  PgExpected<PgTransaction> begin_change(std::int64_t at_ns);
  PgExpected<void> narrow(const TenantScope& scope);
  PgExpected<bool> stored();
  PgExpected<bool> token_taken(std::string_view hash);
  PgExpected<void> insert_row(const GatewayKey& key);
  PgExpected<KeyOutcome> insert_in(const TenantScope& scope, const GatewayKey& key);
  PgExpected<KeyOutcome> revoke_in(const TenantScope& scope, std::string_view id, std::int64_t at_ns);
  PgExpected<KeyChange> rotate_in(const TenantScope& scope, std::string_view id, const KeyRotation& rotation);
  PgExpected<KeyChange> limit_in(const TenantScope& scope, std::string_view id, const KeyLimits& limits,
                                 std::int64_t at_ns);
  PgExpected<void> touch_in(const TenantScope& scope, std::span<const KeyUse> uses);

  const PgOptions options_;
  const std::vector<GatewayKey> configured_;
  PgConnection connection_;
};

template <class T>
Result<T> result_of(PgExpected<T> done) {
  if (!done) return tl::make_unexpected(done.error().error());
  if constexpr (std::is_void_v<T>)
    return {};
  else
    return std::move(*done);
}

Result<void> PostgresKeyStore::open(bool prepare) {
  if (prepare) return prepare_database(connection_, options_.migration_timeout_ms, options_.progress);
  const Timed deadline = timed();
  if (auto ok = connection_.connect(); !ok) return fail("open postgres database: " + ok.error().message);
  return result_of(require_schema(connection_));
}

Result<std::int64_t> PostgresKeyStore::change_number() {
  const Timed deadline = timed();
  // Alone it needs no transaction; a connection that died since the last look is found out by this one.
  for (;;) {
    const bool fresh = !connection_.connected();
    const auto r = connection_.query("SELECT change FROM gateway_key_state");
    if (!r && !fresh && r.error().lost && r.error().cls == ErrorClass::connection) continue;
    if (!r) return fail(r.error().message);
    return r->rows() == 1 ? r->integer(0, 0) : 0;
  }
}

PgExpected<bool> PostgresKeyStore::stored() {
  const auto r = connection_.query("SELECT EXISTS (SELECT FROM gateway_keys)");
  if (!r) return tl::make_unexpected(r.error());
  return r->boolean(0, 0);
}

PgExpected<void> PostgresKeyStore::narrow(const TenantScope& scope) {
  if (scope.everything) return {};
  const auto done = connection_.query(
      "SELECT set_config('ongoingai.scope', '', true), set_config('ongoingai.org_id', $1, true), "
      "set_config('ongoingai.workspace_id', $2, true)",
      PgParams().text(scope.org_id).text(scope.workspace_id));
  if (!done) return tl::make_unexpected(done.error());
  return {};
}

std::string select_keys(const TenantScope& scope, bool one) {
  std::string sql = std::string("SELECT ") + kColumnsOfAKey + " FROM gateway_keys WHERE revoked_at IS NULL";
  if (!scope.everything) sql += " AND org_id=$1 AND workspace_id=$2";
  if (one) sql += scope.everything ? " AND id=$1" : " AND id=$3";
  return sql + " ORDER BY created_at, id COLLATE \"C\"";
}

PgParams scope_params(const TenantScope& scope) {
  PgParams p;
  if (!scope.everything) p.text(scope.org_id).text(scope.workspace_id);
  return p;
}

PgExpected<KeySet> PostgresKeyStore::read(const TenantScope& scope) {
  const TenantScope all = TenantScope::all();
  const auto t = PgTransaction::begin(connection_, {.scope = &all, .read_only = true, .snapshot = true});
  if (!t) return tl::make_unexpected(t.error());
  KeySet set;
  const auto change = connection_.query("SELECT change FROM gateway_key_state");
  if (!change) return tl::make_unexpected(change.error());
  if (change->rows() == 1) set.change = change->integer(0, 0);
  const auto any = stored();
  if (!any) return tl::make_unexpected(any.error());
  set.stored = *any;
  if (!set.stored) {
    std::copy_if(configured_.begin(), configured_.end(), std::back_inserter(set.keys),
                 [&](const GatewayKey& key) { return in_scope(scope, key); });
    return set;
  }
  if (auto ok = narrow(scope); !ok) return tl::make_unexpected(ok.error());
  const auto rows = connection_.query(select_keys(scope, false), scope_params(scope));
  if (!rows) return tl::make_unexpected(rows.error());
  for (int i = 0; i < rows->rows(); ++i) set.keys.push_back(key_of(*rows, i));
  return set;
}

Result<KeySet> PostgresKeyStore::load(const TenantScope& scope) {
  const Timed deadline = timed();
  return result_of(read(scope));
}

PgExpected<void> PostgresKeyStore::insert_row(const GatewayKey& key) {
  if (auto ok = connection_.query("INSERT INTO organizations(id, name) VALUES($1, $1) ON CONFLICT (id) DO NOTHING",
                                  PgParams().text(key.org_id));
      !ok)
    return tl::make_unexpected(ok.error());
  if (auto ok = connection_.query(
          "INSERT INTO workspaces(id, org_id, name) VALUES($1, $2, $1) ON CONFLICT (org_id, id) DO NOTHING",
          PgParams().text(key.workspace_id).text(key.org_id));
      !ok)
    return tl::make_unexpected(ok.error());
  PgParams p;
  for (const std::string* s : {&key.id, &key.token_hash, &key.org_id, &key.workspace_id, &key.team, &key.name,
                               &key.description, &key.created_by, &key.role})
    p.text(*s);
  p.texts(std::span<const std::string>(key.permissions)).time(key.created_at_ns).time_or_null(key.expires_at_ns);
  const std::string limits = key_limits_json(key.limits);
  p.text(limits);
  const auto done = connection_.query(
      "INSERT INTO gateway_keys(id, token_hash, token, org_id, workspace_id, team, name, description, created_by, "
      "role, "
      "permissions, created_at, expires_at, limits) VALUES($1, $2, 'redacted:' || $1, $3, $4, $5, $6, $7, $8, $9, CASE "
      "WHEN "
      "cardinality($10) > 0 THEN to_jsonb($10) END, $11, $12, nullif($13, '')::jsonb)",
      p);
  if (!done) return tl::make_unexpected(done.error());
  return {};
}

PgExpected<PgTransaction> PostgresKeyStore::begin_change(std::int64_t at_ns) {
  const TenantScope all = TenantScope::all();
  auto t = PgTransaction::begin(connection_, {.scope = &all});
  if (!t) return t;
  const auto locked = connection_.query("SELECT change FROM gateway_key_state FOR UPDATE");
  if (!locked) return tl::make_unexpected(locked.error());
  const auto any = stored();
  if (!any) return tl::make_unexpected(any.error());
  if (!*any)
    for (const GatewayKey& key : keys_to_import(configured_, at_ns))
      if (auto ok = insert_row(key); !ok) return tl::make_unexpected(ok.error());
  return t;
}

PgExpected<bool> PostgresKeyStore::token_taken(std::string_view hash) {
  const auto r = connection_.query(
      "SELECT EXISTS (SELECT FROM gateway_keys WHERE token_hash=$1 OR previous_token_hash=$1)", PgParams().text(hash));
  if (!r) return tl::make_unexpected(r.error());
  return r->boolean(0, 0);
}

PgExpected<KeyOutcome> PostgresKeyStore::insert_in(const TenantScope& scope, const GatewayKey& key) {
  auto t = begin_change(key.created_at_ns);
  if (!t) return tl::make_unexpected(t.error());
  const auto taken = token_taken(key.token_hash);
  if (!taken) return tl::make_unexpected(taken.error());
  if (*taken) return KeyOutcome::conflict;
  if (auto ok = narrow(scope); !ok) return tl::make_unexpected(ok.error());
  if (auto ok = insert_row(key); !ok) {
    if (ok.error().sqlstate == "23505") return KeyOutcome::conflict;
    return tl::make_unexpected(ok.error());
  }
  if (auto ok = t->commit(); !ok) return tl::make_unexpected(ok.error());
  return KeyOutcome::done;
}

Result<KeyOutcome> PostgresKeyStore::insert(const TenantScope& scope, const GatewayKey& key) {
  if (!in_scope(scope, key) || key.id.empty() || key.token_hash.empty())
    return fail("a gateway key must have an id and a digest and belong to the tenant that stores it");
  const Timed deadline = timed();
  return result_of(insert_in(scope, key));
}

PgExpected<KeyOutcome> PostgresKeyStore::revoke_in(const TenantScope& scope, std::string_view id, std::int64_t at_ns) {
  if (!is_storable_text(id)) return KeyOutcome::not_found;
  auto t = begin_change(at_ns);
  if (!t) return tl::make_unexpected(t.error());
  if (auto ok = narrow(scope); !ok) return tl::make_unexpected(ok.error());
  std::string sql = "UPDATE gateway_keys SET revoked_at=$2 WHERE id=$1 AND revoked_at IS NULL";
  PgParams p;
  p.text(id).time(at_ns);
  if (!scope.everything) {
    sql += " AND org_id=$3 AND workspace_id=$4";
    p.text(scope.org_id).text(scope.workspace_id);
  }
  const auto done = connection_.query(sql, p);
  if (!done) return tl::make_unexpected(done.error());
  if (done->affected() == 0) return KeyOutcome::not_found;
  if (auto ok = t->commit(); !ok) return tl::make_unexpected(ok.error());
  return KeyOutcome::done;
}

Result<KeyOutcome> PostgresKeyStore::revoke(const TenantScope& scope, std::string_view id, std::int64_t at_ns) {
  const Timed deadline = timed();
  return result_of(revoke_in(scope, id, at_ns));
}

PgExpected<KeyChange> PostgresKeyStore::rotate_in(const TenantScope& scope, std::string_view id,
                                                  const KeyRotation& rotation) {
  if (!is_storable_text(id)) return KeyChange{.outcome = KeyOutcome::not_found};
  auto t = begin_change(rotation.at_ns);
  if (!t) return tl::make_unexpected(t.error());
  const auto taken = token_taken(rotation.token_hash);
  if (!taken) return tl::make_unexpected(taken.error());
  if (auto ok = narrow(scope); !ok) return tl::make_unexpected(ok.error());
  PgParams one = scope_params(scope);
  one.text(id);
  const auto there = connection_.query(select_keys(scope, true), one);
  if (!there) return tl::make_unexpected(there.error());
  if (there->rows() == 0) return KeyChange{.outcome = KeyOutcome::not_found};
  if (*taken) return KeyChange{.outcome = KeyOutcome::conflict};
  const auto done = connection_.query(
      std::string("UPDATE gateway_keys SET previous_token_hash = CASE WHEN $3 IS NOT NULL THEN token_hash END, "
                  "previous_until = $3, token_hash = $2 WHERE id=$1 AND revoked_at IS NULL RETURNING ") +
          kColumnsOfAKey,
      PgParams().text(id).text(rotation.token_hash).time_or_null(rotation.grace_until_ns));
  if (!done) return tl::make_unexpected(done.error());
  if (done->rows() == 0) return KeyChange{.outcome = KeyOutcome::not_found};
  KeyChange change{.outcome = KeyOutcome::done, .key = key_of(*done, 0)};
  if (auto ok = t->commit(); !ok) return tl::make_unexpected(ok.error());
  return change;
}

Result<KeyChange> PostgresKeyStore::rotate(const TenantScope& scope, std::string_view id, const KeyRotation& rotation) {
  if (rotation.token_hash.empty()) return fail("a gateway key must have a digest");
  const Timed deadline = timed();
  return result_of(rotate_in(scope, id, rotation));
}

PgExpected<KeyChange> PostgresKeyStore::limit_in(const TenantScope& scope, std::string_view id, const KeyLimits& limits,
                                                 std::int64_t at_ns) {
  if (!is_storable_text(id)) return KeyChange{.outcome = KeyOutcome::not_found};
  auto t = begin_change(at_ns);
  if (!t) return tl::make_unexpected(t.error());
  if (auto ok = narrow(scope); !ok) return tl::make_unexpected(ok.error());
  std::string sql = "UPDATE gateway_keys SET limits = nullif($2, '')::jsonb WHERE id=$1 AND revoked_at IS NULL";
  PgParams p;
  const std::string text = key_limits_json(limits);
  p.text(id).text(text);
  if (!scope.everything) {
    sql += " AND org_id=$3 AND workspace_id=$4";
    p.text(scope.org_id).text(scope.workspace_id);
  }
  const auto done = connection_.query(sql + " RETURNING " + kColumnsOfAKey, p);
  if (!done) return tl::make_unexpected(done.error());
  if (done->rows() == 0) return KeyChange{.outcome = KeyOutcome::not_found};
  KeyChange change{.outcome = KeyOutcome::done, .key = key_of(*done, 0)};
  if (auto ok = t->commit(); !ok) return tl::make_unexpected(ok.error());
  return change;
}

Result<KeyChange> PostgresKeyStore::set_limits(const TenantScope& scope, std::string_view id, const KeyLimits& limits,
                                               std::int64_t at_ns) {
  const Timed deadline = timed();
  return result_of(limit_in(scope, id, limits, at_ns));
}

PgExpected<void> PostgresKeyStore::touch_in(const TenantScope& scope, std::span<const KeyUse> uses) {
  std::vector<std::string_view> ids;
  std::vector<std::int64_t> times;
  for (const KeyUse& use : uses) {
    ids.push_back(use.id);
    times.push_back(use.at_ns / 1000);
  }
  auto t = PgTransaction::begin(connection_, {.scope = &scope});
  if (!t) return tl::make_unexpected(t.error());
  // Gateways that note the same keys at once lock them in one order.
  const auto done = connection_.query(
      "WITH used AS (SELECT id, timestamptz 'epoch' + max(at) * interval '1 microsecond' AS at FROM unnest($1, $2) AS "
      "u(id, at) GROUP BY id), locked AS (SELECT k.id, used.at FROM gateway_keys k JOIN used ON used.id = k.id WHERE "
      "k.last_used_at IS NULL OR k.last_used_at < used.at ORDER BY k.id FOR UPDATE OF k) UPDATE gateway_keys k SET "
      "last_used_at = locked.at FROM locked WHERE k.id = locked.id AND ($3 OR (k.org_id = $4 AND k.workspace_id = $5))",
      PgParams()
          .texts(std::span<const std::string_view>(ids))
          .integers(times)
          .boolean(scope.everything)
          .text(scope.org_id)
          .text(scope.workspace_id));
  if (!done) return tl::make_unexpected(done.error());
  return t->commit();
}

Result<void> PostgresKeyStore::touch(const TenantScope& scope, std::span<const KeyUse> uses) {
  if (uses.empty()) return {};
  const Timed deadline = timed();
  return result_of(touch_in(scope, uses));
}

}  // namespace
}  // namespace postgres

Result<std::unique_ptr<KeyStore>> open_postgres_key_store(const PgOptions& options, std::vector<GatewayKey> configured,
                                                          bool prepare) {
  auto store = std::make_unique<postgres::PostgresKeyStore>(options, std::move(configured));
  if (auto ok = store->open(prepare); !ok) return tl::make_unexpected(ok.error());
  return store;
}

struct PgKeyListener::Impl {
  static constexpr std::int64_t kConnectAgainNs = 5'000'000'000;

  explicit Impl(const PgOptions& o)
      : connection({.dsn = o.dsn, .setting = o.setting, .connect_timeout_ms = 2'000, .call_timeout_ms = 2'000}) {}

  bool listen() {
    if (connection.connected()) return true;
    if (mono_now_ns() < next_try_ns) return false;
    next_try_ns = mono_now_ns() + kConnectAgainNs;
    const auto done = connection.run(std::string("LISTEN ") + postgres::kKeysChannel);
    problem = done ? "" : done.error().message;
    if (!done) connection.drop();
    return done.has_value();
  }

  postgres::PgConnection connection;
  std::int64_t next_try_ns = 0;
  std::string problem;
};

PgKeyListener::PgKeyListener(const PgOptions& options) : impl_(std::make_unique<Impl>(options)) {}
PgKeyListener::~PgKeyListener() = default;
PgKeyListener::PgKeyListener(PgKeyListener&&) noexcept = default;

bool PgKeyListener::listening() const { return impl_->connection.connected(); }

const std::string& PgKeyListener::problem() const { return impl_->problem; }

void PgKeyListener::wait(int ms, int wake_fd) {
  const bool before = impl_->connection.connected();
  if (impl_->listen() && !before) return;  // what happened until now was not heard
  pollfd fds[2] = {{.fd = wake_fd, .events = POLLIN, .revents = 0},
                   {.fd = impl_->connection.fd(), .events = POLLIN, .revents = 0}};
  if (::poll(fds, 2, ms) <= 0 || fds[1].revents == 0) return;
  if (const auto heard = impl_->connection.wait_for_notification(0); !heard) impl_->problem = heard.error().message;
}

}  // namespace gw::store
