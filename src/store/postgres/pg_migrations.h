#pragma once
// Schema changes by name, each once in a database, whichever gateway comes first.
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/postgres/pg_connection.h"

namespace gw::store::postgres {

/// `sql`: any number of statements without transaction commands. They run with all rows in sight.
struct Migration {
  std::string_view name;  ///< `postgres/NNN_what.sql`
  std::string_view sql;
};

/// Told of each migration that is applied; may be empty.
using Progress = std::function<void(std::string_view)>;

/// Applies what is missing, in the order given: a transaction each, under a lock of that transaction, so that gateways
/// which start at once wait for each other. Refuses a database with a migration that is not among these. Each may take
/// `timeout_ms`, waiting for others included. Errors begin with `ensure postgres schema: `.
Result<void> migrate(PgConnection& connection, std::span<const Migration> migrations, int timeout_ms,
                     const Progress& progress);

/// Keeps other gateways from changing the schema until the transaction ends.
PgExpected<void> lock_schema(PgConnection& connection);

enum class SchemaState { current, empty, older, newer };
struct SchemaCheck {
  SchemaState state = SchemaState::current;
  std::string migration{};  ///< that is missing there, or not known here
};
/// Changes nothing; for those who only read.
PgExpected<SchemaCheck> check_schema(PgConnection& connection, std::span<const Migration> migrations);
/// What to do about one that is not current.
std::string schema_message(const SchemaCheck& check, std::string_view setting);

}  // namespace gw::store::postgres
