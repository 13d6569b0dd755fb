#include "store/sqlite/sqlite_store.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/strings.h"
#include "base/time_format.h"
#include "store/sqlite/batch_source.h"
#include "store/sqlite/scratch.h"
#include "store/sqlite/trace_rows.h"
#include "store/trace_store_contract.h"

namespace gw::store {
namespace {

using sqlite::PlainSql;
using sqlite::ScratchFolder;

class SqliteUnderTest final : public StoreUnderTest {
 public:
  std::unique_ptr<TraceWriter> writer() override { return std::move(*open_sqlite_writer(options())); }
  std::unique_ptr<TraceReader> reader() override { return std::move(*open_sqlite_reader(options())); }

 private:
  SqliteOptions options() const {
    SqliteOptions o;
    o.path = folder_ / "traces.db";
    return o;
  }
  ScratchFolder folder_;
};
INSTANTIATE_TEST_SUITE_P(Sqlite, TraceStoreContract,
                         testing::Values([] { return std::make_unique<SqliteUnderTest>(); }));

class SqliteStore : public testing::Test {
 protected:
  SqliteOptions options(const std::string& name = "traces.db") const {
    SqliteOptions o;
    o.path = folder_ / name;
    o.busy_timeout_ms = 1;
    return o;
  }
  std::unique_ptr<TraceWriter> writer(const SqliteOptions& o) {
    auto w = open_sqlite_writer(o);
    EXPECT_TRUE(w) << w.error().message;
    return w ? std::move(*w) : nullptr;
  }
  std::unique_ptr<TraceWriter> writer() { return writer(options()); }
  std::unique_ptr<TraceReader> reader() {
    auto r = open_sqlite_reader(options());
    EXPECT_TRUE(r) << r.error().message;
    return r ? std::move(*r) : nullptr;
  }
  std::int64_t count() { return *reader()->count(); }

  ScratchFolder folder_;
};

int mode_of(const std::string& path) {
  struct stat st{};
  return ::stat(path.c_str(), &st) == 0 ? static_cast<int>(st.st_mode & 07777) : -1;
}

// --- files ---

TEST_F(SqliteStore, CreatesMissingFoldersAndAPrivateFile) {
  const SqliteOptions o = options("a/b/traces.db");
  auto w = writer(o);
  EXPECT_EQ(mode_of(folder_ / "a"), 0755);
  EXPECT_EQ(mode_of(folder_ / "a/b"), 0755);
  EXPECT_EQ(mode_of(o.path), 0600);
  EXPECT_EQ(mode_of(o.path + "-wal"), 0600);
}

TEST_F(SqliteStore, ThePathIsTakenLiterally) {
  for (const char* name : {"what?mode=memory.db", "100%41.db", "a#b.db", "file:x.db", ":memory:"}) {
    auto w = writer(options(name));
    ASSERT_NE(w, nullptr);
    ASSERT_TRUE(w->write(test_traces(1, 1)));
    EXPECT_TRUE(std::filesystem::exists(folder_ / name)) << name;
  }
}

TEST_F(SqliteStore, RelativeNamesThatSqliteWouldInterpretAreFiles) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder_ / "");
  for (const char* name : {":memory:", "file:y.db?mode=memory"}) {
    SqliteOptions o;
    o.path = name;
    auto w = writer(o);
    EXPECT_TRUE(std::filesystem::exists(folder_ / name)) << name;
  }
  std::filesystem::current_path(before);
}

TEST_F(SqliteStore, OpenErrorsReadAsInTheContract) {
  const auto error = [](SqliteOptions o) {
    const auto w = open_sqlite_writer(o);
    return w ? std::string("opened") : w.error().message;
  };
  EXPECT_EQ(error({}), "sqlite path cannot be empty");
  std::ofstream(folder_ / "plain") << "a file where a folder should be";
  EXPECT_EQ(error(options("plain/traces.db")),
            "create sqlite directory \"" + folder_ / "plain" + "\": Not a directory");
  std::filesystem::create_directory(folder_ / "folder.db");
  EXPECT_EQ(error(options("folder.db")).find("open sqlite database \"" + folder_ / "folder.db" + "\": "), 0U);
  std::ofstream(folder_ / "text.db") << std::string(5'000, 'x');
  EXPECT_EQ(error(options("text.db")), "open sqlite database \"" + folder_ / "text.db" + "\": file is not a database");
}

TEST_F(SqliteStore, AReaderNeverCreatesAnything) {
  const auto r = open_sqlite_reader(options("absent.db"));
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().message.find("open sqlite database \"" + folder_ / "absent.db" + "\": "), 0U);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "absent.db"));
}

TEST_F(SqliteStore, ReadingOnceLeavesNoFilesBehind) {
  SqliteOptions o = options("a#b%41?c.db");
  {
    ASSERT_TRUE(writer(o)->write(test_traces(1, 3)));
  }
  ASSERT_FALSE(std::filesystem::exists(o.path + "-wal"));
  o.read_once = true;
  auto r = open_sqlite_reader(o);
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(*(*r)->count(), 3);
  EXPECT_EQ((*r)->list(TenantScope::all(), {}, {}, 10)->items.size(), 3U);
  for (const char* suffix : {"-wal", "-shm", "-journal"})
    EXPECT_FALSE(std::filesystem::exists(o.path + suffix)) << suffix;
}

TEST_F(SqliteStore, ReadingOnceSeesWhatARunningServerHasNotMovedYet) {
  auto w = writer();
  ASSERT_TRUE(w->write(test_traces(1, 3)));
  SqliteOptions o = options();
  o.read_once = true;
  auto r = std::move(*open_sqlite_reader(o));
  EXPECT_EQ(*r->count(), 3);
}

// --- schema ---

TEST_F(SqliteStore, ANewDatabaseHasTheContractsNamesAndOneIndex) {
  writer();
  PlainSql sql(options().path);
  EXPECT_EQ(sql.ask("SELECT name FROM schema_migrations ORDER BY name"),
            "sqlite/001_create_traces.sql\nsqlite/002_add_gateway_key_id.sql\nsqlite/003_ingest_sequence.sql\n"
            "sqlite/004_session_id.sql\nsqlite/005_analytics.sql\nsqlite/006_gateway_keys.sql\n"
            "sqlite/007_key_limits.sql");
  EXPECT_EQ(sql.ask("SELECT name FROM sqlite_master WHERE type='index' AND tbl_name='traces' ORDER BY name"),
            "idx_traces_id");
  EXPECT_EQ(sql.ask("PRAGMA auto_vacuum"), "2");
  EXPECT_EQ(sql.ask("PRAGMA journal_mode"), "wal");
  EXPECT_EQ(sql.ask("SELECT sql LIKE '%seq INTEGER PRIMARY KEY AUTOINCREMENT%' FROM sqlite_master WHERE name='traces'"),
            "1");
  EXPECT_EQ(sql.ask("SELECT count(*) FROM pragma_table_info('traces') WHERE name IN "
                    "('id','trace_group_id','org_id','workspace_id',"
                    "'timestamp','provider','model','request_method','request_path','request_headers','request_body',"
                    "'response_status','response_headers','response_body','input_tokens','output_tokens','total_tokens'"
                    ",'latency_ms',"
                    "'time_to_first_token_ms','time_to_first_token_us','api_key_hash','estimated_cost_usd','metadata','"
                    "created_at',"
                    "'gateway_key_id')"),
            "25");
}

TEST_F(SqliteStore, TimesAreStoredInTheContractsText) {
  auto w = writer();
  Trace t = test_trace(1);
  t.timestamp_ns = *parse_rfc3339("2026-02-12T02:00:01.123456Z");
  t.created_at_ns = *parse_rfc3339("2026-02-12T02:00:02Z");
  ASSERT_TRUE(w->write({&t, 1}));
  EXPECT_EQ(PlainSql(options().path).ask("SELECT timestamp, created_at FROM traces"),
            "2026-02-12 02:00:01.123456 +0000 UTC|2026-02-12 02:00:02 +0000 UTC");
}

TEST(DbTimeText, AgreesWithTheFormatterOfTheHouse) {
  sqlite::DbTimeText text;
  for (const std::int64_t ns :
       {0LL, 1LL, 999'999'999LL, 1'000'000'000LL, -1LL, -1'000'000'000LL, 1'770'000'000'120'000'000LL,
        1'770'000'000'120'000'001LL, 1'770'000'000'000'000'000LL, 1'770'000'001'000'000'100LL})
    EXPECT_EQ(text.format(ns), format_db_time(ns)) << ns;
}

TEST_F(SqliteStore, AStoreNewerThanTheBinaryIsRefused) {
  writer();
  PlainSql(options().path).run("INSERT INTO schema_migrations(name) VALUES('sqlite/999_from_the_future.sql')");
  const auto w = open_sqlite_writer(options());
  ASSERT_FALSE(w);
  EXPECT_EQ(w.error().message,
            "open sqlite database \"" + options().path +
                "\": it was written by a newer version (migration \"sqlite/999_from_the_future.sql\" is not known "
                "here); use that version or a newer one");
}

TEST(ContainsText, LooksAtEveryPlaceAndAtAsciiLettersOfEitherCase) {
  using sqlite::contains_text;
  EXPECT_TRUE(contains_text("abc", ""));
  EXPECT_TRUE(contains_text("", ""));
  EXPECT_FALSE(contains_text("", "a"));
  EXPECT_TRUE(contains_text("xxAbC", "aBc"));
  EXPECT_TRUE(contains_text("aab", "AB"));
  EXPECT_TRUE(contains_text("1212123", "12123"));
  EXPECT_FALSE(contains_text("ab", "abc"));
  EXPECT_FALSE(contains_text("\xC3\x84", "\xC3\xA4")) << "other letters are as they are";
  EXPECT_TRUE(contains_text(std::string_view("a\0B", 3), std::string_view("\0b", 2)));
  // Against the obvious search, over an alphabet of three.
  for (int n = 0; n < 3 * 3 * 3 * 3 * 3 * 3; ++n) {
    std::string body, lower;
    for (int rest = n, i = 0; i < 6; ++i, rest /= 3) body += "aAb"[rest % 3];
    for (const char c : body) lower += c == 'A' ? 'a' : c;
    for (const char* text : {"a", "A", "ab", "Ab", "ba", "aab", "bAb", "aabb"}) {
      std::string wanted = text;
      for (char& c : wanted) c = c == 'A' ? 'a' : c;
      EXPECT_EQ(contains_text(body, text), lower.find(wanted) != std::string::npos) << body << ' ' << text;
    }
  }
}

TEST(DbTimeReader, ReadsWhatTheHouseReads) {
  sqlite::DbTimeReader times;
  for (const char* text :
       {"2026-02-12 02:00:01.123456 +0000 UTC", "2026-02-12 02:00:59 +0000 UTC",
        "2026-02-12 02:00:59.999999999 +0000 UTC", "2026-02-12 02:00:60 +0000 UTC", "2026-02-12 02:01:00.5 +0000 UTC",
        "2026-02-12 02:01:00.50 +0000 UTC", "2026-02-12T02:01:00Z", "2026-02-12 02:01:07",
        "2026-02-12 03:01:07.5 +0100 CET", "2026-02-12 02:01:0x +0000 UTC", "2026-02-12 02:01:07. +0000 UTC",
        "2026-13-12 02:01:07 +0000 UTC", "2026-13-12 02:01:07 +0000 UTC", "yesterday", "",
        "2026-02-12 02:01:07 +0000 UTC ", "1969-12-31 23:59:59.25 +0000 UTC", "1969-12-31 23:59:58 +0000 UTC"})
    EXPECT_EQ(times.read(text), parse_db_time(trim(text)).value_or(0)) << text;
}

// --- others at the same database ---

TEST_F(SqliteStore, TheCountFollowsRowsThatOthersInsertAndDelete) {
  auto w = writer();
  ASSERT_TRUE(w->write(test_traces(1, 10)));
  PlainSql sql(options().path);
  sql.run("DELETE FROM traces WHERE id < 'trace-004'");
  EXPECT_EQ(count(), 7);
  sql.run(
      "INSERT INTO traces(id,timestamp,provider,model,request_method,request_path) VALUES('other','2026-02-02 "
      "05:00:00','p','m','GET','/')");
  EXPECT_EQ(count(), 8);
}

TEST_F(SqliteStore, ALostCounterIsCountedAgainAtStart) {
  ASSERT_TRUE(writer()->write(test_traces(1, 10)));
  PlainSql(options().path).run("DELETE FROM store_meta");
  auto w = writer();
  EXPECT_EQ(count(), 10);
  ASSERT_TRUE(w->write(test_traces(11, 12)));
  EXPECT_EQ(count(), 12);
}

TEST_F(SqliteStore, ForeignRowsInAnyFormatArePagedOnceEach) {
  auto w = writer();
  PlainSql sql(options().path);
  const auto insert = [&](const std::string& id, const std::string& time) {
    sql.run("INSERT INTO traces(id,timestamp,created_at,provider,model,request_method,request_path) VALUES('" + id +
            "','" + time + "','" + time + "','p','m','GET','/')");
  };
  insert("a", "2026-02-02 05:00:00");
  insert("b", "2026-02-02 05:00:00.5 +0000 UTC");
  insert("c", "2026-02-02 05:00:00");
  insert("d", "2026-02-02 04:00:00");
  auto r = reader();
  std::string walked;
  std::optional<TraceCursor> after;
  for (int i = 0; i < 10; ++i) {
    const auto p = r->list(TenantScope::all(), {}, after, 1);
    ASSERT_TRUE(p) << p.error().message;
    for (const Trace& t : p->items) {
      walked += t.id;
      after = TraceCursor{t.created_at_ns, t.id};
    }
    if (!p->more) break;
  }
  EXPECT_EQ(walked, "bcad");
  TraceFilter from;
  from.from_ns = parse_rfc3339("2026-02-02T05:00:00Z");
  const auto p = r->list(TenantScope::all(), from, {}, 10);
  ASSERT_TRUE(p);
  EXPECT_FALSE(p->items.empty());
}

TEST_F(SqliteStore, ReferenceIndexesThatCameBackAreDropped) {
  writer();
  PlainSql(options().path)
      .run(
          "CREATE INDEX idx_traces_org_workspace_timestamp ON traces(org_id, workspace_id, timestamp); CREATE INDEX "
          "mine ON traces(model)");
  writer();
  EXPECT_EQ(PlainSql(options().path)
                .ask("SELECT name FROM sqlite_master WHERE type='index' AND tbl_name='traces' ORDER BY name"),
            "idx_traces_id\nmine");
}

// --- failures ---

TEST_F(SqliteStore, ALockHeldByAnotherProcessIsContentionAndPasses) {
  auto w = writer();
  PlainSql other(options().path);
  other.run("BEGIN IMMEDIATE");
  const auto r = w->write(test_traces(1, 3));
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().cls, ErrorClass::contention);
  EXPECT_FALSE(r.error().invalid_data);
  EXPECT_EQ(r.error().message, "sqlite database \"" + options().path + "\": database is locked");
  EXPECT_FALSE(w->probe());
  EXPECT_FALSE(w->write(test_traces(1, 3)));
  other.run("COMMIT");
  EXPECT_TRUE(w->probe());
  ASSERT_TRUE(w->write(test_traces(1, 3)));
  EXPECT_EQ(count(), 3);
}

TEST_F(SqliteStore, AFileWithoutWritePermissionIsRefused) {
  writer();
  ASSERT_EQ(::chmod(options().path.c_str(), 0444), 0);
  ASSERT_EQ(::chmod((folder_ / "").c_str(), 0777), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::geteuid() == 0 && (::setgid(65'534) != 0 || ::setuid(65'534) != 0)) ::_exit(3);  // root may write anything
    const auto w = open_sqlite_writer(options());
    ::_exit(w ? 2 : w.error().message.ends_with(": the file is read-only; make it writable for this user") ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0) << "2: it was opened, 1: with another message";
}

TEST_F(SqliteStore, AReadOnlyDatabaseIsRetryableAndPasses) {
  bool read_only = false;
  SqliteOptions o = options();
  o.on_open = [&](sqlite3* db) {
    if (read_only) sqlite3_exec(db, "PRAGMA query_only=ON", nullptr, nullptr, nullptr);
  };
  auto w = writer(o);
  read_only = true;
  EXPECT_FALSE(w->probe());
  const auto r = w->write(test_traces(1, 3));
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().cls, ErrorClass::unknown);
  EXPECT_FALSE(r.error().invalid_data);
  read_only = false;
  EXPECT_TRUE(w->probe());
  EXPECT_TRUE(w->write(test_traces(1, 3)));
}

TEST_F(SqliteStore, AFullDiskLosesNothingAndPasses) {
  int pages = 40;
  SqliteOptions o = options();
  o.on_open = [&](sqlite3* db) {
    sqlite3_exec(db, ("PRAGMA max_page_count=" + std::to_string(pages)).c_str(), nullptr, nullptr, nullptr);
  };
  auto w = writer(o);
  ASSERT_TRUE(w->write(test_traces(1, 20)));
  Trace large = test_trace(21);
  large.request_body.assign(2 << 20, 'x');
  const std::vector<Trace> batch = {test_trace(22), large};
  const auto r = w->write(batch);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().message, "sqlite database \"" + o.path + "\": database or disk is full");
  EXPECT_FALSE(r.error().invalid_data) << "a full disk must not cost rows";
  EXPECT_EQ(count(), 20) << "the failed batch left something behind";
  pages = 100'000;
  EXPECT_TRUE(w->probe());
  ASSERT_TRUE(w->write(batch));
  EXPECT_EQ(count(), 22);
}

TEST_F(SqliteStore, RowsThatCanNeverBeStoredAreInvalidData) {
  SqliteOptions o = options();
  o.on_open = [](sqlite3* db) { sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 100'000); };
  auto w = writer(o);
  std::vector<Trace> batch = test_traces(1, 3);
  batch[1].response_body.assign(200'000, 'x');
  const auto r = w->write(batch);
  ASSERT_FALSE(r);
  EXPECT_TRUE(r.error().invalid_data);
  EXPECT_EQ(count(), 0) << "all rows or none";
  batch.erase(batch.begin() + 1);
  EXPECT_TRUE(w->write(batch)) << "the connection is usable after a poison row";
}

TEST_F(SqliteStore, ADeletedFileIsNoticedAndMadeAnew) {
  auto w = writer();
  auto r = reader();
  ASSERT_TRUE(w->write(test_traces(1, 3)));
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(options().path + suffix);
  const auto lost = w->write(test_traces(4, 6));
  ASSERT_FALSE(lost) << "rows went into a file without a name";
  EXPECT_EQ(lost.error().cls, ErrorClass::connection);
  EXPECT_FALSE(r->ping());
  EXPECT_TRUE(w->probe());
  ASSERT_TRUE(w->write(test_traces(4, 6)));
  EXPECT_EQ(count(), 3);
  EXPECT_EQ(*r->count(), 3) << "an open reader finds the new file";
  EXPECT_EQ(mode_of(options().path), 0600);
}

TEST_F(SqliteStore, ADeletedMainFileWithItsLogLeftBehindIsMadeAnew) {
  auto w = writer();
  auto r = reader();
  ASSERT_TRUE(w->write(test_traces(1, 3)));
  std::filesystem::remove(options().path);
  EXPECT_FALSE(w->write(test_traces(4, 6)));
  EXPECT_TRUE(w->probe());
  ASSERT_TRUE(w->write(test_traces(4, 6)));
  EXPECT_EQ(*r->count(), 3);
  EXPECT_EQ(PlainSql(options().path).ask("PRAGMA integrity_check"), "ok");
}

TEST_F(SqliteStore, ADeletedLogCostsNoRows) {
  auto w = writer();
  auto r = reader();
  ASSERT_TRUE(w->write(test_traces(1, 3)));
  ASSERT_EQ(*r->count(), 3);
  std::filesystem::remove(options().path + "-wal");
  const auto lost = w->write(test_traces(4, 6));
  ASSERT_FALSE(lost) << "rows went into a file without a name";
  EXPECT_EQ(lost.error().cls, ErrorClass::connection);
  EXPECT_TRUE(w->probe());
  ASSERT_TRUE(w->write(test_traces(4, 6)));
  EXPECT_EQ(*r->count(), 6);
  w.reset();
  r.reset();
  EXPECT_EQ(PlainSql(options().path).ask("PRAGMA integrity_check; SELECT count(*) FROM traces"), "ok\n6");
}

TEST_F(SqliteStore, AReplacedFileIsOpenedAnew) {
  SqliteOptions other = options("other.db");
  {
    ASSERT_TRUE(writer(other)->write(test_traces(50, 59)));
  }
  auto w = writer();
  auto r = reader();
  ASSERT_TRUE(w->write(test_traces(1, 3)));
  for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(options().path + suffix);
  std::filesystem::rename(other.path, options().path);
  EXPECT_FALSE(w->write(test_traces(4, 6)));
  EXPECT_TRUE(w->probe());
  ASSERT_TRUE(w->write(test_traces(4, 6)));
  EXPECT_EQ(*r->count(), 13);
}

TEST_F(SqliteStore, ADroppedTableComesBackWithTheNextProbe) {
  auto w = writer();
  PlainSql(options().path).run("DROP TABLE traces; DROP TABLE store_meta; DELETE FROM schema_migrations");
  EXPECT_FALSE(w->write(test_traces(1, 3)));
  EXPECT_TRUE(w->probe());
  EXPECT_TRUE(w->write(test_traces(1, 3)));
  EXPECT_EQ(count(), 3);
}

std::int64_t racing_ns = 0;
std::int64_t racing_clock() { return racing_ns += 1'000'000'000; }

TEST_F(SqliteStore, AWriteThatTakesTooLongIsCutAndLeavesNothing) {
  SqliteOptions o = options();
  o.write_deadline_ms = 10'000;
  o.clock.mono_ns = racing_clock;
  auto w = writer(o);
  const auto r = w->write(test_traces(1, 999));
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().cls, ErrorClass::timeout);
  EXPECT_EQ(count(), 0);
  EXPECT_TRUE(w->write(test_traces(1, 10)));
}

TEST_F(SqliteStore, AQueryThatTakesTooLongIsCut) {
  ASSERT_TRUE(writer()->write(test_traces(1, 999)));
  SqliteOptions o = options();
  o.clock.mono_ns = racing_clock;
  auto r = std::move(*open_sqlite_reader(o));
  TraceFilter filter;
  filter.thread_id = "nobody";
  const auto p = r->list(TenantScope::all(), filter, {}, 50);
  ASSERT_FALSE(p);
  EXPECT_EQ(p.error().message, "sqlite database \"" + o.path + "\": interrupted, the query took longer than 10000 ms");
  EXPECT_TRUE(r->list(TenantScope::all(), {}, {}, 3)) << "the reader is usable afterwards";
}

TEST_F(SqliteStore, TheLogStaysBounded) {
  SqliteOptions o = options();
  o.checkpoint_bytes = 1 << 20;
  auto w = writer(o);
  std::vector<Trace> batch;
  for (int i = 0; i < 60; ++i) {
    batch = test_traces(1, 100);
    for (Trace& t : batch) {
      t.id += "-" + std::to_string(i);
      t.request_body.assign(2'000, 'x');
    }
    ASSERT_TRUE(w->write(batch));
  }
  EXPECT_GT(std::filesystem::file_size(o.path), 10U << 20);
  EXPECT_LT(std::filesystem::file_size(o.path + "-wal"), 3U << 20);
}

TEST_F(SqliteStore, IdleMovesTheLogIntoTheDatabase) {
  auto w = writer();
  auto r = reader();
  ASSERT_TRUE(w->write(test_traces(1, 200)));
  const std::int64_t before = r->size_bytes();
  w->idle();
  EXPECT_GT(r->size_bytes(), before);
}

TEST_F(SqliteStore, ARowKilledProcessLeavesItsCommits) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto w = open_sqlite_writer(options());
    const bool ok = w && (*w)->write(test_traces(1, 100));
    ::_exit(ok ? 0 : 1);  // nothing is closed or flushed
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  auto w = writer();
  EXPECT_EQ(count(), 100);
  EXPECT_EQ(w->write(test_traces(90, 110))->inserted, 10U);
}

// --- the lock ---

TEST_F(SqliteStore, ASecondProcessOnTheSameDatabaseIsRefusedByName) {
  const std::string path = options("data/traces.db").path;
  auto first = lock_data_folder(path);
  ASSERT_TRUE(first) << first.error().message;
  const auto second = lock_data_folder(path);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find(path), std::string::npos) << second.error().message;
  EXPECT_NE(second.error().message.find("pid " + std::to_string(::getpid())), std::string::npos)
      << second.error().message;
  EXPECT_EQ(mode_of(path + ".lock"), 0600);
  EXPECT_TRUE(lock_data_folder(options("data/another.db").path)) << "another database is another lock";
}

TEST_F(SqliteStore, TheLockEndsWithItsHolder) {
  {
    auto first = lock_data_folder(options().path);
    ASSERT_TRUE(first);
  }
  EXPECT_TRUE(lock_data_folder(options().path));
}

TEST_F(SqliteStore, TwoNamesOfOneDatabaseAreOneLock) {
  writer();
  std::filesystem::create_directory_symlink(folder_ / "", folder_ / "link");
  std::filesystem::create_symlink(options().path, folder_ / "alias.db");
  auto first = lock_data_folder(options().path);
  ASSERT_TRUE(first);
  EXPECT_FALSE(lock_data_folder(folder_ / "link/traces.db"));
  EXPECT_FALSE(lock_data_folder(folder_ / "alias.db"));
}

}  // namespace
}  // namespace gw::store
