#pragma once
// The Postgres store: what `app` links and what the reading commands open. Any number of gateways may have one
// database.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "store/retention.h"
#include "store/trace_store.h"

namespace gw::store {

struct PgOptions {
  std::string dsn;                      ///< `postgres://` URL or key=value pairs; secret
  std::string setting = "storage.dsn";  ///< where it came from, for error texts
  int connect_timeout_ms = 5'000;
  int write_deadline_ms = 10'000;
  int read_deadline_ms = 10'000;
  /// Of one migration, waiting for another gateway's included.
  int migration_timeout_ms = 3'600'000;
  RetentionOptions retention{};  ///< of a writer
  /// What is kept from the second look on, asked at each; empty: as above. The storage thread's.
  StoreRetention::Now retention_now{};
  /// Told what a pass of retention did, when it did something; may be empty.
  StoreRetention::Report on_retention{};
  /// Told of long work; may be empty.
  std::function<void(std::string_view)> progress{};
  Clock clock{};
};

/// Creates or migrates the schema. Errors follow `failed to initialize postgres storage: `. For one thread at a time.
Result<std::unique_ptr<TraceWriter>> open_postgres_writer(const PgOptions& options);

/// Changes nothing, and refuses a schema that is not this version's. One per thread.
Result<std::unique_ptr<TraceReader>> open_postgres_reader(const PgOptions& options);

/// Changes nothing. True: the database has no tables of a gateway yet, and the role may make them. An error: it may
/// not, or the database cannot be asked.
Result<bool> postgres_without_tables(const PgOptions& options);

}  // namespace gw::store
