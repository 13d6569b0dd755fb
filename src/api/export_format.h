#pragma once
// One trace as a line of an export: JSON or CSV. The field order is fixed, whatever was asked for, so that files of one
// choice of fields can be appended to each other. Pure functions.
#include <cstdint>
#include <string>
#include <string_view>

#include "api/export_cursor.h"
#include "base/result.h"
#include "model/trace.h"
#include "store/trace_store.h"

namespace gw::api {

/// In the order in which they are written. Those from `correlation_id` to `reasoning_tokens` stand in the metadata.
enum class ExportField : std::uint8_t {
  seq,
  id,
  timestamp,
  provider,
  model,
  request_method,
  request_path,
  response_status,
  input_tokens,
  output_tokens,
  total_tokens,
  latency_ms,
  latency_us,
  time_to_first_token_ms,
  time_to_first_token_us,
  api_key_hash,
  estimated_cost_usd,
  cost_nano_usd,
  created_at,
  session_id,
  org_id,
  workspace_id,
  gateway_key_id,
  trace_group_id,
  thread_id,
  run_id,
  correlation_id,
  outcome,
  cost_source,
  price_version,
  cache_read_tokens,
  cache_write_tokens,
  reasoning_tokens,
  metadata,
  request_headers,
  request_body,
  response_headers,
  response_body,
  cursor,
};
inline constexpr std::size_t kExportFields = static_cast<std::size_t>(ExportField::cursor) + 1;

std::string_view to_string(ExportField field);

/// Which fields an export has. `seq` and `id` are always among them: they order and identify.
class ExportFields {
 public:
  /// All but metadata, headers, bodies and the cursor.
  ExportFields();
  /// Names separated by commas; `default` stands for the default ones. Blank: those. The error names what is unknown.
  static Result<ExportFields> parse(std::string_view list);

  bool has(ExportField f) const { return (bits_ >> static_cast<unsigned>(f) & 1) != 0; }
  void add(ExportField f) { bits_ |= std::uint64_t{1} << static_cast<unsigned>(f); }
  std::uint64_t bits() const { return bits_; }
  /// What a reader has to fill in for them.
  store::ExportColumns columns() const;

 private:
  std::uint64_t bits_;
};

/// By the rules of http-api §3, without a line end: what is empty is left out. `cursor` is where the export is read
/// from; its seq is the trace's own. Null: rows have no cursor.
void append_export_object(std::string& out, const Trace& trace, const ExportFields& fields,
                          const ExportCursor* cursor = nullptr);
/// The same as a line.
void append_ndjson(std::string& out, const Trace& trace, const ExportFields& fields,
                   const ExportCursor* cursor = nullptr);

/// RFC 4180 with CRLF. A text that a spreadsheet would take for a formula gets an apostrophe in front.
void append_csv_header(std::string& out, const ExportFields& fields);
void append_csv_row(std::string& out, const Trace& trace, const ExportFields& fields,
                    const ExportCursor* cursor = nullptr);

}  // namespace gw::api
