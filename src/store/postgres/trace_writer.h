#pragma once
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "store/block_roller.h"
#include "store/collector.h"
#include "store/postgres/batch_pieces.h"
#include "store/postgres/block_store.h"
#include "store/postgres/pg_array.h"
#include "store/postgres/pg_connection.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/row_table.h"
#include "store/postgres/trace_retention.h"

namespace gw::store::postgres {

/// Rows of a batch as one array a column: the parameters of one INSERT. Bounded by kBytes and a row.
class BatchArrays {
 public:
  explicit BatchArrays(Clock clock) : clock_(clock) { clear(); }

  /// For a batch: what has no time of its own has that of now.
  void begin();
  void clear();
  void add(const Trace& t);
  /// Of a row that is added later: take_spans() has it in.
  void note_spans(const Trace& t);
  std::size_t rows() const { return rows_; }
  bool full() const { return rows_ >= kRows || bytes_ >= kBytes; }
  /// All parameters of insert_sql(); they point into this.
  void put(PgParams& params);
  /// `INSERT …`, which numbers the rows and counts them; refused as a whole where an id is there already. Locks the
  /// counter until the commit, once its JSON is parsed. Yields the number before that of the first row,
  /// how far blocks go, and the generation of what blocks are made of, both as they were before; no row without the
  /// counter. `with_piece`: the batch's piece (batch_pieces.h) is one more parameter behind these, of type bytea.
  static std::string insert_sql(bool with_piece);
  /// The row that was added last, as blocks see it. Valid as long as `t`.
  AnalyticRow analytic(const Trace& t, std::int64_t seq);
  /// Every text was stored as it came, since clear().
  bool as_is() const { return as_is_; }

  /// Bounds of created_at - timestamp, as stored, over all rows since they were taken.
  std::pair<std::int64_t, std::int64_t> take_spans();

 private:
  static constexpr std::size_t kRows = 2'000;
  static constexpr std::size_t kBytes = std::size_t{2} << 20;

  Clock clock_;
  std::int64_t now_ns_ = 0;
  std::vector<PgArray> arrays_;  ///< by Col
  std::size_t rows_ = 0, bytes_ = 0;
  std::int64_t least_span_ns_ = INT64_MAX, most_span_ns_ = INT64_MIN;
  std::string scratch_, json_;
  std::int64_t started_ns_ = 0, ended_ns_ = 0;  ///< of the row that was added last
  TraceFacts facts_;
  bool as_is_ = true;
};

/// The connection that writes. Used by the storage thread only. Any number of gateways write the same database.
class PostgresWriter final : public TraceWriter {
 public:
  explicit PostgresWriter(const PgOptions& options);
  /// Creates or migrates the schema.
  Result<void> open();

  using TraceWriter::write;
  tl::expected<WriteReport, WriteError> write(TraceRows& batch) override;
  bool probe() override;
  bool idle() override;
  void tidy() override;

 private:
  using Tenants = std::set<std::pair<std::string, std::string>, std::less<>>;

  struct Inserted {
    std::int64_t rows = 0, last = 0;
    bool as_guessed = true;  ///< the rows have the numbers that the collector was told
    bool alone = true;       ///< nobody else wrote since we last looked
    std::int64_t least_span_ns = 0, most_span_ns = 0;
    bool checked = false;  ///< tenants were, by us
  };
  /// `repeated`: some of the rows are stored already, or more than once in the batch.
  PgExpected<WriteReport> write_once(TraceRows& batch, bool repeated);
  PgExpected<void> find_stored(TraceRows& batch);
  /// Commits.
  PgExpected<void> insert(TraceRows& batch, bool repeated, PgTransaction& t, Inserted& out);
  void count_tenants();
  void note_tenant(const Trace& t);
  void note_rows(TraceRows& batch, std::size_t from);
  PgExpected<void> prepare_rows(Inserted& so_far);
  PgExpected<void> make_tenants();
  PgExpected<void> check_tenants(Inserted& so_far);
  PgExpected<void> insert_arrays(PgTransaction* commit, Inserted& so_far);
  PgExpected<PgResult> send_arrays(PgTransaction* commit);
  PgExpected<void> widen_spans(Inserted& so_far);
  WriteError failed(const PgError& e) const;
  /// One step in a transaction of its own; true: there is more to do.
  bool housekeep();
  PgExpected<void> housekeep_once(bool& did);
  void say_failure(const std::string& why);
  int step(bool& did);
  int add_blocks(const StoreMeta& meta, bool& did);
  void housekeep_when_due();

  const PgOptions options_;
  PgConnection db_;
  PgFailure failure_;
  BlockStore blocks_;
  RowTable rows_;
  BlockRoller roller_;
  TraceRetention retention_;
  BatchArrays arrays_;
  BatchPieces pieces_;
  TraceBlock piece_;    ///< of the rows at hand, numbered from 1
  int shared_for_ = 0;  ///< batches that leave pieces, since others write too: nothing is collected
  /// Rows since it was restarted, if nobody else writes: where the numbers are as we guessed.
  Collector collector_;
  std::int64_t generation_ = 0;  ///< of what is collected
  Tenants tenants_;              ///< that are known to have their rows; at most kMostTenants
  Tenants fresh_, made_;         ///< of the rows at hand that are not among them; made in this transaction
  Tenants batch_tenants_;        ///< of the rows at hand
  std::pair<std::string, std::string> last_tenant_;    ///< of the last row
  std::set<std::string> stored_;                       ///< ids that a repeated batch does not insert any more
  std::int64_t written_seq_ = 0, rolled_seq_ = 0;      ///< as they were when we last looked
  std::int64_t least_span_ns_ = 0, most_span_ns_ = 0;  ///< what store_meta holds at least
  bool may_check_ = false;                             ///< the role may switch triggers off, see check_tenants()
  bool leaves_pieces_ = true;                          ///< no batch has failed for its piece's sake
  bool sent_piece_ = false;                            ///< with the last statement
  std::int64_t next_housekeeping_ns_ = 0, next_report_ns_ = 0;
  std::string said_failure_;  ///< of the last house-keeping; empty: it went well
};

}  // namespace gw::store::postgres
