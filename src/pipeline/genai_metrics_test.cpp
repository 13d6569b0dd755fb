#include "pipeline/genai_metrics.h"

#include <gtest/gtest.h>

namespace gw::pipeline {
namespace {

route::Route route_to(std::string name, std::string host) {
  route::Route r;
  r.name = std::move(name);
  r.upstream.host = std::move(host);
  r.upstream.port = 443;
  return r;
}

std::string operation(std::string_view path, std::string_view method = "POST") {
  ExchangeRecord r;
  r.method = method;
  r.path = path;
  const auto call = genai_call(r, route_to("openai", "h"));
  return call ? std::string(call->operation) + "/" + std::string(call->api) : "none";
}

TEST(GenAiCall, IsNamedByThePath) {
  EXPECT_EQ(operation("/openai/v1/chat/completions"), "chat/chat_completions");
  EXPECT_EQ(operation("/openai/v1/responses"), "chat/responses");
  EXPECT_EQ(operation("/anthropic/v1/messages"), "chat/");
  EXPECT_EQ(operation("/openai/v1/completions"), "text_completion/");
  EXPECT_EQ(operation("/openai/v1/embeddings"), "embeddings/");
  EXPECT_EQ(operation("/gemini/v1beta/models/g:streamGenerateContent"), "generate_content/");
}

TEST(GenAiCall, IsOnlyWhatAModelAnswers) {
  EXPECT_EQ(operation("/openai/v1/models"), "none");
  EXPECT_EQ(operation("/anthropic/v1/messages/count_tokens"), "none");
  EXPECT_EQ(operation("/openai/v1/chat/completions", "GET"), "none") << "a list of what was made before";
  EXPECT_EQ(operation("/openai/v1/responses", "GET"), "chat/responses") << "a WebSocket";
  EXPECT_EQ(operation("/openai/v1/responses", "DELETE"), "none");
}

TEST(GenAiCall, KnowsProvidersByTheirHostsAndCallsOthersByTheirRoute) {
  const auto provider = [](std::string host) {
    ExchangeRecord r;
    r.method = "POST";
    r.path = "/x/v1/responses";
    const route::Route route = route_to("mine", std::move(host));
    return std::string(genai_call(r, route)->provider);
  };
  EXPECT_EQ(provider("api.openai.com"), "openai");
  EXPECT_EQ(provider("team.openai.azure.com"), "azure.ai.openai");
  EXPECT_EQ(provider("bedrock-runtime.eu-west-1.amazonaws.com"), "aws.bedrock");
  EXPECT_EQ(provider("europe-west4-aiplatform.googleapis.com"), "gcp.vertex_ai");
  EXPECT_EQ(provider("llm.internal"), "mine");
}

TEST(GenAiError, IsTheStatusOrHowItEnded) {
  char digits[4];
  ExchangeRecord r;
  r.status = 200;
  EXPECT_EQ(genai_error(r, digits), "");
  r.outcome = Outcome::client_aborted;
  EXPECT_EQ(genai_error(r, digits), "client_aborted");
  r.status = 429;
  EXPECT_EQ(genai_error(r, digits), "429");
}

class GenAiMetricsTest : public testing::Test {
 protected:
  void count() {
    metrics_.exchange(0, {.operation = "chat", .api = "", .provider = "openai"}, record_, route_, nullptr);
  }
  /// The samples of a metric.
  std::vector<metrics::Sample> samples(std::string_view name) {
    metrics::Snapshot s;
    metrics_.append_to(s);
    for (metrics::Family& f : s.families)
      if (f.name == name) return std::move(f.samples);
    ADD_FAILURE() << "no " << name;
    return {};
  }
  static std::string label(const metrics::Sample& s, std::string_view name) {
    for (const metrics::Label& l : s.labels)
      if (l.name == name) return l.value;
    return "absent";
  }

  GenAiMetrics metrics_{{.workers = 1}};
  route::Route route_ = route_to("openai", "api.openai.com");
  ExchangeRecord record_;
};

TEST_F(GenAiMetricsTest, CountTokensByTypeAndTimes) {
  record_.status = 200;
  record_.model = "gpt-5";
  record_.response_model = "gpt-5-2025";
  record_.latency_us = 3'000'000;
  record_.time_to_first_token_us = 1'000'000;
  record_.usage.input_tokens = 100;
  record_.usage.output_tokens = 5;
  count();
  const auto tokens = samples("gen_ai.client.token.usage");
  ASSERT_EQ(tokens.size(), 2U);
  EXPECT_EQ(label(tokens[0], "gen_ai.token.type"), "input");
  EXPECT_EQ(tokens[0].histogram.sum, 100);
  EXPECT_EQ(label(tokens[1], "gen_ai.token.type"), "output");
  EXPECT_EQ(tokens[1].histogram.sum, 5);
  EXPECT_EQ(label(tokens[0], "gen_ai.request.model"), "gpt-5");
  EXPECT_EQ(label(tokens[0], "gen_ai.response.model"), "gpt-5-2025");
  EXPECT_EQ(label(tokens[0], "server.address"), "api.openai.com");
  EXPECT_EQ(label(tokens[0], "server.port"), "443");
  EXPECT_EQ(samples("gen_ai.client.operation.duration").at(0).histogram.sum, 3);
  EXPECT_EQ(label(samples("gen_ai.client.operation.duration").at(0), "error.type"), "absent");
  EXPECT_EQ(samples("gen_ai.server.request.duration").at(0).histogram.sum, 3);
  EXPECT_EQ(samples("gen_ai.server.time_to_first_token").at(0).histogram.sum, 1);
  EXPECT_EQ(samples("gen_ai.client.operation.time_to_first_chunk").at(0).histogram.sum, 1);
  EXPECT_EQ(samples("gen_ai.server.time_per_output_token").at(0).histogram.sum, 0.5) << "four tokens in two seconds";
}

TEST_F(GenAiMetricsTest, TokensOfAnswersThatBrokeOffAreInTheSameSeries) {
  record_.status = 200;
  record_.usage.output_tokens = 5;
  count();
  record_.outcome = Outcome::client_aborted;
  count();
  const auto tokens = samples("gen_ai.client.token.usage");
  ASSERT_EQ(tokens.size(), 1U) << "two of the same labels would be a page that no scraper takes";
  EXPECT_EQ(tokens[0].histogram.sum, 10);
  EXPECT_EQ(tokens[0].histogram.count(), 2U);
  EXPECT_EQ(samples("gen_ai.client.operation.duration").size(), 2U);
}

TEST_F(GenAiMetricsTest, FailuresAreToldByTheirTypeAndHaveNoTokens) {
  record_.status = 502;
  record_.latency_us = 10'000;
  count();
  EXPECT_EQ(label(samples("gen_ai.client.operation.duration").at(0), "error.type"), "502");
  EXPECT_EQ(label(samples("gen_ai.client.operation.duration").at(0), "gen_ai.request.model"), "absent");
  EXPECT_TRUE(samples("gen_ai.client.token.usage").empty());
  EXPECT_TRUE(samples("gen_ai.server.time_to_first_token").empty());
}

}  // namespace
}  // namespace gw::pipeline
