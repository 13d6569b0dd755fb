#include "store/reprice_run.h"

#include <algorithm>

#include "store/rolled_view.h"

namespace gw::store {

Result<RepriceReport> reprice_traces(RepriceStore& store, const RepriceRange& range, const Repricer& price,
                                     bool dry_run) {
  RepriceReport report;
  const auto failed = [&](const Error& e) -> tl::unexpected<Error> {
    if (dry_run || report.total.changed == 0) return tl::make_unexpected(e);
    return fail(e.message + "; " + std::to_string(report.total.changed) +
                " traces are done, run it again for the rest");
  };
  auto ranges = store.ranges(range);
  if (!ranges) return failed(ranges.error());
  std::vector<RepricedRow> rows;
  std::vector<const RepricedRow*> changed;
  for (SeqRange& seqs : *ranges) {
    do {
      rows.clear();
      changed.clear();
      if (auto ok = store.read(seqs, range, rows); !ok) return failed(ok.error());
      for (RepricedRow& r : rows) {
        r.outcome = reprice_row(r.row, price);
        if (r.outcome == RepriceOutcome::changed) changed.push_back(&r);
        seqs.after = r.seq;
      }
      if (!dry_run && !changed.empty())
        if (auto ok = store.write(changed); !ok) return failed(ok.error());
      for (const RepricedRow& r : rows) report.add(r.row, r.outcome, r.old_nano_usd);
    } while (rows.size() >= RepriceStore::kBatchRows);
  }
  if (!dry_run)
    if (auto ok = store.finish(); !ok) return failed(ok.error());
  return report;
}

int ranges_to_reprice(BlockTables& tables, const RepriceRange& range, std::vector<SeqRange>& out) {
  StoreMeta meta;
  RolledView view;
  if (const int rc = tables.read_meta(meta); rc != kOk) return rc;
  if (const int rc = view.load(tables, meta); rc != kOk) return rc;
  out.clear();
  for (const StoredBlock& b : view.blocks())
    if (b.header->timestamp.least < range.until_ns && b.header->timestamp.greatest >= range.from_ns)
      out.push_back({b.after_seq, b.last_seq});
  for (const auto* others : {&view.stale(), &view.unreadable()}) out.insert(out.end(), others->begin(), others->end());
  out.push_back(view.tail());
  std::sort(out.begin(), out.end(), [](const SeqRange& x, const SeqRange& y) { return x.after < y.after; });
  return kOk;
}

}  // namespace gw::store
