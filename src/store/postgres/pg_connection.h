#pragma once
// One connection to Postgres, in plain blocking code with deadlines. Used by one thread at a time.
//
// Works behind pgbouncer in transaction mode: statements have no names, nothing is set outside a transaction, and
// nothing is expected of the session between two of them. (LISTEN is the exception: it needs a connection to the server
// itself.)
//
// Deadlines are kept on both sides. Every transaction keeps `statement_timeout` at what is left of the caller's time,
// to a quarter, so that a slow statement is ended by the server and the connection stays. Where the server itself does
// not answer, the connection is dropped; no cancel request is sent then, since libpq 15 sends it without any bound of
// time, and the server ends the statement at the same moment. Looking up a host's name is bounded by the resolver's own
// settings only.
#include <libpq-fe.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "store/postgres/pg_error.h"
#include "store/postgres/pg_values.h"

namespace gw::store::postgres {

struct PgConnectOptions {
  std::string dsn;                      ///< URL or key=value pairs; secret
  std::string setting = "storage.dsn";  ///< where it came from, for error texts
  int connect_timeout_ms = 5'000;
  /// Of a call for which set_deadline() said nothing.
  int call_timeout_ms = 10'000;
};

/// The DSN can be read; nothing is connected. An error names the setting and shows nothing of it.
Result<void> check_dsn(const std::string& dsn, std::string_view setting);

class PgConnection {
 public:
  /// Opens nothing yet.
  explicit PgConnection(PgConnectOptions options);
  PgConnection(const PgConnection&) = delete;
  PgConnection& operator=(const PgConnection&) = delete;

  /// Opens unless open. A server that went away is noticed by the first call that fails, which drops the connection;
  /// PgTransaction::begin() then opens another by itself, once.
  PgExpected<void> connect();
  bool connected() const { return connection_ != nullptr; }
  void drop();

  /// All calls until clear_deadline() share this time.
  void set_deadline(int ms_from_now);
  void clear_deadline() { deadline_ns_ = 0; }
  /// Of the deadline; of a single call where there is none.
  int ms_left() const;
  /// `SET LOCAL`, to what is left less a little, so that the server's word comes before our own deadline. Statements of
  /// the transaction that begin with much less time, or more, renew it.
  std::string set_timeout();

  /// One statement in the extended protocol, unnamed; binary results.
  PgExpected<PgResult> query(const std::string& sql, const PgParams& params = {});
  /// The same, each row as it comes in (a result of one row, valid during the call). After false the others are read
  /// and thrown away.
  PgExpected<void> each(const std::string& sql, const PgParams& params,
                        const std::function<bool(const PgResult&)>& row);
  /// Any number of statements without parameters; the last one's result, as text.
  PgExpected<PgResult> run(const std::string& statements);
  /// The same within a transaction, with its COMMIT in the same message: whoever waits for its locks does not wait for
  /// us to hear of the result too. After an error of the server nothing is committed.
  PgExpected<PgResult> query_and_commit(const std::string& sql, const PgParams& params);
  /// `COPY … FROM STDIN`. `source` puts the next piece (64 KiB, say) into the empty string, false: there is no more.
  /// Rows copied.
  using CopySource = std::function<bool(std::string& piece)>;
  PgExpected<std::int64_t> copy_in(const std::string& sql, const CopySource& source);

  /// For a connection that has run LISTEN: waits for a notification. True: one or more came, all are taken.
  PgExpected<bool> wait_for_notification(int ms);
  /// To be polled for reading with the caller's other descriptors before wait_for_notification(0); -1: not connected.
  int fd() const { return connection_ ? PQsocket(connection_.get()) : -1; }

  /// A literal in quotes, whatever is in it.
  std::string literal(std::string_view s) const;
  const std::string& setting() const { return options_.setting; }
  /// Of the server's process; behind pgbouncer, pgbouncer's.
  int backend_pid() const { return connection_ ? PQbackendPID(connection_.get()) : 0; }

 private:
  struct Finish {
    void operator()(PGconn* c) const { PQfinish(c); }
  };

  std::int64_t call_deadline() const;
  PgExpected<void> start(const std::string& what, int sent);
  PgExpected<void> flush(std::int64_t deadline_ns);
  PgExpected<void> wait(bool write, std::int64_t deadline_ns);
  PgExpected<PgResult> next(std::int64_t deadline_ns);
  PgExpected<PgResult> last(std::int64_t deadline_ns);
  PgExpected<PgResult> committed(std::int64_t deadline_ns);
  PgExpected<PgResult> checked(PgResult kept, bool bad);
  PgExpected<void> renew_timeout();
  PgError failed(PgError e);
  PgError lost();
  void discard_rest(std::int64_t deadline_ns);

  const PgConnectOptions options_;
  std::unique_ptr<PGconn, Finish> connection_;
  std::int64_t deadline_ns_ = 0;
  int told_ms_ = 0;  ///< the transaction's statement_timeout
};

/// Whose rows a transaction sees under row-level security, and how it runs.
struct PgTransactionOptions {
  /// A tenant's rows, or all of them. Null: none, as any other session.
  const TenantScope* scope = nullptr;
  bool read_only = false;
  bool snapshot = false;  ///< all statements see the database as the first one did
  /// Rows are found and ordered by indexes wherever there is one. The planner thinks that few rows pass the policies of
  /// row-level security, and would rather read and sort a large part of a table than follow an index to a page of it.
  bool by_index = false;
  /// It is the gateway that changes rows: triggers have nothing to note (trace_schema.cpp). Statements are planned
  /// without their values: a plan with them in it has a copy of a whole batch. What is looked up for each row is small
  /// and in memory, as the planner would not think: up to a page of it is read, more is found by an index.
  bool writer = false;
};

/// Rolled back unless committed.
class PgTransaction {
 public:
  /// Begins and sets what the transaction needs, in one round trip. On a connection that turns out to be dead, once
  /// more on another.
  static PgExpected<PgTransaction> begin(PgConnection& connection, const PgTransactionOptions& options);
  PgTransaction(PgTransaction&& o) noexcept : connection_(std::exchange(o.connection_, nullptr)) {}
  PgTransaction& operator=(PgTransaction&&) = delete;
  ~PgTransaction();

  PgConnection& connection() const { return *connection_; }
  /// Lost in the middle of it, nobody knows whether it was committed: what is done must be harmless to do again.
  PgExpected<void> commit();
  /// The last statement and the commit, see PgConnection::query_and_commit().
  PgExpected<PgResult> commit_with(const std::string& sql, const PgParams& params);

 private:
  explicit PgTransaction(PgConnection& c) : connection_(&c) {}

  PgConnection* connection_;
};

}  // namespace gw::store::postgres
