#pragma once
// Blocks and roll-up pages in their tables (store/block_tables.h). One connection, one thread; nothing here begins or
// ends a transaction. Codes: kOk, kUnreadable, kFailed; error() explains the last kFailed.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "store/block_tables.h"
#include "store/postgres/pg_connection.h"

namespace gw::store::postgres {

inline constexpr int kFailed = 1;

/// What fails in a transaction is told once, where it began.
struct PgFailure {
  PgError error;
  int operator()(PgError e) {
    error = std::move(e);
    return kFailed;
  }
};

/// Columns are read for many of the blocks that are expected next in one round trip, more the further a reader gets.
/// Bounded by kMostAhead columns of at most a block's rows each, per column that is asked for.
class ReadAhead final : public BlockColumns {
 public:
  ReadAhead(PgConnection& db, PgFailure& failure) : db_(db), failure_(failure) {}
  void expect(std::span<const StoredBlock* const> blocks) override;
  void go_to(std::int64_t last_seq) override;
  Result<std::string_view> column(BlockColumn c) override;
  int code() const override { return code_; }
  void release() override {}
  /// The transaction is over, or blocks were changed in it.
  void forget();

 private:
  static constexpr std::size_t kMostAhead = 64;
  using Place = std::pair<int, std::int64_t>;

  int read(BlockColumn c);

  PgConnection& db_;
  PgFailure& failure_;
  std::vector<std::int64_t> expected_;
  std::size_t at_ = 0;  ///< in expected_; its size: the block is not among them
  std::int64_t last_seq_ = 0;
  std::map<Place, std::string> columns_;  ///< empty: there is none
  std::map<int, std::size_t> ahead_;      ///< by column: blocks at once
  int code_ = kOk;
};

class BlockStore final : public BlockTables {
 public:
  BlockStore(PgConnection& db, PgFailure& failure) : db_(db), failure_(failure), columns_(db, failure) {}

  bool exist() override { return true; }
  int read_meta(StoreMeta& out) override;
  int set_meta(const char* key, std::int64_t value) override;
  int note_changed_blocks() override;

  int list_blocks(std::int64_t after, std::vector<StoredBlock>& out) override;
  int find_block(std::int64_t last_seq, std::optional<StoredBlock>& out) override;
  int block_before(std::int64_t seq, std::int64_t& last_seq) override;
  int put_block(std::int64_t last_seq, const EncodedBlock& block) override;
  int remove_block(std::int64_t last_seq) override;
  BlockColumns& columns() override { return columns_; }

  int read_pages(std::span<const PageKey> keys, std::vector<StoredPage>& out) override;
  int put_pages(std::span<const RollupDelta::Entry> pages) override;
  int remove_pages(RollupLevel level, std::int64_t start_ns) override;
  int tenants(std::vector<Tenant>& out) override;
  int hours(std::span<const Tenant> tenants, std::optional<TimeRange>& out) override;
  int scan_pages(RollupLevel level, Dimension dimension, std::span<const Tenant> tenants, const TimeRange& range,
                 bool histograms, const std::function<bool(const PageRow&)>& row) override;

  int stale_blocks(std::size_t most, std::vector<std::int64_t>& last_seqs) override;
  int stale_hours(const TimeRange& range, std::size_t most, std::vector<std::int64_t>& starts) override;
  int mark_block(std::int64_t last_seq) override;
  int mark_hour(std::int64_t start_ns) override;
  int mark_hours_from(std::int64_t from_ns) override;
  int unmark_block(std::int64_t last_seq) override;
  int unmark_hours(const TimeRange& range) override;

  /// A new transaction.
  void forget() { columns_.forget(); }

 private:
  int run(const std::string& sql, const PgParams& params = {});
  int numbers(const std::string& sql, std::vector<std::int64_t>& out);

  PgConnection& db_;
  PgFailure& failure_;
  ReadAhead columns_;
};

}  // namespace gw::store::postgres
