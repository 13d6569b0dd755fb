#include "store/postgres/reprice.h"

#include <vector>

#include "store/postgres/change_connection.h"
#include "store/postgres/pg_array.h"
#include "store/postgres/pg_json.h"
#include "store/postgres/trace_sql.h"
#include "store/reprice_run.h"

namespace gw::store {
namespace postgres {
namespace {

class Repricing final : public RepriceStore {
 public:
  explicit Repricing(const PgOptions& options) : change_(options) {}

  Result<void> open() { return change_.open(); }

  Result<std::vector<SeqRange>> ranges(const RepriceRange& range) override {
    std::vector<SeqRange> out;
    auto t = change_.begin_reading();
    if (!t) return change_.failed(t.error());
    if (ranges_to_reprice(change_.blocks(), range, out) != kOk) return change_.failed();
    return out;
  }
  Result<void> read(const SeqRange& seqs, const RepriceRange& range, std::vector<RepricedRow>& out) override;
  Result<void> write(const std::vector<const RepricedRow*>& rows) override;
  Result<void> finish() override { return change_.repair_all(); }

 private:
  ChangeConnection change_;
};

Result<void> Repricing::read(const SeqRange& seqs, const RepriceRange& range, std::vector<RepricedRow>& out) {
  auto t = change_.begin_reading();
  if (!t) return change_.failed(t.error());
  Conditions where;
  where.seq_in(seqs.after, seqs.up_to);
  TraceFilter started;
  started.from_ns = range.from_ns;
  started.to_ns = range.until_ns - 1;
  where.filter(started);
  const auto rows =
      change_.db().query("SELECT seq, timestamp, provider, model, input_tokens, output_tokens, total_tokens, " +
                             expression_of(Col::cost_nano_usd) + ", coalesce(metadata::text, '') FROM traces" +
                             where.sql() + " ORDER BY seq LIMIT " + std::to_string(kBatchRows),
                         where.params());
  if (!rows) return change_.failed(rows.error());
  for (int i = 0; i < rows->rows(); ++i) {
    RepricedRow& r = out.emplace_back();
    r.seq = rows->integer(i, 0);
    r.row.timestamp_ns = rows->time_ns(i, 1);
    r.row.provider = rows->text(i, 2);
    r.row.model = rows->text(i, 3);
    r.row.input_tokens = rows->integer(i, 4);
    r.row.output_tokens = rows->integer(i, 5);
    r.row.total_tokens = rows->integer(i, 6);
    r.old_nano_usd = r.row.cost_nano_usd = rows->integer(i, 7);
    r.old_metadata = rows->text(i, 8);
    if (!r.old_metadata.empty()) r.row.metadata = text_of_json(r.old_metadata);
  }
  return {};
}

Result<void> Repricing::write(const std::vector<const RepricedRow*>& rows) {
  PgArray seqs = PgArray::integers(), costs = PgArray::integers(), metadata = PgArray::texts(),
          old_costs = PgArray::integers(), old_metadata = PgArray::texts();
  std::string scratch;
  for (const RepricedRow* r : rows) {
    seqs.add(r->seq);
    costs.add(r->row.cost_nano_usd);
    if (r->row.metadata.empty())
      metadata.add_null();
    else
      metadata.add(stored_json(r->row.metadata, scratch));
    old_costs.add(r->old_nano_usd);
    old_metadata.add(std::string_view(r->old_metadata));
  }
  PgParams params;
  for (PgArray* a : {&seqs, &costs, &metadata, &old_costs, &old_metadata}) a->put(params);
  auto t = change_.begin();
  if (!t) return change_.failed(t.error());
  const auto done = change_.db().query(
      "UPDATE traces SET estimated_cost_usd = o.cost / 1e9, cost_nano_usd = o.cost, metadata = o.new::jsonb FROM "
      "unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[]) o(number, cost, new, cost_before, "
      "before) WHERE seq = o.number AND " +
          expression_of(Col::cost_nano_usd) +
          " = o.cost_before AND coalesce(metadata::text, '') = o.before RETURNING seq",
      params);
  if (!done) return change_.failed(done.error());
  std::vector<std::int64_t> changed;
  for (int i = 0; i < done->rows(); ++i) changed.push_back(done->integer(i, 0));
  if (!changed.empty() && change_.note_changed(changed) != kOk) return change_.failed();
  if (auto ok = t->commit(); !ok) return change_.failed(ok.error());
  return {};
}

}  // namespace
}  // namespace postgres

Result<RepriceReport> reprice_postgres(const PgOptions& options, const RepriceRange& range, const Repricer& price,
                                       bool dry_run) {
  postgres::Repricing store(options);
  if (auto ok = store.open(); !ok) return tl::make_unexpected(ok.error());
  return reprice_traces(store, range, price, dry_run);
}

}  // namespace gw::store
