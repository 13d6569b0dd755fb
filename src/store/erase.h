#pragma once
// Which traces to erase for good, what was erased, and how an erasure goes over a store. One thread.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/trace_store.h"

namespace gw::store {

/// Which traces; all that is given must hold, and something must be given.
struct EraseSelector {
  TenantScope scope = TenantScope::all();
  std::string session_id{};
  std::string trace_group_id{}, thread_id{}, run_id{};  ///< of the lineage
  std::string gateway_key_id{};
  std::string api_key_hash{};
  /// The end user as the client named them: the session id (a plain user id of a request becomes it), or, where request
  /// bodies are stored, their `user`, `safety_identifier` or `metadata.user_id`.
  std::string user{};
  std::optional<std::int64_t> before_ns{};  ///< those that started earlier
  /// What a store has for a session, a lineage id or a user that clients send, where that is something else: traces
  /// with either are meant. May be empty.
  std::function<std::string(const std::string&)> stored_form{};
};

struct EraseReport {
  std::int64_t traces = 0;                 ///< each counts once
  std::int64_t first_ns = 0, last_ns = 0;  ///< when the first and the last of them started
  /// The write-ahead log was emptied too. False: what was erased is in it until it is written over. SQLite: somebody
  /// held an old snapshot. Postgres: always, the log is the server's.
  bool log_emptied = false;
};

struct ErasedRow {
  std::int64_t seq = 0, timestamp_ns = 0;
};

/// What an erasure does to a store, beside a gateway that may be running on it.
class Eraser {
 public:
  virtual ~Eraser() = default;
  /// Removes these rows in one transaction, with what their blocks say of them. Leaves in `rows` those that were still
  /// there: retention may have been quicker. Failures are whole messages.
  virtual Result<void> remove(std::vector<ErasedRow>& rows) = 0;
  /// All are gone: the rest is made anew, and space is given back. Whether the log was emptied.
  virtual Result<bool> finish() = 0;
};

/// Nothing is erased unless something says which.
Result<void> check_selector(const EraseSelector& selector);

/// Some hundred rows at a time, those that few blocks hold: every block that is touched is read and written again.
/// Without an eraser a dry run, which only reports. What was done before a failure stays done; running it again does
/// the rest, and the message says so. The reader ends before finish(): nobody holds up what that does.
Result<EraseReport> erase_traces(std::unique_ptr<TraceReader> reader, const EraseSelector& selector, Eraser* eraser);

/// Of one call of Eraser::remove.
inline constexpr std::size_t kMostErasedBlocks = 8;

/// Whether a stored request names this end user.
bool request_names_user(std::string_view request_body, std::string_view user);

}  // namespace gw::store
