#pragma once
// Records for the tests and benchmarks of this folder. Owns what an ExchangeRecord only views.
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "model/exchange_record.h"

namespace gw::trace {

/// A chat completion as the OpenAI SDK sends it: 15 request headers, 12 response headers, about 1.2 KB, no bodies.
class TestRecord {
 public:
  explicit TestRecord(std::uint64_t number = 1)
      : correlation_(std::string("5f2c9ab0d1e34f7788990a1b2c3d") + std::to_string(1000 + number % 9000)) {
    request_ = {{"Host", "127.0.0.1:8080"},
                {"Accept", "application/json"},
                {"Content-Type", "application/json"},
                {"User-Agent", "OpenAI/JS 7.57.0"},
                {"X-Stainless-Lang", "js"},
                {"X-Stainless-Package-Version", "7.57.0"},
                {"X-Stainless-OS", "Linux"},
                {"X-Stainless-Arch", "x64"},
                {"X-Stainless-Runtime", "node"},
                {"X-Stainless-Runtime-Version", "v20.20.2"},
                {"X-Stainless-Retry-Count", "0"},
                {"Authorization", "[REDACTED]"},
                {"Accept-Encoding", "gzip, deflate"},
                {"Content-Length", "171"},
                {"X-Ongoingai-Correlation-Id", correlation_}};
    response_ = {{"Content-Type", "application/json"},      {"Content-Length", "512"},
                 {"Date", "Mon, 23 Nov 2026 10:00:00 GMT"}, {"Server", "nginx"},
                 {"openai-organization", "acme"},           {"openai-processing-ms", "321"},
                 {"openai-version", "2020-10-01"},          {"x-request-id", "req_0123456789abcdef0123456789abcdef"},
                 {"x-ratelimit-limit-requests", "10000"},   {"x-ratelimit-remaining-requests", "9999"},
                 {"x-ratelimit-reset-requests", "6ms"},     {"Connection", "keep-alive"}};
    std::memcpy(record.id.data(), &number, sizeof number);
    record.started_at_ns = 1'790'000'000'000'000'000 + static_cast<std::int64_t>(number);
    record.ended_at_ns = record.started_at_ns + 321'000'000;
    record.latency_us = 321'000;
    record.status = 200;
    record.provider = "openai";
    record.model = "gpt-4o-mini";
    record.method = "POST";
    record.path = "/openai/v1/chat/completions";
    record.correlation_id = correlation_;
    record.api_key_hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    record.api_key_last4 = "cdef";
    record.usage = {.input_tokens = 120, .output_tokens = 45, .total_tokens = 165, .seen = true};
    record.cost = {
        .nano_usd = 45'000, .computed_nano_usd = 45'000, .source = CostSource::computed, .cache_saved_nano_usd = 0};
    record.price_version = "builtin-1";
    record.redaction_mode = "off";
    record.redaction_policy_id = "default/v1";
    counts_ = {{"header", 1}};
    refresh();
  }
  TestRecord(const TestRecord&) = delete;
  TestRecord& operator=(const TestRecord&) = delete;

  void request_body(std::string body) {
    request_body_ = std::move(body);
    refresh();
  }
  void response_body(std::string body) {
    response_body_ = std::move(body);
    refresh();
  }
  std::vector<HeaderView>& request_headers() { return request_; }
  std::vector<HeaderView>& response_headers() { return response_; }
  std::vector<RedactionCount>& redaction_counts() { return counts_; }
  /// After a change to the vectors.
  void refresh() {
    record.request_headers = request_;
    record.response_headers = response_;
    record.redaction_counts = counts_;
    record.request_body = request_body_;
    record.response_body = response_body_;
  }

  ExchangeRecord record;

 private:
  std::string correlation_;
  std::string request_body_, response_body_;
  std::vector<HeaderView> request_, response_;
  std::vector<RedactionCount> counts_;
};

}  // namespace gw::trace
