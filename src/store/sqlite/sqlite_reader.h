#pragma once
#include <memory>
#include <string>

#include "store/sqlite/connection.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::store::sqlite {

/// One read-only connection. Used by one query thread.
class SqliteReader final : public TraceReader {
 public:
  explicit SqliteReader(SqliteOptions options) : options_(std::move(options)) {}
  Result<bool> open();

  Result<TracePage> list(const TenantScope& scope, const TraceFilter& filter, const std::optional<TraceCursor>& after,
                         int limit) override;
  Result<std::optional<Trace>> find(const TenantScope& scope, std::string_view id) override;
  Result<ExportEnd> export_rows(const TenantScope& scope, const TraceFilter& filter, std::int64_t after,
                                std::int64_t limit, const ExportColumns& columns,
                                const std::function<bool(const Trace&)>& row) override;
  Result<SequenceState> sequence() override;
  Result<std::vector<AnalyticsGroup>> analyze(const TenantScope& scope, const AnalyticsQuery& query) override;
  Result<TimeSpan> span(const TenantScope& scope) override;
  Result<std::int64_t> count() override;
  std::int64_t size_bytes() override;
  Result<bool> ping() override;

 private:
  /// Both the database and its log are still the files that are open.
  bool in_place() const;
  /// A usable connection with a running deadline, or why there is none.
  Result<Connection*> begin();
  tl::unexpected<Error> failed();
  /// SELECT of the first `n` columns, whatever version wrote the table.
  std::string select(std::size_t n) const;
  std::optional<std::int64_t> meta(const char* key);

  const SqliteOptions options_;
  std::unique_ptr<Connection> connection_;
  std::optional<FileId> log_;  ///< of the write-ahead log in use
  std::string seq_expression_;
  std::vector<std::string> expressions_;  ///< one per column
  bool has_meta_ = false;
};

}  // namespace gw::store::sqlite
