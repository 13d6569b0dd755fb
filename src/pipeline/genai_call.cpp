#include "pipeline/genai_call.h"

#include <algorithm>
#include <array>

namespace gw::pipeline {
namespace {

struct Ending {
  std::string_view path, operation, api;
};

// Of the path; a longer ending comes before one that it ends with.
constexpr std::array<Ending, 9> kEndings{{{"/chat/completions", "chat", "chat_completions"},
                                          {"/responses", "chat", "responses"},
                                          {"/messages", "chat", ""},
                                          {"/completions", "text_completion", ""},
                                          {"/complete", "text_completion", ""},
                                          {"/embeddings", "embeddings", ""},
                                          {":generateContent", "generate_content", ""},
                                          {":streamGenerateContent", "generate_content", ""},
                                          {"/converse", "chat", ""}}};

struct Known {
  std::string_view host, provider;
};

// Endings of hosts that have a name in the conventions.
constexpr std::array<Known, 16> kProviders{{{"api.openai.com", "openai"},
                                            {"api.anthropic.com", "anthropic"},
                                            {".openai.azure.com", "azure.ai.openai"},
                                            {".cognitiveservices.azure.com", "azure.ai.openai"},
                                            {".services.ai.azure.com", "azure.ai.inference"},
                                            {".models.ai.azure.com", "azure.ai.inference"},
                                            {".amazonaws.com", "aws.bedrock"},
                                            {"generativelanguage.googleapis.com", "gcp.gemini"},
                                            {"aiplatform.googleapis.com", "gcp.vertex_ai"},
                                            {"api.mistral.ai", "mistral_ai"},
                                            {"api.x.ai", "x_ai"},
                                            {"api.deepseek.com", "deepseek"},
                                            {"api.groq.com", "groq"},
                                            {"api.cohere.com", "cohere"},
                                            {"api.cohere.ai", "cohere"},
                                            {"api.perplexity.ai", "perplexity"}}};

std::string_view provider_of(const route::Route& route) {
  for (const Known& known : kProviders)
    if (std::string_view(route.upstream.host).ends_with(known.host)) return known.provider;
  return route.name;
}

}  // namespace

std::optional<GenAiCall> genai_call(const ExchangeRecord& r, const route::Route& route) {
  if (r.method != "POST" && r.method != "GET") return std::nullopt;
  for (const Ending& e : kEndings) {
    if (!r.path.ends_with(e.path)) continue;
    // A WebSocket begins with GET and asks with its messages; any other GET reads what was made before.
    if (r.method == "GET" && e.api != "responses") return std::nullopt;
    return GenAiCall{.operation = e.operation, .api = e.api, .provider = provider_of(route)};
  }
  return std::nullopt;
}

std::string_view genai_error(const ExchangeRecord& r, char (&digits)[4]) {
  if (r.status >= 400 && r.status <= 999) {
    digits[0] = static_cast<char>('0' + r.status / 100);
    digits[1] = static_cast<char>('0' + r.status / 10 % 10);
    digits[2] = static_cast<char>('0' + r.status % 10);
    return {digits, 3};
  }
  return r.outcome == Outcome::complete ? std::string_view() : std::string_view(to_string(r.outcome));
}

}  // namespace gw::pipeline
