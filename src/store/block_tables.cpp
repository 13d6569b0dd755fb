#include "store/block_tables.h"

#include <algorithm>

#include "store/block_column.h"
#include "store/sealed.h"

namespace gw::store {
namespace {

/// A literal: the least of 64 bits has none.
std::string literal(std::int64_t v) { return std::to_string(std::max(v, INT64_MIN + 1)); }

}  // namespace

std::optional<BlockHeader> stored_header(std::string_view blob) {
  const auto content = unsealed(blob);
  auto header = content ? decode_header(*content) : malformed_block("a header");
  return header ? std::optional(*header) : std::nullopt;
}

std::string starts_in(const TimeRange& range) {
  return "start_ns >= " + literal(range.from_ns) + " AND start_ns < " + literal(range.to_ns);
}

std::string limit_clause(std::size_t most) {
  return most > static_cast<std::size_t>(INT64_MAX) ? std::string() : " LIMIT " + std::to_string(most);
}

int BlockTables::read_block(std::int64_t last_seq, const BlockHeader& header, TraceBlock& out) {
  BlockColumns& source = columns();
  source.go_to(last_seq);
  auto block = TraceBlock::decode(header, source);
  source.release();
  if (!block) return source.code() != kOk ? source.code() : kUnreadable;
  out = std::move(*block);
  return kOk;
}

int BlockTables::read_numbers(std::int64_t last_seq, const BlockHeader& header, BlockColumn c,
                              std::vector<std::int64_t>& out) {
  BlockColumns& source = columns();
  source.go_to(last_seq);
  const auto bytes = source.column(c);
  const auto view = bytes ? NumberView::parse(*bytes, header.rows) : std::nullopt;
  out.clear();
  for (std::size_t row = 0; view && row < header.rows; ++row) out.push_back(view->at(row));
  source.release();
  if (view) return kOk;
  return bytes || source.code() == kOk ? kUnreadable : source.code();
}

}  // namespace gw::store
