#include "store/postgres/batch_pieces.h"

#include <array>
#include <optional>
#include <string_view>

#include "store/sealed.h"
#include "store/varint.h"

namespace gw::store::postgres {
namespace {

// Of one read; what lies behind them is read from the rows.
constexpr int kMostPieces = 64;

const std::string& which() {
  static const std::string condition = "col = " + std::to_string(BatchPieces::kColumn);
  return condition;
}

class Columns final : public ColumnSource {
 public:
  explicit Columns(std::string_view in) : in_(in) {}
  /// In their order, as they are asked for.
  Result<std::string_view> column(BlockColumn) override {
    std::string_view out;
    if (take_bytes(in_, out)) return out;
    return fail("a piece of a batch is damaged");
  }

 private:
  std::string_view in_;
};

/// Rows numbered from 1; nothing of what is damaged, or of another version.
std::optional<TraceBlock> decoded(std::string_view piece) {
  const auto in = unsealed(piece);
  if (!in) return std::nullopt;
  std::string_view rest = *in, header;
  std::uint64_t columns = 0;
  if (!take_varint(rest, columns) || columns != kBlockColumns || !take_bytes(rest, header)) return std::nullopt;
  const auto head = decode_header(header);
  if (!head) return std::nullopt;
  Columns source(rest);
  auto out = TraceBlock::decode(*head, source);
  if (!out) return std::nullopt;
  return std::move(*out);
}

}  // namespace

std::string BatchPieces::encode(const TraceBlock& rows) {
  const EncodedBlock block = rows.encode();
  std::string header, out;
  encode_header(block.header, header);
  put_varint(out, kBlockColumns);
  put_bytes(out, header);
  for (const std::string& column : block.columns) put_bytes(out, column);
  return sealed(std::move(out));
}

int BatchPieces::run(const std::string& sql, const PgParams& params) {
  const auto done = db_.query(sql, params);
  return done ? kOk : failure_(done.error());
}

int BatchPieces::read_block(const SeqRange& range, std::int64_t generation, RowTable& rows, TraceBlock& out) {
  out.clear();
  const auto pieces = db_.query("SELECT last_seq, substring(data, 9) FROM trace_block_columns WHERE " + which() +
                                    " AND last_seq > $1 AND last_seq <= $2 AND substring(data, 1, 8) = int8send($3) "
                                    "ORDER BY last_seq LIMIT " +
                                    std::to_string(kMostPieces),
                                PgParams().integer(range.after).integer(range.up_to).integer(generation));
  if (!pieces) return failure_(pieces.error());
  std::int64_t at = range.after;
  TraceFacts scratch;
  const auto read_rows = [&](std::int64_t up_to) {
    if (up_to <= at || out.full()) return kOk;
    const SeqRange gap{at, up_to};
    at = up_to;
    return rows.analytic_rows(gap, static_cast<std::int64_t>(kBlockRows - out.rows()),
                              [&](const Trace& t) { out.add(analytic_row(t, scratch)); });
  };
  for (int i = 0; i < pieces->rows() && !out.full(); ++i) {
    const std::int64_t last = pieces->integer(i, 0);
    const auto piece = decoded(pieces->text(i, 1));
    if (!piece) continue;
    const std::int64_t before = last - static_cast<std::int64_t>(piece->rows());
    if (const int rc = read_rows(before); rc != kOk) return rc;
    for (auto row = static_cast<std::size_t>(at - before); row < piece->rows() && !out.full(); ++row)
      out.add_from(*piece, row, before);
    at = last;
  }
  return read_rows(range.up_to);
}

int BatchPieces::tidy(std::int64_t rolled, std::int64_t generation) {
  return run("DELETE FROM trace_block_columns WHERE " + which() +
                 " AND (last_seq <= $1 OR substring(data, 1, 8) <> int8send($2))",
             PgParams().integer(rolled).integer(generation));
}

int BatchPieces::remove() { return run("DELETE FROM trace_block_columns WHERE " + which()); }

}  // namespace gw::store::postgres
