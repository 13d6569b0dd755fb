#include "store/sqlite/backup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/random.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/files.h"
#include "store/sqlite/schema.h"

namespace gw::store {
namespace sqlite {
namespace {

constexpr std::int64_t kStepBytes = 2 << 20;

tl::unexpected<Error> file_error(const char* what, const std::string& path) {
  return fail(std::string(what) + " " + in_quotes(path) + ": " + std::strerror(errno));
}

struct EndBackup {
  void operator()(sqlite3_backup* b) const { sqlite3_backup_finish(b); }
};

class Backup {
 public:
  Backup(const SqliteOptions& options, const BackupJob& job)
      : options_(options), job_(job), partial_(job.target + ".partial-" + std::to_string(::getpid())) {}
  Backup(const Backup&) = delete;
  Backup& operator=(const Backup&) = delete;
  ~Backup() {
    for (const char* end : {"", "-wal", "-shm", "-journal"}) ::unlink((partial_ + end).c_str());
  }

  Result<BackupReport> run() {
    for (const auto step :
         {&Backup::open_source, &Backup::look_at_target, &Backup::copy, &Backup::check, &Backup::publish})
      if (auto ok = (this->*step)(); !ok) return tl::make_unexpected(ok.error());
    return report_;
  }

 private:
  bool go_on(BackupJob::Phase phase, std::int64_t done, std::int64_t of) const {
    return !job_.progress || job_.progress(phase, done, of);
  }
  tl::unexpected<Error> source_failed() const {
    return fail("sqlite database " + in_quotes(options_.path) + ": " + source_->message());
  }
  tl::unexpected<Error> copy_failed(const Connection& copy) const {
    return fail("write " + in_quotes(job_.target) + ": " + copy.message());
  }

  Result<void> open_source() {
    if (trim(options_.path).empty()) return fail("sqlite path cannot be empty");
    const std::string open_error = "open sqlite database " + in_quotes(options_.path) + ": ";
    // Sharing needs log files; where none can be made, nobody can be writing either.
    const bool alone = !file_id(options_.path + "-wal") && !file_id(options_.path + "-journal") &&
                       ::access(parent_folder(options_.path).c_str(), W_OK) != 0;
    auto opened = alone ? Connection::open_immutable(options_.path, options_.clock)
                        : Connection::open(options_.path, SQLITE_OPEN_READONLY, options_.clock);
    if (!opened.connection) return fail(open_error + opened.error);
    source_ = std::move(opened.connection);
    if (source_->set_busy_timeout(options_.busy_timeout_ms) != SQLITE_OK) return source_failed();
    source_->exec("PRAGMA query_only=ON");
    if (options_.on_open) options_.on_open(source_->db());
    // This snapshot is what is copied: it holds until the end, so the copy never begins anew because of a writer.
    if (source_->exec("BEGIN") != SQLITE_OK) return fail(open_error + source_->message());
    Statement first = source_->prepare("SELECT count(*) FROM sqlite_master");
    if (!first || first.step() != SQLITE_ROW) return fail(open_error + source_->message());
    first = Statement();
    if (trace_columns(*source_).empty()) return fail(open_error + "it has no traces table");
    return {};
  }

  Result<void> look_at_target() {
    struct stat st{};
    if (::stat(job_.target.c_str(), &st) == 0) {
      if (file_id(job_.target) == source_->file()) return fail(in_quotes(job_.target) + " is the database itself");
      if (!S_ISREG(st.st_mode))
        return fail(in_quotes(job_.target) + " is no file; name the file that the copy is to be");
      if (!job_.force) return fail(in_quotes(job_.target) + " is there already; --force replaces it");
    }
    for (const char* end : {"-wal", "-journal"})
      if (::stat((job_.target + end).c_str(), &st) == 0)
        return fail(in_quotes(job_.target + end) +
                    " belongs to another database of that name, which is in use or was not "
                    "closed; remove it or choose another name");
    return {};
  }

  Result<void> copy() {
    ::unlink(partial_.c_str());
    if (auto made = create_private_file(partial_); !made) return tl::make_unexpected(made.error());
    auto opened = Connection::open(partial_, SQLITE_OPEN_READWRITE, options_.clock);
    if (!opened.connection) return fail("open " + in_quotes(job_.target) + ": " + opened.error);
    Connection& to = *opened.connection;
    to.exec("PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF");  // a copy that is not completed is thrown away
    const std::unique_ptr<sqlite3_backup, EndBackup> backup(
        sqlite3_backup_init(to.db(), "main", source_->db(), "main"));
    if (!backup) return copy_failed(to);
    const int step = static_cast<int>(kStepBytes / source_->query_int("PRAGMA page_size", 4'096));
    for (int rc = SQLITE_OK; rc != SQLITE_DONE;) {
      rc = sqlite3_backup_step(backup.get(), step);
      if (rc != SQLITE_OK && rc != SQLITE_DONE)
        return fail("copy to " + in_quotes(job_.target) + ": " + sqlite3_errstr(rc));
      const int pages = sqlite3_backup_pagecount(backup.get());
      if (!go_on(BackupJob::Phase::copying, pages - sqlite3_backup_remaining(backup.get()), pages))
        return fail("interrupted");
    }
    return {};
  }

  /// Reads all of the copy, and leaves it as one file that also opens where nothing can be written.
  Result<void> check() {
    source_.reset();  // the log is no longer held
    auto opened = Connection::open(partial_, SQLITE_OPEN_READWRITE, options_.clock);
    if (!opened.connection) return fail("open " + in_quotes(job_.target) + ": " + opened.error);
    Connection& copy = *opened.connection;
    sqlite3_progress_handler(
        copy.db(), 100'000,
        [](void* self) { return static_cast<Backup*>(self)->go_on(BackupJob::Phase::checking, 0, 0) ? 0 : 1; }, this);
    if (copy.query_text("PRAGMA journal_mode=DELETE") != "delete") return copy_failed(copy);
    Statement s = copy.prepare("PRAGMA integrity_check(1)");
    const int rc = s ? s.step() : SQLITE_ERROR;
    if (rc == SQLITE_INTERRUPT) return fail("interrupted");
    if (rc != SQLITE_ROW) return copy_failed(copy);
    if (s.text(0) != "ok") return fail("the copy is damaged: " + std::string(s.text(0)));
    s = Statement();
    report_.traces = copy.query_int("SELECT count(*) FROM traces", -1);
    if (report_.traces < 0) return copy_failed(copy);
    // Restored, it grows other rows under the numbers that the original gave: cursors of that must not fit.
    const bool numbered = copy.query_int("SELECT count(*) FROM sqlite_master WHERE name='store_meta'") > 0;
    const auto epoch = static_cast<std::int64_t>(random_u64() >> 1);
    if (numbered &&
        copy.exec("UPDATE store_meta SET value=" + std::to_string(epoch) + " WHERE key='epoch'") != SQLITE_OK)
      return copy_failed(copy);
    return {};
  }

  Result<void> publish() {
    const UniqueFd fd(::open(partial_.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat st{};
    if (!fd || ::fsync(fd.get()) != 0 || ::fstat(fd.get(), &st) != 0) return file_error("write", job_.target);
    report_.bytes = static_cast<std::int64_t>(st.st_size);
    const unsigned flags = job_.force ? 0 : RENAME_NOREPLACE;
    if (::renameat2(AT_FDCWD, partial_.c_str(), AT_FDCWD, job_.target.c_str(), flags) != 0)
      return file_error("rename the copy to", job_.target);
    const UniqueFd folder(::open(parent_folder(job_.target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder) ::fsync(folder.get());
    return {};
  }

  const SqliteOptions& options_;
  const BackupJob& job_;
  const std::string partial_;
  std::unique_ptr<Connection> source_;
  BackupReport report_;
};

}  // namespace
}  // namespace sqlite

Result<BackupReport> backup_sqlite(const SqliteOptions& options, const BackupJob& job) {
  return sqlite::Backup(options, job).run();
}

}  // namespace gw::store
