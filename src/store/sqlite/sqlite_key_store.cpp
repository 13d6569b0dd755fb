#include "store/sqlite/sqlite_key_store.h"

#include <algorithm>

#include "base/json_writer.h"
#include "base/strings.h"
#include "base/time_format.h"
#include "store/configured_keys.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/key_notice.h"
#include "store/sqlite/key_schema.h"
#include "store/sqlite/schema.h"

namespace gw::store {
namespace sqlite {
namespace {

constexpr std::string_view kColumnsOfAKey =
    "id, token_hash, org_id, workspace_id, team, name, description, created_by, role, created_at, last_used_at, "
    "expires_at, previous_token_hash, previous_until, (SELECT group_concat(value, char(10)) FROM json_each(CASE WHEN "
    "json_valid(permissions) THEN permissions ELSE '[]' END)), limits";

constexpr std::string_view kInsert =
    "INSERT INTO gateway_keys(id, token_hash, token, org_id, workspace_id, team, name, description, created_by, role, "
    "permissions, created_at, expires_at, limits) VALUES(?1, ?2, 'redacted:' || ?1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
    "nullif(?10, "
    "'[]'), ?11, nullif(?12, ''), nullif(?13, ''))";

std::int64_t time_of(std::string_view text, std::int64_t when_unreadable) {
  return text.empty() ? 0 : parse_db_time(text).value_or(when_unreadable);
}

std::string text_of(std::int64_t time_ns) { return time_ns == 0 ? std::string() : format_db_time(time_ns); }

GatewayKey key_of(const Statement& row) {
  constexpr std::int64_t kLongAgo = 1;  // what nobody can read is over
  GatewayKey key;
  int i = 0;
  for (std::string* to : {&key.id, &key.token_hash, &key.org_id, &key.workspace_id, &key.team, &key.name,
                          &key.description, &key.created_by, &key.role})
    *to = row.text(i++);
  key.created_at_ns = time_of(row.text(9), 0);
  key.last_used_at_ns = time_of(row.text(10), 0);
  key.expires_at_ns = time_of(row.text(11), kLongAgo);
  key.previous_token_hash = row.text(12);
  key.previous_until_ns = time_of(row.text(13), kLongAgo);
  std::string_view list = row.text(14);
  while (!list.empty()) {
    const std::size_t end = std::min(list.find('\n'), list.size());
    if (end > 0) key.permissions.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  key.limits = key_limits_from(row.text(15));
  return key;
}

class SqliteKeyStore final : public KeyStore {
 public:
  SqliteKeyStore(SqliteOptions options, std::vector<GatewayKey> configured)
      : options_(std::move(options)), configured_(std::move(configured)), notice_(options_.path) {}

  Result<void> open();

  Result<std::int64_t> change_number() override;
  Result<KeySet> load(const TenantScope& scope) override;
  Result<KeyOutcome> insert(const TenantScope& scope, const GatewayKey& key) override;
  Result<KeyOutcome> revoke(const TenantScope& scope, std::string_view id, std::int64_t at_ns) override;
  Result<KeyChange> rotate(const TenantScope& scope, std::string_view id, const KeyRotation& rotation) override;
  Result<KeyChange> set_limits(const TenantScope& scope, std::string_view id, const KeyLimits& limits,
                               std::int64_t at_ns) override;
  Result<void> touch(const TenantScope& scope, std::span<const KeyUse> uses) override;

 private:
  Result<void> begin(const char* how);
  /// Keeps what was done, or undoes it. The outcome of `done` comes back.
  template <class T>
  Result<T> end(bool keep, T done);
  tl::unexpected<Error> failed();
  Result<std::int64_t> read_change_number();
  bool in_place() const;
  int read(const TenantScope& scope, std::string_view id, std::vector<GatewayKey>& out);
  int stored(bool& any);
  int change(std::int64_t& out);
  int import_configured(std::int64_t at_ns);
  int insert_row(const GatewayKey& key);
  int token_taken(std::string_view hash, bool& taken);
  int find(const TenantScope& scope, std::string_view id, bool& found);

  const SqliteOptions options_;
  const std::vector<GatewayKey> configured_;
  std::unique_ptr<Connection> connection_;  ///< null: to be opened
  std::optional<FileId> log_;

  /// What there was before a change number was read.
  struct Look {
    std::optional<FileId> file;
    std::optional<KeyNotice::State> noticed;
    bool proves_no_change_since(const Look& earlier) const {
      return file && noticed && file == earlier.file && noticed == earlier.noticed;
    }
  };
  Look look() const { return {file_id(options_.path), notice_.state()}; }
  const KeyNotice notice_;
  std::optional<std::pair<Look, std::int64_t>> last_;  ///< that succeeded, and the number
};

Result<void> SqliteKeyStore::open() {
  connection_.reset();
  if (trim(options_.path).empty()) return fail("sqlite path cannot be empty");
  const std::string error = "open sqlite database " + in_quotes(options_.path) + ": ";
  const bool alone = options_.read_once && !file_id(options_.path + "-wal") && !file_id(options_.path + "-journal");
  const int mode = options_.read_once ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  auto opened = alone ? Connection::open_immutable(options_.path, options_.clock)
                      : Connection::open(options_.path, mode, options_.clock);
  if (!opened.connection) return fail(error + opened.error);
  Connection& db = *opened.connection;
  if (db.set_busy_timeout(options_.busy_timeout_ms) != SQLITE_OK)
    return fail("set sqlite busy timeout: " + db.message());
  if (options_.on_open) options_.on_open(db.db());
  Statement first = db.prepare("SELECT count(*) FROM sqlite_master");
  if (!first || first.step() != SQLITE_ROW) return fail(error + db.message());
  first = Statement();
  if (const auto newer = newer_migration(db)) return fail(error + newer_message(*newer));
  if (!has_key_schema(db))
    return fail(
        error +
        "its table of gateway keys is missing or of an older version; start the gateway on it once, which migrates it");
  // A key that was revoked must not come back with the power.
  // Moving the log into the database is the writer's: it would keep whoever changes a key waiting.
  if (db.exec("PRAGMA synchronous=FULL; PRAGMA secure_delete=FAST; PRAGMA cache_size=-256; PRAGMA "
              "wal_autocheckpoint=0") != SQLITE_OK)
    return fail("set sqlite synchronous mode: " + db.message());
  if (!options_.read_once) notice_.create();
  connection_ = std::move(opened.connection);
  log_ = file_id(options_.path + "-wal");
  return {};
}

bool SqliteKeyStore::in_place() const {
  return file_id(options_.path) == connection_->file() && (!log_ || file_id(options_.path + "-wal") == log_);
}

tl::unexpected<Error> SqliteKeyStore::failed() {
  Connection& db = *connection_;
  const int code = db.code() & 0xFF;
  std::string why = "sqlite database " + in_quotes(options_.path) + ": " + db.message();
  db.rollback();
  db.clear_deadline();
  if (code != SQLITE_BUSY && code != SQLITE_LOCKED && code != SQLITE_INTERRUPT) connection_.reset();
  return fail(std::move(why));
}

Result<void> SqliteKeyStore::begin(const char* how) {
  if (!connection_ || !in_place())
    if (auto r = open(); !r) return r;
  connection_->set_deadline(options_.write_deadline_ms);
  if (connection_->exec(how) != SQLITE_OK) return failed();
  return {};
}

template <class T>
Result<T> SqliteKeyStore::end(bool keep, T done) {
  if (keep) {
    if (auto noted = notice_.add(); !noted) {
      connection_->rollback();
      connection_->clear_deadline();
      return tl::make_unexpected(noted.error());
    }
    if (connection_->exec("COMMIT") != SQLITE_OK) return failed();
    [[maybe_unused]] const auto noted =
        notice_.add();  // without it whoever looked before the commit trusts for a minute
  }
  connection_->rollback();
  connection_->clear_deadline();
  if (!log_) log_ = file_id(options_.path + "-wal");
  return done;
}

int SqliteKeyStore::stored(bool& any) {
  Statement s = connection_->prepare("SELECT 1 FROM gateway_keys LIMIT 1");
  const int rc = s ? s.step() : connection_->code();
  any = rc == SQLITE_ROW;
  return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int SqliteKeyStore::change(std::int64_t& out) {
  Statement s = connection_->prepare("SELECT value FROM store_meta WHERE key='keys_change'");
  const int rc = s ? s.step() : connection_->code();
  if (rc == SQLITE_ROW) out = s.integer(0);
  return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/// Blank id: all of the scope.
int SqliteKeyStore::read(const TenantScope& scope, std::string_view id, std::vector<GatewayKey>& out) {
  std::string sql = "SELECT " + std::string(kColumnsOfAKey) + " FROM gateway_keys WHERE revoked_at IS NULL";
  if (!scope.everything) sql += " AND org_id=?1 AND workspace_id=?2";
  if (!id.empty()) sql += " AND id=?3";
  Statement s = connection_->prepare(sql + " ORDER BY created_at, id");
  if (!s) return connection_->code();
  if (!scope.everything) {
    s.bind(1, scope.org_id);
    s.bind(2, scope.workspace_id);
  }
  if (!id.empty()) s.bind(3, id);
  int rc = s.step();
  for (; rc == SQLITE_ROW; rc = s.step()) out.push_back(key_of(s));
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

Result<std::int64_t> SqliteKeyStore::change_number() {
  const Look now = look();
  const auto number = read_change_number();
  if (number)
    last_.emplace(now, *number);
  else if (last_ && now.proves_no_change_since(last_->first))
    return last_->second;
  return number;
}

Result<std::int64_t> SqliteKeyStore::read_change_number() {
  if (auto r = begin("BEGIN"); !r) return tl::make_unexpected(r.error());
  std::int64_t now = 0;
  if (change(now) != SQLITE_OK) return failed();
  return end(false, now);
}

Result<KeySet> SqliteKeyStore::load(const TenantScope& scope) {
  const Look before = look();
  if (auto r = begin("BEGIN"); !r) return tl::make_unexpected(r.error());
  KeySet set;
  if (change(set.change) != SQLITE_OK || stored(set.stored) != SQLITE_OK) return failed();
  if (set.stored) {
    if (read(scope, {}, set.keys) != SQLITE_OK) return failed();
  } else {
    std::copy_if(configured_.begin(), configured_.end(), std::back_inserter(set.keys),
                 [&](const GatewayKey& key) { return in_scope(scope, key); });
  }
  last_.emplace(before, set.change);
  return end(false, std::move(set));
}

int SqliteKeyStore::insert_row(const GatewayKey& key) {
  std::string permissions;
  JsonWriter w(permissions);
  w.begin_array();
  for (const std::string& p : key.permissions) w.value(p);
  w.end_array();
  const std::string created = format_db_time(key.created_at_ns), expires = text_of(key.expires_at_ns);
  const std::string limits = key_limits_json(key.limits);
  Statement s = connection_->prepare(kInsert);
  if (!s) return connection_->code();
  int i = 0;
  for (const std::string_view text : std::initializer_list<std::string_view>{
           key.id, key.token_hash, key.org_id, key.workspace_id, key.team, key.name, key.description, key.created_by,
           key.role, permissions, created, expires, limits})
    s.bind(++i, text);
  return s.run();
}

/// Once, while nothing is stored.
int SqliteKeyStore::import_configured(std::int64_t at_ns) {
  bool any = false;
  if (const int rc = stored(any); rc != SQLITE_OK || any) return rc;
  for (const GatewayKey& key : keys_to_import(configured_, at_ns))
    if (const int rc = insert_row(key); rc != SQLITE_OK) return rc;
  return SQLITE_OK;
}

int SqliteKeyStore::token_taken(std::string_view hash, bool& taken) {
  Statement s =
      connection_->prepare("SELECT 1 FROM gateway_keys WHERE token_hash=?1 OR previous_token_hash=?1 LIMIT 1");
  if (!s) return connection_->code();
  s.bind(1, hash);
  const int rc = s.step();
  taken = rc == SQLITE_ROW;
  return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

Result<KeyOutcome> SqliteKeyStore::insert(const TenantScope& scope, const GatewayKey& key) {
  if (!in_scope(scope, key) || key.id.empty() || key.token_hash.empty())
    return fail("a gateway key must have an id and a digest and belong to the tenant that stores it");
  if (auto r = begin("BEGIN IMMEDIATE"); !r) return tl::make_unexpected(r.error());
  bool taken = false;
  if (import_configured(key.created_at_ns) != SQLITE_OK || token_taken(key.token_hash, taken) != SQLITE_OK)
    return failed();
  const int rc = taken ? SQLITE_CONSTRAINT : insert_row(key);
  if ((rc & 0xFF) == SQLITE_CONSTRAINT) return end(false, KeyOutcome::conflict);
  if (rc != SQLITE_OK) return failed();
  return end(true, KeyOutcome::done);
}

int SqliteKeyStore::find(const TenantScope& scope, std::string_view id, bool& found) {
  std::vector<GatewayKey> rows;
  const int rc = id.empty() ? SQLITE_OK : read(scope, id, rows);
  found = !rows.empty();
  return rc;
}

Result<KeyOutcome> SqliteKeyStore::revoke(const TenantScope& scope, std::string_view id, std::int64_t at_ns) {
  if (auto r = begin("BEGIN IMMEDIATE"); !r) return tl::make_unexpected(r.error());
  bool found = false;
  if (import_configured(at_ns) != SQLITE_OK || find(scope, id, found) != SQLITE_OK) return failed();
  if (!found) return end(false, KeyOutcome::not_found);
  const std::string at = format_db_time(at_ns);
  Statement s = connection_->prepare("UPDATE gateway_keys SET revoked_at=?2 WHERE id=?1 AND revoked_at IS NULL");
  if (!s) return failed();
  s.bind(1, id);
  s.bind(2, at);
  if (s.run() != SQLITE_OK) return failed();
  return end(true, KeyOutcome::done);
}

Result<KeyChange> SqliteKeyStore::rotate(const TenantScope& scope, std::string_view id, const KeyRotation& rotation) {
  if (rotation.token_hash.empty()) return fail("a gateway key must have a digest");
  if (auto r = begin("BEGIN IMMEDIATE"); !r) return tl::make_unexpected(r.error());
  bool found = false, taken = false;
  if (import_configured(rotation.at_ns) != SQLITE_OK || find(scope, id, found) != SQLITE_OK ||
      token_taken(rotation.token_hash, taken) != SQLITE_OK)
    return failed();
  if (!found) return end(false, KeyChange{.outcome = KeyOutcome::not_found});
  if (taken) return end(false, KeyChange{.outcome = KeyOutcome::conflict});
  const std::string until = text_of(rotation.grace_until_ns);
  Statement s = connection_->prepare(
      "UPDATE gateway_keys SET previous_token_hash = CASE WHEN ?3 = '' THEN NULL ELSE token_hash END, previous_until = "
      "nullif(?3, ''), token_hash = ?2 WHERE id=?1 AND revoked_at IS NULL");
  if (!s) return failed();
  s.bind(1, id);
  s.bind(2, rotation.token_hash);
  s.bind(3, until);
  std::vector<GatewayKey> rows;
  if (s.run() != SQLITE_OK || read(scope, id, rows) != SQLITE_OK || rows.empty()) return failed();
  return end(true, KeyChange{.outcome = KeyOutcome::done, .key = std::move(rows.front())});
}

Result<KeyChange> SqliteKeyStore::set_limits(const TenantScope& scope, std::string_view id, const KeyLimits& limits,
                                             std::int64_t at_ns) {
  if (auto r = begin("BEGIN IMMEDIATE"); !r) return tl::make_unexpected(r.error());
  bool found = false;
  if (import_configured(at_ns) != SQLITE_OK || find(scope, id, found) != SQLITE_OK) return failed();
  if (!found) return end(false, KeyChange{.outcome = KeyOutcome::not_found});
  const std::string text = key_limits_json(limits);
  Statement s =
      connection_->prepare("UPDATE gateway_keys SET limits=nullif(?2, '') WHERE id=?1 AND revoked_at IS NULL");
  if (!s) return failed();
  s.bind(1, id);
  s.bind(2, text);
  std::vector<GatewayKey> rows;
  if (s.run() != SQLITE_OK || read(scope, id, rows) != SQLITE_OK || rows.empty()) return failed();
  return end(true, KeyChange{.outcome = KeyOutcome::done, .key = std::move(rows.front())});
}

Result<void> SqliteKeyStore::touch(const TenantScope& scope, std::span<const KeyUse> uses) {
  if (uses.empty()) return {};
  if (auto r = begin("BEGIN IMMEDIATE"); !r) return r;
  Statement s = connection_->prepare(
      "UPDATE gateway_keys SET last_used_at=?2 WHERE id=?1 AND (last_used_at IS NULL OR last_used_at < ?2) AND (?5 OR "
      "(org_id=?3 AND workspace_id=?4))");
  if (!s) return failed();
  for (const KeyUse& use : uses) {
    const std::string at = format_db_time(use.at_ns);
    s.bind(1, use.id);
    s.bind(2, at);
    s.bind(3, scope.org_id);
    s.bind(4, scope.workspace_id);
    s.bind(5, std::int64_t{scope.everything});
    if (s.run() != SQLITE_OK) return failed();
  }
  if (connection_->exec("COMMIT") != SQLITE_OK) return failed();
  connection_->clear_deadline();
  return {};
}

}  // namespace
}  // namespace sqlite

Result<std::unique_ptr<KeyStore>> open_sqlite_key_store(const SqliteOptions& options,
                                                        std::vector<GatewayKey> configured) {
  auto store = std::make_unique<sqlite::SqliteKeyStore>(options, std::move(configured));
  if (auto r = store->open(); !r) return tl::make_unexpected(r.error());
  return store;
}

}  // namespace gw::store
