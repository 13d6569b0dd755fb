#include "limits/denial.h"

#include <array>

namespace gw::limits {
namespace {

struct Text {
  std::string_view code, message;
};

using BySubject = std::array<Text, kSubjects>;

/// By measure. Those of keys and workspaces for days and rates are the contract's.
constexpr std::array<BySubject, kMeasures> kTexts = {
    BySubject{Text{"KEY_TOKEN_RATE_LIMIT_EXCEEDED", "token rate limit exceeded for key"},
              Text{"WORKSPACE_TOKEN_RATE_LIMIT_EXCEEDED", "token rate limit exceeded for workspace"},
              Text{"ORG_TOKEN_RATE_LIMIT_EXCEEDED", "token rate limit exceeded for org"},
              Text{"MODEL_TOKEN_RATE_LIMIT_EXCEEDED", "token rate limit exceeded for model"}},
    BySubject{Text{"KEY_DAILY_TOKENS_EXCEEDED", "daily token limit exceeded for key"},
              Text{"WORKSPACE_DAILY_TOKENS_EXCEEDED", "daily token limit exceeded for workspace"},
              Text{"ORG_DAILY_TOKENS_EXCEEDED", "daily token limit exceeded for org"},
              Text{"MODEL_DAILY_TOKENS_EXCEEDED", "daily token limit exceeded for model"}},
    BySubject{Text{"KEY_DAILY_COST_EXCEEDED", "daily cost limit exceeded for key"},
              Text{"WORKSPACE_DAILY_COST_EXCEEDED", "daily cost limit exceeded for workspace"},
              Text{"ORG_DAILY_COST_EXCEEDED", "daily cost limit exceeded for org"},
              Text{"MODEL_DAILY_COST_EXCEEDED", "daily cost limit exceeded for model"}},
    BySubject{Text{"KEY_MONTHLY_COST_EXCEEDED", "monthly cost limit exceeded for key"},
              Text{"WORKSPACE_MONTHLY_COST_EXCEEDED", "monthly cost limit exceeded for workspace"},
              Text{"ORG_MONTHLY_COST_EXCEEDED", "monthly cost limit exceeded for org"},
              Text{"MODEL_MONTHLY_COST_EXCEEDED", "monthly cost limit exceeded for model"}},
    BySubject{Text{"KEY_RATE_LIMIT_EXCEEDED", "request rate limit exceeded for key"},
              Text{"WORKSPACE_RATE_LIMIT_EXCEEDED", "request rate limit exceeded for workspace"},
              Text{"ORG_RATE_LIMIT_EXCEEDED", "request rate limit exceeded for org"},
              Text{"MODEL_RATE_LIMIT_EXCEEDED", "request rate limit exceeded for model"}},
    BySubject{Text{"KEY_CONCURRENT_REQUESTS_EXCEEDED", "concurrent request limit exceeded for key"},
              Text{"WORKSPACE_CONCURRENT_REQUESTS_EXCEEDED", "concurrent request limit exceeded for workspace"},
              Text{"ORG_CONCURRENT_REQUESTS_EXCEEDED", "concurrent request limit exceeded for org"},
              Text{"MODEL_CONCURRENT_REQUESTS_EXCEEDED", "concurrent request limit exceeded for model"}}};

const Text& text_of(const Denial& d) {
  return kTexts[static_cast<std::size_t>(d.measure)][static_cast<std::size_t>(d.subject)];
}

}  // namespace

std::string_view Denial::code() const { return text_of(*this).code; }
std::string_view Denial::message() const { return text_of(*this).message; }

std::string Denial::body() const {
  std::string out = "{\"code\":\"";
  out.append(code()).append("\",\"error\":\"").append(message()).append("\"");
  if (retry_after_s > 0) out.append(",\"retry_after_seconds\":").append(std::to_string(retry_after_s));
  return out.append("}\n");
}

std::string_view to_string(Measure m) {
  constexpr std::array<std::string_view, kMeasures> kNames = {"tokens_per_minute",    "max_tokens_per_day",
                                                              "max_cost_usd_per_day", "max_cost_usd_per_month",
                                                              "requests_per_minute",  "concurrent_requests"};
  return kNames[static_cast<std::size_t>(m)];
}

std::string_view to_string(Subject s) {
  constexpr std::array<std::string_view, kSubjects> kNames = {"key", "workspace", "org", "model"};
  return kNames[static_cast<std::size_t>(s)];
}

}  // namespace gw::limits
