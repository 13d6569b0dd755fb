#pragma once
// One roller at a time over all gateways of a database, and none while another program changes rows (whose trigger
// holds it shared until its commit, trace_schema.cpp). Of the transaction: nothing is left behind when one dies.

namespace gw::store::postgres {

/// One boolean: we have it.
inline constexpr const char* kTryRollerLock = "SELECT pg_try_advisory_xact_lock(8067396492)";
/// Waits for it.
inline constexpr const char* kTakeRollerLock = "SELECT pg_advisory_xact_lock(8067396492)";

}  // namespace gw::store::postgres
