#pragma once
// Blocks and roll-up pages in their tables. One connection, one thread; nothing here begins or ends a transaction.
// Functions return SQLite's codes; SQLITE_CORRUPT_VTAB stands for a blob of ours that cannot be read.
#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/rollup.h"
#include "store/sqlite/connection.h"
#include "store/trace_block.h"

namespace gw::store::sqlite {

inline constexpr int kUnreadableBlob = SQLITE_CORRUPT_VTAB;

/// (after, up_to]
struct SeqRange {
  std::int64_t after = 0, up_to = std::numeric_limits<std::int64_t>::max();
};

/// A block as its row of `trace_blocks` tells it; it covers the sequences in (after_seq, last_seq].
struct StoredBlock {
  std::int64_t after_seq = 0, last_seq = 0;
  /// Nothing when it cannot be read.
  std::optional<BlockHeader> header;
};

/// The columns of one stored block.
class StoredColumns final : public ColumnSource {
 public:
  explicit StoredColumns(Connection& db) : db_(db) {}
  void go_to(std::int64_t last_seq) { last_seq_ = last_seq; }
  Result<std::string_view> column(BlockColumn c) override;
  /// Of the last failure: SQLite's code, or kUnreadableBlob.
  int code() const { return code_; }
  /// The connection ends, or its transaction.
  void release() { read_.reset(); }

 private:
  Connection& db_;
  Statement read_;
  std::int64_t last_seq_ = 0;
  int code_ = SQLITE_OK;
};

class BlockStore {
 public:
  explicit BlockStore(Connection& db) : db_(db), columns_(db) {}

  /// All of them, ascending, those with last_seq > after only.
  int list(std::int64_t after, std::vector<StoredBlock>& out);
  /// One of them; nothing when there is none.
  int find(std::int64_t last_seq, std::optional<StoredBlock>& out);
  int read(std::int64_t last_seq, const BlockHeader& header, TraceBlock& out);
  /// One column of numbers.
  int read_numbers(std::int64_t last_seq, const BlockHeader& header, BlockColumn c, std::vector<std::int64_t>& out);
  /// Under the sequence up to which it covers rows.
  int put(std::int64_t last_seq, const EncodedBlock& block);
  int remove(std::int64_t last_seq);

 private:
  Connection& db_;
  Statement list_, put_header_, put_column_;
  StoredColumns columns_;
};

using Tenant = std::pair<std::string, std::string>;  ///< org and workspace

class PageStore {
 public:
  explicit PageStore(Connection& db) : db_(db) {}

  int put(const PageKey& key, const RollupPage& page);
  int read(const PageKey& key, RollupPage& out);
  /// Every tenant that has pages.
  int tenants(std::vector<Tenant>& out);
  /// All tenants' and dimensions' pages of one hour or day.
  int remove(RollupLevel level, std::int64_t start_ns);
  /// Least and greatest start of the hours of a tenant; false: none. Without one, of all.
  int hours(const std::vector<Tenant>& tenants, std::optional<TimeRange>& out);

  struct Row {
    std::int64_t start_ns = 0;
    std::string_view sums, latency, ttft;  ///< sealed; the two histograms are empty when not asked for
  };
  /// The pages of a tenant that start in `range`, in order. `row` returns false to stop.
  int scan(RollupLevel level, Dimension dimension, const Tenant& tenant, const TimeRange& range, bool histograms,
           const std::function<bool(const Row&)>& row);

 private:
  Connection& db_;
  Statement read_, put_, scan_sums_, scan_all_;
};

}  // namespace gw::store::sqlite
