#include "store/postgres/erase.h"

#include <set>
#include <vector>

#include "store/postgres/change_connection.h"

namespace gw::store {
namespace postgres {
namespace {

class PostgresEraser final : public Eraser {
 public:
  explicit PostgresEraser(const PgOptions& options) : options_(options), change_(options) {}

  Result<void> open() { return change_.open(); }

  Result<void> remove(std::vector<ErasedRow>& rows) override {
    auto t = change_.begin();
    if (!t) return change_.failed(t.error());
    std::vector<std::int64_t> removed;
    if (remove_rows(rows, removed) != kOk) return change_.failed();
    if (auto ok = t->commit(); !ok) return change_.failed(ok.error());
    const std::set<std::int64_t> gone(removed.begin(), removed.end());
    std::erase_if(rows, [&](const ErasedRow& r) { return !gone.contains(r.seq); });
    return {};
  }

  Result<bool> finish() override {
    if (auto ok = change_.repair_all(); !ok) return tl::make_unexpected(ok.error());
    // The blocks name sessions.
    for (const char* table : {"traces", "trace_blocks", "trace_block_columns", "trace_rollups"}) {
      change_.db().set_deadline(options_.migration_timeout_ms);
      const auto done = change_.db().query(std::string("VACUUM ") + table);
      if (!done) return change_.failed(done.error());
    }
    change_.db().clear_deadline();
    return false;
  }

 private:
  /// With what blocks say of them. Writers of rows wait for the counter, so it comes last.
  int remove_rows(const std::vector<ErasedRow>& rows, std::vector<std::int64_t>& removed) {
    PgConnection& db = change_.db();
    std::vector<std::int64_t> seqs;
    for (const ErasedRow& r : rows) seqs.push_back(r.seq);
    const auto gone = db.query("DELETE FROM traces WHERE seq = ANY($1) RETURNING seq", PgParams().integers(seqs));
    if (!gone) return change_.failure()(gone.error());
    for (int i = 0; i < gone->rows(); ++i) removed.push_back(gone->integer(i, 0));
    if (removed.empty()) return kOk;
    if (const int rc = change_.note_changed(removed); rc != kOk) return rc;
    for (std::size_t i = 0; i < 2 * kMostErasedBlocks; ++i) {
      std::vector<std::int64_t> stale;
      if (const int rc = change_.blocks().stale_blocks(1, stale); rc != kOk) return rc;
      if (stale.empty()) break;
      bool did = false;
      if (const int rc = change_.roller().repair(did); rc != kOk) return rc;
    }
    const auto counted = db.query("UPDATE trace_counter SET traces = traces - $1",
                                  PgParams().integer(static_cast<std::int64_t>(removed.size())));
    return counted ? kOk : change_.failure()(counted.error());
  }

  const PgOptions& options_;
  ChangeConnection change_;
};

}  // namespace
}  // namespace postgres

Result<EraseReport> erase_postgres(const PgOptions& options, const EraseSelector& selector, bool dry_run) {
  if (auto ok = check_selector(selector); !ok) return tl::make_unexpected(ok.error());
  auto reader = open_postgres_reader(options);
  if (!reader) return tl::make_unexpected(reader.error());
  if (dry_run) return erase_traces(std::move(*reader), selector, nullptr);
  postgres::PostgresEraser eraser(options);
  if (auto ok = eraser.open(); !ok) return tl::make_unexpected(ok.error());
  return erase_traces(std::move(*reader), selector, &eraser);
}

}  // namespace gw::store
