#pragma once
// Blocks: the analytic fields of up to kBlockRows consecutive rows, column by column (ADR 0002). Encoded columns come
// from a database and may hold anything: every reading is checked and fails with an error. Plain data; one thread.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/analytic_row.h"

namespace gw::store {

inline constexpr std::size_t kBlockRows = 4096;

/// The numbers are stored ones: new columns go to the end.
enum class BlockColumn : std::uint8_t {
  seq,
  timestamp,
  created_at,
  org,
  workspace,
  provider,
  model,
  route,
  status,
  gateway_key,
  api_key,
  session,
  trace_group,  ///< this and the next two: 32-bit hashes, 0 for none
  thread,
  run,
  input_tokens,
  output_tokens,
  total_tokens,
  cost,
  latency_ms,
  ttft_ms,
  cache_read_tokens,
  cache_write_tokens,
  cache_saved,
  flags,         ///< outcome, unpriced, estimated
  session_hash,  ///< as trace_group; rules a block out without its many names
  name_digest,   ///< see name_digest.h; blocks of older versions lack it
};
inline constexpr std::size_t kBlockColumns = 27;

/// Bounds of a column, both inclusive.
struct Extent {
  std::int64_t least = 0, greatest = 0;
};
/// {0, 0} of none.
Extent extent(std::span<const std::int64_t> values);

struct BlockHeader {
  std::uint32_t rows = 0;
  std::int64_t first_seq = 0, last_seq = 0;  ///< of rows that are there
  Extent timestamp, created_at, total_tokens, cost, latency_ms;
};
void encode_header(const BlockHeader& header, std::string& out);
Result<BlockHeader> decode_header(std::string_view in);

struct EncodedBlock {
  BlockHeader header;
  std::array<std::string, kBlockColumns> columns;  ///< by BlockColumn

  const std::string& column(BlockColumn c) const { return columns[static_cast<std::size_t>(c)]; }
};

/// Where a reader of blocks gets the columns of one block from; it asks for those it needs only, each once.
class ColumnSource {
 public:
  virtual ~ColumnSource() = default;
  /// Valid until the next call.
  virtual Result<std::string_view> column(BlockColumn c) = 0;
};

/// The columns of a block in memory.
class EncodedColumns final : public ColumnSource {
 public:
  explicit EncodedColumns(const EncodedBlock& block) : block_(block) {}
  Result<std::string_view> column(BlockColumn c) override { return std::string_view(block_.column(c)); }

 private:
  const EncodedBlock& block_;
};

/// Distinct strings in the order of their first use, and a code for each row.
struct NameColumn {
  std::vector<std::string> names;
  std::vector<std::uint16_t> codes;
};

/// A block being made or taken apart. Rows are in the order of seq.
class TraceBlock {
 public:
  TraceBlock();
  ~TraceBlock();
  TraceBlock(TraceBlock&&) noexcept;
  TraceBlock& operator=(TraceBlock&&) noexcept;

  std::size_t rows() const;
  bool full() const { return rows() == kBlockRows; }
  void clear();  ///< keeps its memory
  /// The next row; its seq is greater than those before. Not when full.
  void add(const AnalyticRow& row);
  /// The same with a row of another block, whose numbers count from behind `before`.
  void add_from(const TraceBlock& other, std::size_t row, std::int64_t before = 0);
  EncodedBlock encode() const;
  static Result<TraceBlock> decode(const BlockHeader& header, ColumnSource& source);
  /// Removes the rows with these numbers (ascending). How many there were.
  std::size_t remove(std::span<const std::int64_t> seqs);

  /// For the columns org to session; a status is its digits, see status_name.
  const NameColumn& names(BlockColumn c) const;
  /// For the other columns and the status, one value a row.
  const std::vector<std::int64_t>& numbers(BlockColumn c) const;
  void row_numbers(std::size_t row, RowNumbers& out) const;

 private:
  class Lookup;
  struct Columns {
    std::array<NameColumn, kBlockColumns> names;
    std::array<std::vector<std::int64_t>, kBlockColumns> numbers;
  };
  void add_name(BlockColumn c, std::string_view name);

  std::unique_ptr<Columns> columns_;  ///< stays in place when a block is moved: lookups point into it
  std::array<std::unique_ptr<Lookup>, kBlockColumns> lookups_;
};

/// Decimal digits; empty for 0, which is no status.
std::string status_name(std::int64_t status);
std::int64_t status_number(std::string_view name);

/// The column `flags`.
std::int64_t block_flags(TraceFacts::Outcome outcome, bool unpriced, bool estimated);
bool flags_unpriced(std::int64_t flags);
bool flags_estimated(std::int64_t flags);
/// What `flags` of an outcome are between, both inclusive.
Extent flags_of(TraceFacts::Outcome outcome);

/// As in the hash columns; never 0 for what is not empty. Stored: must not change.
std::uint32_t name_hash(std::string_view s);

}  // namespace gw::store
