#include "api/export_query.h"

#include "base/strings.h"

namespace gw::api {
namespace {

std::optional<ExportFormat> format_of(std::string_view media_type) {
  for (const std::string_view name : {"application/x-ndjson", "application/ndjson", "application/jsonl"})
    if (iequals(media_type, name)) return ExportFormat::ndjson;
  if (iequals(media_type, "text/csv")) return ExportFormat::csv;
  if (iequals(media_type, "application/json") || media_type == "application/*" || media_type == "*/*")
    return ExportFormat::json;
  return std::nullopt;
}

/// The first one listed of those that are not refused; weights beyond that do not matter here.
ExportFormat accepted_format(std::string_view accept) {
  while (!accept.empty()) {
    const std::size_t comma = accept.find(',');
    const std::string_view element = accept.substr(0, comma);
    accept.remove_prefix(comma == std::string_view::npos ? accept.size() : comma + 1);
    const std::size_t semicolon = element.find(';');
    const auto format = format_of(trim(element.substr(0, semicolon)));
    const bool refused = semicolon != std::string_view::npos && trim(element.substr(semicolon + 1)) == "q=0";
    if (format && !refused) return *format;
  }
  return ExportFormat::json;
}

Result<ExportFormat> parse_format(std::string_view name, std::string_view accept) {
  if (name.empty()) return accepted_format(accept);
  if (name == "json") return ExportFormat::json;
  if (name == "ndjson") return ExportFormat::ndjson;
  if (name == "csv") return ExportFormat::csv;
  return fail("invalid format: expected json, ndjson or csv");
}

}  // namespace

Result<ExportQuery> parse_export_query(const QueryParams& params, std::string_view accept) {
  ExportQuery q;
  const auto format = parse_format(params.get("format"), accept);
  if (!format) return tl::make_unexpected(format.error());
  q.format = *format;
  const bool page = q.format == ExportFormat::json;
  const auto limit = params.integer("limit", 0, page ? kExportPageMost : INT64_MAX);
  if (!limit) return tl::make_unexpected(limit.error());
  q.limit = limit->value_or(0);
  if (page && q.limit == 0) q.limit = kExportPageDefault;
  const auto wait = params.integer("wait", 0, kExportWaitMost);
  if (!wait) return tl::make_unexpected(wait.error());
  q.wait_s = wait->value_or(0);
  const std::string_view fields = params.get("fields");
  const auto chosen = ExportFields::parse(fields);
  if (!chosen) return tl::make_unexpected(chosen.error());
  q.fields = *chosen;
  // Whoever is cut off in the middle of a stream goes on from its last whole line.
  if (fields.empty() && !page) q.fields.add(ExportField::cursor);
  auto filter = parse_trace_filter(params);
  if (!filter) return tl::make_unexpected(filter.error());
  q.filter = std::move(*filter);
  if (const std::string_view after = params.get("after"); !after.empty()) {
    const auto cursor = decode_export_cursor(after);
    if (!cursor) return tl::make_unexpected(cursor.error());
    q.after = *cursor;
  }
  return q;
}

}  // namespace gw::api
