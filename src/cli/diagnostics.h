#pragma once
// `ongoingai diagnostics`: what a running gateway says of its trace pipeline, read over HTTP (CLI contract §10).
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "api/json_value.h"
#include "base/result.h"
#include "cli/terminal.h"

namespace gw::cli {

struct PipelineReport {
  std::string schema_version, generated_at;
  api::JsonValue diagnostics;  ///< an object whose known members have the right kinds

  /// 0, and empty, for what is not there.
  std::int64_t number(std::string_view name) const;
  std::string text(std::string_view name) const;
  bool has(std::string_view name) const { return diagnostics.find(name) != nullptr; }
  std::map<std::string, std::int64_t> counts(std::string_view name) const;
};

/// `<base>` as it is asked: without query, fragment, user and trailing slashes. Errors are the contract's.
Result<std::string> diagnostics_base(std::string_view base_url);

/// An answer of 200. Errors begin with `decode response: `, or say that the schema version is missing.
Result<PipelineReport> read_pipeline_report(std::string_view body);

std::string diagnostics_json(const PipelineReport& report);
std::string diagnostics_text(const PipelineReport& report, std::string_view source, const Terminal& terminal);

}  // namespace gw::cli
