#include "store/block_tables.h"

#include "store/block_column.h"

namespace gw::store {

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
