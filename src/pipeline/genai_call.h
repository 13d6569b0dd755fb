#pragma once
// What an exchange is in the terms of OpenTelemetry's GenAI conventions. Pure.
#include <cstdint>
#include <optional>
#include <string_view>

#include "model/exchange_record.h"
#include "route/route_table.h"

namespace gw::pipeline {

struct GenAiCall {
  std::string_view operation;  ///< gen_ai.operation.name; static storage
  std::string_view api;        ///< openai.api.type, or empty; static storage
  std::string_view provider;   ///< gen_ai.provider.name; static storage, or the route's name
};

/// Nothing for a request that no model answers, such as a list of models.
std::optional<GenAiCall> genai_call(const ExchangeRecord& record, const route::Route& route);

/// error.type: the status of an answer that failed, or how the exchange ended instead; empty when it went well.
/// `digits` holds the text of a status.
std::string_view genai_error(const ExchangeRecord& record, char (&digits)[4]);

}  // namespace gw::pipeline
