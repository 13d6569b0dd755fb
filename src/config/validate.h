#pragma once
// Whether a configuration can be served. All faults are found in one go, in a fixed order, one for each key; the error
// has a line for each: the text names the key and what it must be, and behind it `  at <file>:<line>` says where.
#include <functional>

#include "base/result.h"
#include "config/config.h"

namespace gw::config {

/// Values, by the contract's table, in its order and words. Pure. Enough for commands that only read the store.
Result<void> validate_values(const Config& config);

/// What the contract's table passes but `serve` cannot run with: an address that cannot be listened on, provider
/// prefixes that hide each other or the API, unusable keys, bounds of our own keys. Pure.
Result<void> validate_for_serve(const Config& config);

/// What must lie on the disk: the TLS certificate and key can be read and belong together; storage and ring paths do
/// not name the wrong kind of file; the price file is whole and right; keys of providers can be read and sent. Reads
/// files, changes nothing.
Result<void> validate_files(const Config& config);

/// All three, in this order, and then `more`: for `serve` and `config validate`.
using Check = std::function<Result<void>(const Config&)>;
Result<void> validate(const Config& config, const Check& more = {});

}  // namespace gw::config
