// Any payload from a file: decoding and row building end, touch nothing outside, and give valid text or nothing.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/strings.h"
#include "trace/frame.h"
#include "trace/row_builder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const char* bytes = reinterpret_cast<const char*>(data);
  gw::trace::Frame frame;
  (void)gw::trace::read_frame(bytes, size, gw::trace::Verify::checksum, frame);
  static gw::trace::RowBuilder builder{gw::Clock{}};  // kept: its caches are part of what is tested
  gw::Trace row;
  if (!builder.build(std::string_view(bytes, size), gw::trace::kRecordVersion, 0, row)) return 0;
  for (const std::string* s : {&row.model, &row.request_path, &row.request_headers, &row.response_headers,
                               &row.metadata, &row.request_body, &row.trace_group_id, &row.gateway_key_id})
    if (!gw::is_storable_text(*s)) std::abort();
  return 0;
}
