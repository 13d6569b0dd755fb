#include "store/postgres/postgres_store.h"

namespace gw::store {

Result<std::unique_ptr<TraceWriter>> open_postgres_writer(const PgOptions&) {
  return fail("storage.driver postgres is not available in this version: use sqlite");
}

Result<std::unique_ptr<TraceReader>> open_postgres_reader(const PgOptions&) {
  return fail("storage.driver postgres is not available in this version: use sqlite");
}

}  // namespace gw::store
