#pragma once
// Traces erased for good, beside a gateway that may be running on the same database.
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "store/sqlite/sqlite_store.h"
#include "store/trace_store.h"

namespace gw::store {

/// Which traces; all that is given must hold, and something must be given.
struct EraseSelector {
  TenantScope scope = TenantScope::all();
  std::string session_id{};
  std::string gateway_key_id{};
  std::string api_key_hash{};
  /// The end user as the client named them: the session id (a plain user id of a request becomes it), or, where request
  /// bodies are stored, their `user`, `safety_identifier` or `metadata.user_id`.
  std::string user{};
  std::optional<std::int64_t> before_ns{};  ///< those that started earlier
};

struct EraseReport {
  std::int64_t traces = 0;
  std::int64_t first_ns = 0, last_ns = 0;  ///< when the first and the last of them started
  /// The write-ahead log was emptied too. False: somebody held an old snapshot; what was erased is in the log until the
  /// gateway has written over it.
  bool log_emptied = false;
};

/// Some hundred rows at a time, each time with the blocks that hold them in a transaction of some ten milliseconds;
/// then the roll-ups of their hours. Bytes are overwritten with zeros. Roll-ups of hours whose traces retention took
/// away stay as they are. What was done before a failure stays done; running it again does the rest. A dry run opens
/// the database read-only and only reports.
Result<EraseReport> erase_sqlite(const SqliteOptions& options, const EraseSelector& selector, bool dry_run);

/// Whether a stored request names this end user.
bool request_names_user(std::string_view request_body, std::string_view user);

}  // namespace gw::store
