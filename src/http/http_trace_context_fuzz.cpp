// Trace context out of hostile fields: what is taken is what the grammar says, and is written back as it was read.
// Input: lines; one that begins with 'p' is a traceparent, all others are tracestate.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "http/trace_context.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gw::http;
  if (size > 8192) return 0;
  std::string_view in(reinterpret_cast<const char*>(data), size);
  Fields fields;
  std::size_t parents = 0;
  std::string_view last;
  while (!in.empty()) {
    const std::size_t end = in.find('\n');
    std::string_view line = in.substr(0, end);
    in.remove_prefix(end == std::string_view::npos ? in.size() : end + 1);
    if (line.empty()) continue;
    const bool parent = line[0] == 'p';
    if (parent) {
      line.remove_prefix(1);
      last = line;
      ++parents;
    }
    fields.push_back(
        {parent ? "traceparent" : "tracestate", line, parent ? FieldId::traceparent : FieldId::tracestate});
  }
  const RemoteContext context = read_trace_context(fields);
  if (context.has_state && !context.parent) std::abort();
  if (!context.parent) return 0;
  if (parents != 1) std::abort();
  char text[kTraceParentSize];
  write_traceparent(text, *context.parent);
  if (std::string_view(text + 3, 49) != last.substr(3, 49)) std::abort();
  if (parse_traceparent({text, sizeof text}) != context.parent) std::abort();
  if (!context.has_state) return 0;
  for (const Field& f : fields)
    if (f.id == FieldId::tracestate)
      for (const char c : f.value)
        if (c != '\t' && (c < 0x20 || c > 0x7e)) std::abort();
  return 0;
}
