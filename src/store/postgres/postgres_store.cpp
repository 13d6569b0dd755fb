#include "store/postgres/postgres_store.h"

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

}  // namespace gw::store
