#pragma once
// Which names a block's columns of keys may have, in two kilobytes: those columns are twenty times as long, and a
// search for one key passes over most blocks. Plain data; one thread.
#include <cstdint>
#include <string>
#include <string_view>

#include "store/trace_block.h"

namespace gw::store {

/// The columns that have a digest.
constexpr bool is_digested(BlockColumn c) { return c == BlockColumn::gateway_key || c == BlockColumn::api_key; }

void encode_digest(const BlockHeader& header, const TraceBlock& block, std::string& out);

/// False: no row has the name in that column. A digest that is damaged or another block's, such as one that this block
/// had before it was made anew by a version without digests, rules nothing out.
bool may_have_name(std::string_view digest, const BlockHeader& header, BlockColumn c, std::string_view name);

}  // namespace gw::store
