#pragma once
// Which traces to erase for good, and what was erased. Plain data.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

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
  /// The write-ahead log was emptied too. False: somebody held an old snapshot; what was erased is in the log until the
  /// gateway has written over it.
  bool log_emptied = false;
};

}  // namespace gw::store
