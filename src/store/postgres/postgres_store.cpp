#include "store/postgres/postgres_store.h"

#include "store/postgres/pg_connection.h"
#include "store/postgres/pg_schema.h"
#include "store/postgres/trace_reader.h"
#include "store/postgres/trace_writer.h"

namespace gw::store {

Result<std::unique_ptr<TraceWriter>> open_postgres_writer(const PgOptions& options) {
  auto writer = std::make_unique<postgres::PostgresWriter>(options);
  if (auto ok = writer->open(); !ok) return tl::make_unexpected(ok.error());
  return writer;
}

Result<std::unique_ptr<TraceReader>> open_postgres_reader(const PgOptions& options) {
  auto reader = std::make_unique<postgres::PostgresReader>(options);
  if (auto ok = reader->open(); !ok) return tl::make_unexpected(ok.error());
  return reader;
}

Result<bool> postgres_without_tables(const PgOptions& o) {
  postgres::PgConnection db({.dsn = o.dsn,
                             .setting = o.setting,
                             .connect_timeout_ms = o.connect_timeout_ms,
                             .call_timeout_ms = o.read_deadline_ms});
  const auto empty = postgres::without_tables(db);
  if (!empty) return fail("open postgres database: " + empty.error().message);
  return *empty;
}

}  // namespace gw::store
