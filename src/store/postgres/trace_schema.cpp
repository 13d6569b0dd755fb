#include "store/postgres/trace_schema.h"

namespace gw::store::postgres {

std::span<const Migration> trace_migrations() { return {}; }
std::span<const TenantTable> trace_tables() { return {}; }

}  // namespace gw::store::postgres
