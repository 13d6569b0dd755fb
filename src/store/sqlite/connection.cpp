#include "store/sqlite/connection.h"
#include "base/time_format.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace gw::store::sqlite {
namespace {

constexpr std::int64_t kReportInterval = 5 * kSecondNs;

}  // namespace

std::string_view value_text(sqlite3_value* v) {
  const auto* p = reinterpret_cast<const char*>(sqlite3_value_text(v));
  return p == nullptr ? std::string_view{} : std::string_view(p, static_cast<std::size_t>(sqlite3_value_bytes(v)));
}

std::optional<FileId> file_id(const std::string& path) {
  struct stat st{};
  if (::stat(path.c_str(), &st) != 0) return std::nullopt;
  return FileId{st.st_dev, st.st_ino};
}

std::string plain_path(const std::string& path) {
  // Debian's SQLite takes `file:…` as a URI and `:memory:` as no file; neither starts with a slash or a dot.
  return path.starts_with('/') ? path : "./" + path;
}

Connection::Opened Connection::open(const std::string& path, int flags, Clock clock) {
  return open_name(plain_path(path), path, flags, clock);
}

Connection::Opened Connection::open_immutable(const std::string& path, Clock clock) {
  std::string uri = "file:";
  for (const char c : plain_path(path)) {
    if (c == '%' || c == '?' || c == '#') {
      constexpr char kHex[] = "0123456789ABCDEF";
      uri += {'%', kHex[c >> 4], kHex[c & 15]};
    } else {
      uri += c;
    }
  }
  return open_name(uri + "?immutable=1", path, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, clock);
}

Connection::Opened Connection::open_name(const std::string& name, const std::string& path, int flags, Clock clock) {
  if (path.find('\0') != std::string::npos) return {nullptr, "the path contains a NUL byte"};
  sqlite3* db = nullptr;
  const int rc = sqlite3_open_v2(name.c_str(), &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  if (rc != SQLITE_OK) {
    std::string why = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
    const int os = db != nullptr ? sqlite3_system_errno(db) : 0;
    if (os != 0) why += std::string(" (") + std::strerror(os) + ")";
    if (os == ENOENT) why += ": `ongoingai serve` makes it; storage.path and --config say where it is";
    sqlite3_close_v2(db);
    return {nullptr, std::move(why)};
  }
  return {std::unique_ptr<Connection>(new Connection(db, file_id(path).value_or(FileId{}), clock)), {}};
}

Connection::Connection(sqlite3* db, FileId file, Clock clock) : db_(db), file_(file), clock_(clock) {
  constexpr int kInstructionsPerLook = 1'000;  // tens of microseconds
  sqlite3_progress_handler(db_, kInstructionsPerLook, &Connection::on_progress, this);
}

Connection::~Connection() { sqlite3_close_v2(db_); }

int Connection::on_progress(void* self) {
  auto* c = static_cast<Connection*>(self);
  if (c->work_report_) c->report_when_due();
  return c->deadline_ns_ != 0 && c->clock_.mono_ns() > c->deadline_ns_;
}

void Connection::report_work(WorkReport report) {
  work_report_ = std::move(report);
  work_started_ns_ = clock_.mono_ns();
  next_report_ns_ = work_started_ns_ + kReportInterval;
}

void Connection::report_when_due() {
  const std::int64_t now = clock_.mono_ns();
  if (now < next_report_ns_) return;
  next_report_ns_ = now + kReportInterval;
  work_report_(static_cast<int>((now - work_started_ns_) / kSecondNs));
}

Statement Connection::prepare(std::string_view sql, bool kept) {
  sqlite3_stmt* s = nullptr;
  sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), kept ? SQLITE_PREPARE_PERSISTENT : 0, &s, nullptr);
  return Statement(s);
}

std::int64_t Connection::query_int(std::string_view sql, std::int64_t fallback) {
  Statement s = prepare(sql);
  return s && s.step() == SQLITE_ROW ? s.integer(0) : fallback;
}

std::string Connection::query_text(std::string_view sql) {
  Statement s = prepare(sql);
  return s && s.step() == SQLITE_ROW ? std::string(s.text(0)) : std::string();
}

void Connection::rollback() {
  if (sqlite3_get_autocommit(db_) == 0) {
    clear_deadline();
    exec("ROLLBACK");
  }
}

}  // namespace gw::store::sqlite
