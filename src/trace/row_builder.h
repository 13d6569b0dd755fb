#pragma once
// From a payload to a row of the store: normalisation, metadata and header JSON of trace-model §1 to §3. One thread
// (storage).
#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "model/trace.h"
#include "trace/header_json.h"
#include "trace/identity_json.h"
#include "trace/json_text.h"
#include "trace/record_codec.h"

namespace gw::trace {

class RowBuilder {
 public:
  explicit RowBuilder(Clock clock) : clock_(clock) {}

  /// Fills every column of `row` but `seq`. It is an empty one or one that was filled here before: its strings' memory
  /// is reused, and those that stay the same are left as they are. False when the payload is no record. `flags` are the
  /// frame's.
  bool build(std::string_view payload, std::uint16_t version, std::uint16_t flags, Trace& row);
  /// Gives its memory back.
  void clear();

 private:
  void metadata(DecodedRecord& d, std::uint16_t flags, const Trace& row);

  Clock clock_;
  DecodedRecord decoded_;
  HeaderJson headers_;
  IdentityJson identities_;
  JsonText text_;
};

}  // namespace gw::trace
