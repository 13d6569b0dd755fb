#include "store/postgres/pg_connection.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/clock.h"
#include "base/strings.h"

namespace gw::store::postgres {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr int kLeastStatementMs = 1;
constexpr int kEarlierMs = 250;  // so that the server's word comes before our own deadline

void ignore_notice(void*, const PGresult*) {}

/// poll() on one descriptor. False: the time is up.
bool ready(int fd, short events, std::int64_t deadline_ns) {
  for (;;) {
    const std::int64_t left_ns = deadline_ns - mono_now_ns();
    pollfd p{.fd = fd, .events = events, .revents = 0};
    const int n = ::poll(&p, 1, left_ns <= 0 ? 0 : static_cast<int>(std::min<std::int64_t>(left_ns / kMs + 1, 60'000)));
    if (n > 0 || (n < 0 && errno != EINTR)) return true;  // what failed is found out by its use
    if (left_ns <= 0) return false;
  }
}

PGconn* begin_connecting(const std::string& dsn) {
  // What stands before the DSN is a default that it may change.
  const std::array<const char*, 9> names = {"fallback_application_name",
                                            "keepalives_idle",
                                            "keepalives_interval",
                                            "keepalives_count",
                                            "tcp_user_timeout",
                                            "gssencmode",
                                            "dbname",
                                            "client_encoding",
                                            nullptr};
  const std::array<const char*, 9> values = {"ongoingai", "30",        "10",   "3",    "30000",
                                             "disable",   dsn.c_str(), "UTF8", nullptr};
  return PQconnectStartParams(names.data(), values.data(), 1);
}

bool is_error(const PGresult* r) {
  switch (PQresultStatus(r)) {
    case PGRES_BAD_RESPONSE:
    case PGRES_FATAL_ERROR:
      return true;
    default:
      return false;
  }
}

}  // namespace

Result<void> check_dsn(const std::string& dsn, std::string_view setting) {
  if (trim(dsn).empty()) return fail("postgres dsn cannot be empty");
  char* names_parts_of_it = nullptr;
  PQconninfoOption* const parsed = PQconninfoParse(dsn.c_str(), &names_parts_of_it);
  if (names_parts_of_it != nullptr) PQfreemem(names_parts_of_it);
  if (parsed == nullptr)
    return fail(std::string(setting) +
                " is neither a postgres:// URL nor key=value pairs (in a URL, special characters of the password are "
                "written as %XX)");
  PQconninfoFree(parsed);
  return {};
}

PgConnection::PgConnection(PgConnectOptions options) : options_(std::move(options)) {}

void PgConnection::drop() { connection_.reset(); }

void PgConnection::set_deadline(int ms_from_now) { deadline_ns_ = mono_now_ns() + ms_from_now * kMs; }

int PgConnection::ms_left() const {
  return static_cast<int>(std::max<std::int64_t>(0, (call_deadline() - mono_now_ns()) / kMs));
}

std::string PgConnection::set_timeout() {
  const int left_ms = ms_left();
  told_ms_ = std::max(kLeastStatementMs, left_ms - std::min(left_ms / 10, kEarlierMs));
  return "SET LOCAL statement_timeout = " + std::to_string(told_ms_);
}

/// A statement of its own, so only where it makes a difference.
PgExpected<void> PgConnection::renew_timeout() {
  if (PQtransactionStatus(connection_.get()) != PQTRANS_INTRANS) return {};
  const int left_ms = ms_left(), quarter = told_ms_ / 4;
  if (left_ms == 0 || (left_ms >= told_ms_ - quarter && left_ms - kEarlierMs <= told_ms_ + quarter)) return {};
  if (auto set = run(set_timeout()); !set) return tl::make_unexpected(set.error());
  return {};
}

std::int64_t PgConnection::call_deadline() const {
  return deadline_ns_ != 0 ? deadline_ns_ : mono_now_ns() + options_.call_timeout_ms * kMs;
}

PgExpected<void> PgConnection::connect() {
  if (connection_) return {};
  if (auto readable = check_dsn(options_.dsn, options_.setting); !readable)
    return tl::make_unexpected(
        PgError{.cls = ErrorClass::connection, .lost = true, .message = std::move(readable.error().message)});
  std::int64_t deadline_ns = mono_now_ns() + options_.connect_timeout_ms * kMs;
  if (deadline_ns_ != 0) deadline_ns = std::min(deadline_ns, deadline_ns_);
  std::unique_ptr<PGconn, Finish> c(begin_connecting(options_.dsn));
  if (!c || PQstatus(c.get()) == CONNECTION_BAD) return tl::make_unexpected(connect_error(c.get(), options_.setting));
  PQsetErrorVerbosity(c.get(), PQERRORS_SQLSTATE);  // the only way to the state of a refusal
  PQsetNoticeReceiver(c.get(), ignore_notice, nullptr);
  for (PostgresPollingStatusType want = PGRES_POLLING_WRITING; want != PGRES_POLLING_OK;
       want = PQconnectPoll(c.get())) {
    if (want == PGRES_POLLING_FAILED) return tl::make_unexpected(connect_error(c.get(), options_.setting));
    if (!ready(PQsocket(c.get()), want == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ns)) {
      PgError e = connect_error(c.get(), options_.setting);
      e.cls = ErrorClass::timeout;
      e.message += " (no answer in time)";
      return tl::make_unexpected(std::move(e));
    }
  }
  PQsetErrorVerbosity(c.get(), PQERRORS_TERSE);
  if (PQsetnonblocking(c.get(), 1) != 0) return tl::make_unexpected(connect_error(c.get(), options_.setting));
  connection_ = std::move(c);
  return {};
}

PgError PgConnection::lost() {
  drop();
  return lost_connection("postgres", options_.setting);
}

PgError PgConnection::failed(PgError e) {
  if (e.lost || (connection_ && PQstatus(connection_.get()) == CONNECTION_BAD)) {
    e.lost = true;
    drop();
  }
  return e;
}

PgExpected<void> PgConnection::wait(bool write, std::int64_t deadline_ns) {
  if (ready(PQsocket(connection_.get()), static_cast<short>(write ? POLLIN | POLLOUT : POLLIN), deadline_ns)) return {};
  drop();
  return tl::make_unexpected(time_is_up("postgres", true));
}

/// The server may have to be read before it takes more.
PgExpected<void> PgConnection::flush(std::int64_t deadline_ns) {
  for (;;) {
    const int left = PQflush(connection_.get());
    if (left == 0) return {};
    if (left < 0) {
      // What the server said before it closed is still to be read.
      if (PQconsumeInput(connection_.get()) == 0) return tl::make_unexpected(lost());
      return {};
    }
    if (auto ok = wait(true, deadline_ns); !ok) return ok;
    if (PQconsumeInput(connection_.get()) == 0) return tl::make_unexpected(lost());
  }
}

PgExpected<void> PgConnection::start(const std::string& what, int sent) {
  if (sent == 1) return {};
  const bool bad = PQstatus(connection_.get()) == CONNECTION_BAD;
  const bool busy = PQtransactionStatus(connection_.get()) == PQTRANS_ACTIVE;
  drop();
  if (bad || busy) return tl::make_unexpected(lost_connection(what, options_.setting));
  return tl::make_unexpected(PgError{.lost = true, .message = what + ": the statement could not be sent"});
}

/// An empty result: the statement is over.
PgExpected<PgResult> PgConnection::next(std::int64_t deadline_ns) {
  while (PQisBusy(connection_.get()) != 0) {
    if (auto ok = wait(false, deadline_ns); !ok) return tl::make_unexpected(ok.error());
    if (PQconsumeInput(connection_.get()) == 0) return tl::make_unexpected(lost());
  }
  return PgResult(PQgetResult(connection_.get()));
}

/// The last result, or the first error.
PgExpected<PgResult> PgConnection::last(std::int64_t deadline_ns) {
  PgResult kept;
  bool bad = false;
  for (;;) {
    auto r = next(deadline_ns);
    if (!r) return r;
    if (!*r) break;
    const ExecStatusType status = PQresultStatus(r->get());
    if (bad) continue;
    bad = is_error(r->get());
    kept = std::move(*r);
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) break;
  }
  return checked(std::move(kept), bad);
}

PgExpected<PgResult> PgConnection::checked(PgResult kept, bool bad) {
  if (!kept) return tl::make_unexpected(lost());
  if (!bad) return kept;
  const char* const state = PQresultErrorField(kept.get(), PG_DIAG_SQLSTATE);
  if (state == nullptr) return tl::make_unexpected(lost());
  return tl::make_unexpected(failed(error_of(kept.get(), options_.setting)));
}

PgExpected<PgResult> PgConnection::query(const std::string& sql, const PgParams& p) {
  if (auto ok = connect(); !ok) return tl::make_unexpected(ok.error());
  if (auto ok = renew_timeout(); !ok) return tl::make_unexpected(ok.error());
  const std::int64_t deadline_ns = call_deadline();
  const int sent =
      PQsendQueryParams(connection_.get(), sql.c_str(), p.size(), p.types(), p.values(), p.lengths(), p.formats(), 1);
  if (auto ok = start("query", sent); !ok) return tl::make_unexpected(ok.error());
  if (auto ok = flush(deadline_ns); !ok) return tl::make_unexpected(ok.error());
  return last(deadline_ns);
}

PgExpected<PgResult> PgConnection::query_and_commit(const std::string& sql, const PgParams& p) {
  if (!connection_) return tl::make_unexpected(lost());
  if (auto ok = renew_timeout(); !ok) return tl::make_unexpected(ok.error());
  const std::int64_t deadline_ns = call_deadline();
  PGconn* const c = connection_.get();
  const bool sent =
      PQenterPipelineMode(c) == 1 &&
      PQsendQueryParams(c, sql.c_str(), p.size(), p.types(), p.values(), p.lengths(), p.formats(), 1) == 1 &&
      PQsendQueryParams(c, "COMMIT", 0, nullptr, nullptr, nullptr, nullptr, 1) == 1 && PQpipelineSync(c) == 1;
  if (auto ok = start("query", sent ? 1 : 0); !ok) return tl::make_unexpected(ok.error());
  if (auto ok = flush(deadline_ns); !ok) return tl::make_unexpected(ok.error());
  return committed(deadline_ns);
}

/// Behind the results of each of the two there is an empty one; then the pipeline says that it is at its end.
PgExpected<PgResult> PgConnection::committed(std::int64_t deadline_ns) {
  PgResult kept;
  bool bad = false, done = false;
  for (int empty = 0; empty < 2;) {
    auto r = next(deadline_ns);
    if (!r) return r;
    empty = *r ? 0 : empty + 1;
    if (!*r) continue;
    const ExecStatusType status = PQresultStatus(r->get());
    if (status == PGRES_PIPELINE_SYNC) {
      if (PQexitPipelineMode(connection_.get()) != 1) break;
      if (bad || done) return checked(std::move(kept), bad);
      return tl::make_unexpected(PgError{.message = "commit: the transaction had failed before"});
    }
    if (bad || status == PGRES_PIPELINE_ABORTED) continue;
    bad = is_error(r->get());
    done = std::string_view(PQcmdStatus(const_cast<PGresult*>(r->get()))) == "COMMIT";
    if (bad || !kept) kept = std::move(*r);
  }
  return tl::make_unexpected(lost());  // two empty ones: there is nothing to come
}

PgExpected<void> PgConnection::each(const std::string& sql, const PgParams& p,
                                    const std::function<bool(const PgResult&)>& row) {
  if (auto ok = connect(); !ok) return ok;
  if (auto ok = renew_timeout(); !ok) return ok;
  const std::int64_t deadline_ns = call_deadline();
  const int sent =
      PQsendQueryParams(connection_.get(), sql.c_str(), p.size(), p.types(), p.values(), p.lengths(), p.formats(), 1);
  if (auto ok = start("query", sent); !ok) return ok;
  PQsetSingleRowMode(connection_.get());
  if (auto ok = flush(deadline_ns); !ok) return ok;
  bool wanted = true;
  for (;;) {
    auto r = next(deadline_ns);
    if (!r) return tl::make_unexpected(r.error());
    if (!*r) return {};
    if (is_error(r->get())) {
      if (PQresultErrorField(r->get(), PG_DIAG_SQLSTATE) == nullptr) return tl::make_unexpected(lost());
      PgError e = error_of(r->get(), options_.setting);
      discard_rest(deadline_ns);
      return tl::make_unexpected(failed(std::move(e)));
    }
    if (wanted && r->rows() == 1) wanted = row(*r);
  }
}

void PgConnection::discard_rest(std::int64_t deadline_ns) {
  while (connection_) {
    const auto r = next(deadline_ns);
    if (!r || !*r) return;
  }
}

PgExpected<PgResult> PgConnection::run(const std::string& statements) {
  if (auto ok = connect(); !ok) return tl::make_unexpected(ok.error());
  const std::int64_t deadline_ns = call_deadline();
  if (auto ok = start("query", PQsendQuery(connection_.get(), statements.c_str())); !ok)
    return tl::make_unexpected(ok.error());
  if (auto ok = flush(deadline_ns); !ok) return tl::make_unexpected(ok.error());
  return last(deadline_ns);
}

PgExpected<std::int64_t> PgConnection::copy_in(const std::string& sql, const CopySource& source) {
  auto begun = run(sql);
  if (!begun) return tl::make_unexpected(begun.error());
  if (PQresultStatus(begun->get()) != PGRES_COPY_IN)
    return tl::make_unexpected(PgError{.message = "copy: the statement takes no rows"});
  const std::int64_t deadline_ns = call_deadline();
  std::string piece;
  while (source(piece)) {
    // Each piece leaves before the next is made: memory stays at one.
    if (PQputCopyData(connection_.get(), piece.data(), static_cast<int>(piece.size())) < 0) break;
    if (auto ok = flush(deadline_ns); !ok) return tl::make_unexpected(ok.error());
    piece.clear();
  }
  if (PQputCopyEnd(connection_.get(), nullptr) < 0 && PQstatus(connection_.get()) == CONNECTION_BAD)
    return tl::make_unexpected(lost());
  if (auto ok = flush(deadline_ns); !ok) return tl::make_unexpected(ok.error());
  auto done = last(deadline_ns);
  if (!done) return tl::make_unexpected(done.error());
  return done->affected();
}

PgExpected<bool> PgConnection::wait_for_notification(int ms) {
  if (!connection_) return tl::make_unexpected(lost());
  const auto take = [this] {
    bool any = false;
    while (PGnotify* n = PQnotifies(connection_.get())) {
      PQfreemem(n);
      any = true;
    }
    return any;
  };
  if (take()) return true;
  const std::int64_t deadline_ns = mono_now_ns() + ms * kMs;
  while (ready(PQsocket(connection_.get()), POLLIN, deadline_ns)) {
    if (PQconsumeInput(connection_.get()) == 0) return tl::make_unexpected(lost());
    if (take()) return true;
  }
  return false;
}

std::string PgConnection::literal(std::string_view s) const {
  std::string out = s.find('\\') == std::string_view::npos ? "'" : " E'";
  for (const char c : s) {
    if (c == '\'' || c == '\\') out += c;
    if (c != 0) out += c;
  }
  return out + "'";
}

PgExpected<PgTransaction> PgTransaction::begin(PgConnection& c, const PgTransactionOptions& o) {
  std::string sql = o.snapshot ? "BEGIN ISOLATION LEVEL REPEATABLE READ" : "BEGIN ISOLATION LEVEL READ COMMITTED";
  if (o.read_only)
    sql += " READ ONLY";
  else  // a writer whose host is gone must not keep its locks until TCP gives up
    sql += "; SET LOCAL idle_in_transaction_session_timeout = '60s'";
  if (o.writer)
    sql +=
        "; SET LOCAL ongoingai.writer = 'on'; SET LOCAL plan_cache_mode = 'force_generic_plan'; SET LOCAL "
        "random_page_cost = 1";
  if (o.by_index)
    sql += "; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off";
  const bool all = o.scope != nullptr && o.scope->everything, one = o.scope != nullptr && !all;
  // All three each time: a role may have defaults of its own. Compiling a statement costs more than any of ours takes.
  for (int attempt = 0;; ++attempt) {
    const bool fresh = !c.connected();
    if (auto ok = c.connect(); !ok) return tl::make_unexpected(ok.error());
    const auto begun =
        c.run(sql + "; " + c.set_timeout() + "; SELECT set_config('jit','off',true), set_config('ongoingai.scope','" +
              (all ? "all" : "") + "',true), set_config('ongoingai.org_id'," + c.literal(one ? o.scope->org_id : "") +
              ",true), set_config('ongoingai.workspace_id'," + c.literal(one ? o.scope->workspace_id : "") + ",true)");
    if (begun) return PgTransaction(c);
    if (c.connected()) (void)c.run("ROLLBACK");
    if (fresh || attempt > 0 || !begun.error().lost || begun.error().cls == ErrorClass::timeout)
      return tl::make_unexpected(begun.error());
  }
}

PgTransaction::~PgTransaction() {
  if (connection_ == nullptr || !connection_->connected()) return;
  if (connection_->ms_left() == 0 || !connection_->run("ROLLBACK")) connection_->drop();
}

PgExpected<void> PgTransaction::commit() {
  PgConnection* const c = std::exchange(connection_, nullptr);
  const auto done = c->run("COMMIT");
  if (!done) {
    if (c->connected() && !c->run("ROLLBACK")) c->drop();
    return tl::make_unexpected(done.error());
  }
  if (std::string_view(PQcmdStatus(const_cast<PGresult*>(done->get()))) == "COMMIT") return {};
  return tl::make_unexpected(PgError{.message = "commit: the transaction had failed before"});
}

PgExpected<PgResult> PgTransaction::commit_with(const std::string& sql, const PgParams& params) {
  auto done = connection_->query_and_commit(sql, params);
  if (done) connection_ = nullptr;
  return done;
}

}  // namespace gw::store::postgres
