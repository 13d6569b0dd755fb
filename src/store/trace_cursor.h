#pragma once
// The page cursor of /api/traces as text: URL-safe base64 without padding of `<created_at RFC3339>|<id>`.
// It carries a position only; the caller repeats the filters. Pure functions.
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/trace_store.h"

namespace gw::store {

std::string encode_cursor(const TraceCursor& cursor);
/// The error's text is the contract's: `trace cursor is invalid: …`.
Result<TraceCursor> decode_cursor(std::string_view text);

}  // namespace gw::store
