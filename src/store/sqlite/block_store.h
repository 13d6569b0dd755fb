#pragma once
// Blocks and roll-up pages in their tables. One connection, one thread; nothing here begins or ends a transaction.
// Codes are SQLite's, and kUnreadable.
#include <cstdint>
#include <string>
#include <vector>

#include "store/block_tables.h"
#include "store/sqlite/connection.h"

namespace gw::store::sqlite {

static_assert(kOk == SQLITE_OK);

/// Reads one column at a time: it costs no round trip.
class StoredColumns final : public BlockColumns {
 public:
  explicit StoredColumns(Connection& db) : db_(db) {}
  void expect(std::span<const StoredBlock* const>) override {}
  void go_to(std::int64_t last_seq) override { last_seq_ = last_seq; }
  Result<std::string_view> column(BlockColumn c) override;
  int code() const override { return code_; }
  void release() override { read_.reset(); }

 private:
  Connection& db_;
  Statement read_;
  std::int64_t last_seq_ = 0;
  int code_ = SQLITE_OK;
};

class BlockStore final : public BlockTables {
 public:
  explicit BlockStore(Connection& db) : db_(db), columns_(db) {}

  bool exist() override;
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

 private:
  int read_page(const PageKey& key, StoredPage& out);
  int put_page(const PageKey& key, const RollupPage& page);
  int numbers(const std::string& sql, std::vector<std::int64_t>& out);

  Connection& db_;
  Statement list_, put_header_, put_column_, read_, put_, scan_sums_, scan_all_, read_meta_, set_meta_;
  StoredColumns columns_;
};

}  // namespace gw::store::sqlite
