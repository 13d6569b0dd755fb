#pragma once
// The tables of blocks and roll-ups (docs/adr/0002) as every store has them, inside a transaction that the caller began
// and ends. A store's own implementation is bound to one connection: one thread, dies before it.
//
// Functions return kOk, kUnreadable (a blob of ours is damaged) or another code of the store's own, which it explains.
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/rollup.h"
#include "store/store_meta.h"
#include "store/trace_block.h"

namespace gw::store {

inline constexpr int kOk = 0;
inline constexpr int kUnreadable = -1;

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

using Tenant = std::pair<std::string, std::string>;  ///< org and workspace

/// The columns of stored blocks, one block after the other.
class BlockColumns : public ColumnSource {
 public:
  /// The blocks that are to be visited, in this order; some may be left out. A store may read ahead by it.
  virtual void expect(std::span<const StoredBlock* const> blocks) = 0;
  virtual void go_to(std::int64_t last_seq) = 0;
  /// Of the last failure of column().
  virtual int code() const = 0;
  /// The transaction ends: nothing of it is held any more.
  virtual void release() = 0;
};

/// A page as it is read back; `code` kUnreadable: it is damaged. One that is not there is empty.
struct StoredPage {
  int code = kOk;
  RollupPage page;
};

/// The header of a block, as it is stored; nothing: it cannot be read.
std::optional<BlockHeader> stored_header(std::string_view blob);

/// SQL that every store understands: a condition on start_ns, and ` LIMIT most` or nothing.
std::string starts_in(const TimeRange& range);
std::string limit_clause(std::size_t most);

class BlockTables {
 public:
  virtual ~BlockTables() = default;

  /// False: an older version's database, without the tables.
  virtual bool exist() = 0;
  virtual int read_meta(StoreMeta& out) = 0;
  virtual int set_meta(const char* key, std::int64_t value) = 0;
  /// Whoever keeps headers of blocks sees that they are no longer those.
  virtual int note_changed_blocks() = 0;

  /// All of them, ascending, those with last_seq > after only.
  virtual int list_blocks(std::int64_t after, std::vector<StoredBlock>& out) = 0;
  /// One of them; nothing when there is none.
  virtual int find_block(std::int64_t last_seq, std::optional<StoredBlock>& out) = 0;
  /// The last_seq of the block before a sequence; 0: none.
  virtual int block_before(std::int64_t seq, std::int64_t& last_seq) = 0;
  /// Under the sequence up to which it covers rows.
  virtual int put_block(std::int64_t last_seq, const EncodedBlock& block) = 0;
  virtual int remove_block(std::int64_t last_seq) = 0;
  virtual BlockColumns& columns() = 0;
  int read_block(std::int64_t last_seq, const BlockHeader& header, TraceBlock& out);
  /// One column of numbers.
  int read_numbers(std::int64_t last_seq, const BlockHeader& header, BlockColumn c, std::vector<std::int64_t>& out);

  /// In the order of the keys.
  virtual int read_pages(std::span<const PageKey> keys, std::vector<StoredPage>& out) = 0;
  virtual int put_pages(std::span<const RollupDelta::Entry> pages) = 0;
  /// All tenants' and dimensions' pages of one hour or day.
  virtual int remove_pages(RollupLevel level, std::int64_t start_ns) = 0;
  /// Every tenant that has pages.
  virtual int tenants(std::vector<Tenant>& out) = 0;
  /// Least and greatest start of the hours of these tenants; nothing: none.
  virtual int hours(std::span<const Tenant> tenants, std::optional<TimeRange>& out) = 0;
  struct PageRow {
    const Tenant* tenant = nullptr;
    std::int64_t start_ns = 0;
    std::string_view sums, latency, ttft;  ///< sealed; the two histograms are empty when not asked for
  };
  /// The tenants' pages that start in `range`, in no order. `row` returns false to stop.
  virtual int scan_pages(RollupLevel level, Dimension dimension, std::span<const Tenant> tenants,
                         const TimeRange& range, bool histograms, const std::function<bool(const PageRow&)>& row) = 0;

  /// Blocks and hours that are to be made anew: ascending, at most `most`.
  virtual int stale_blocks(std::size_t most, std::vector<std::int64_t>& last_seqs) = 0;
  virtual int stale_hours(const TimeRange& range, std::size_t most, std::vector<std::int64_t>& starts) = 0;
  virtual int mark_block(std::int64_t last_seq) = 0;
  virtual int mark_hour(std::int64_t start_ns) = 0;
  /// Every hour that has pages and starts at `from_ns` or later.
  virtual int mark_hours_from(std::int64_t from_ns) = 0;
  virtual int unmark_block(std::int64_t last_seq) = 0;
  virtual int unmark_hours(const TimeRange& range) = 0;
};

}  // namespace gw::store
