#include "app/demo_provider.h"

#include <cstdio>
#include <optional>

#include "base/clock.h"
#include "base/strings.h"

namespace gw::app {
namespace {

std::string request_id(std::uint64_t number) { return "req_simulated_" + std::to_string(number); }

std::string head(int status, std::string_view reason, DemoApi api, std::uint64_t number,
                 std::string_view content_type) {
  std::string out = "HTTP/1.1 " + std::to_string(status) + " " + std::string(reason) + "\r\n";
  out += "Content-Type: " + std::string(content_type) + "\r\nX-Simulated-Provider: true\r\n";
  if (api == DemoApi::openai)
    out += "x-request-id: " + request_id(number) + "\r\nopenai-version: 2020-10-01\r\n";
  else
    out += "request-id: " + request_id(number) + "\r\n";
  return out;
}

std::string with_body(std::string out, std::string_view body) {
  out += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  return out.append(body);
}

std::string chunk(std::string_view data) {
  char size[20];
  std::snprintf(size, sizeof size, "%zx\r\n", data.size());
  return std::string(size).append(data) + "\r\n";
}

/// Both ways of both APIs: `Authorization: Bearer …` and `x-api-key: …`.
std::string_view key_of(const HttpRequest& request) {
  const std::string_view authorization = trim(header(request.headers, "authorization"));
  constexpr std::string_view kBearer = "bearer ";
  if (authorization.size() > kBearer.size() && iequals(authorization.substr(0, kBearer.size()), kBearer))
    return trim(authorization.substr(kBearer.size()));
  return trim(header(request.headers, "x-api-key"));
}

DemoRefusal bad_request(std::string message) {
  return {.status = 400,
          .reason = "Bad Request",
          .openai_type = "invalid_request_error",
          .openai_code = {},
          .anthropic_type = "invalid_request_error",
          .message = std::move(message)};
}

std::optional<DemoRefusal> refusal_for(std::string_view key) {
  if (key.empty() || key == DemoProvider::kRevokedKey)
    return DemoRefusal{.status = 401,
                       .reason = "Unauthorized",
                       .openai_type = "invalid_request_error",
                       .openai_code = "invalid_api_key",
                       .anthropic_type = "authentication_error",
                       .message = key.empty() ? "No API key provided (simulated provider: any will do)."
                                              : "Incorrect API key provided (simulated)."};
  if (key == DemoProvider::kRateLimitedKey)
    return DemoRefusal{.status = 429,
                       .reason = "Too Many Requests",
                       .openai_type = "requests",
                       .openai_code = "rate_limit_exceeded",
                       .anthropic_type = "rate_limit_error",
                       .message = "Rate limit reached (simulated). Please try again in 2s.",
                       .retry_after_s = 2};
  if (key == DemoProvider::kOutageKey)
    return DemoRefusal{.status = 500,
                       .reason = "Internal Server Error",
                       .openai_type = "server_error",
                       .openai_code = {},
                       .anthropic_type = "api_error",
                       .message = "The server had an error (simulated)."};
  return std::nullopt;
}

}  // namespace

bool DemoProvider::refuse(DemoApi api, const DemoRefusal& r, std::uint64_t number, Wire& wire) {
  std::string out = head(r.status, r.reason, api, number, "application/json");
  if (r.retry_after_s > 0) out += "Retry-After: " + std::to_string(r.retry_after_s) + "\r\n";
  return wire.send(with_body(std::move(out), refusal_body(api, r, number)));
}

bool DemoProvider::stream(const Answer& answer, std::uint64_t number, Wire& wire) {
  std::string out = head(200, "OK", answer.api, number, "text/event-stream; charset=utf-8");
  out += "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";
  if (!server_.pause(pace_.first_token) || !wire.send(out)) return false;
  bool first = true;
  for (const StreamEvent& e : stream_answer(answer)) {
    if (e.token && !std::exchange(first, false) && !server_.pause(pace_.token)) return false;
    if (!wire.send(chunk(e.text))) return false;
  }
  return wire.send("0\r\n\r\n");
}

bool DemoProvider::answer(const HttpRequest& request, Wire& wire) {
  const std::uint64_t number = next_number_.fetch_add(1);
  const std::string_view path = std::string_view(request.target).substr(0, request.target.find('?'));
  const bool messages = path == "/v1/messages";
  const DemoApi api = messages ? DemoApi::anthropic : DemoApi::openai;
  if (!messages && path != "/v1/chat/completions")
    return refuse(api,
                  {.status = 404,
                   .reason = "Not Found",
                   .openai_type = "invalid_request_error",
                   .openai_code = "unknown_url",
                   .anthropic_type = "not_found_error",
                   .message = "The simulated provider knows POST /v1/chat/completions and POST /v1/messages only."},
                  number, wire);
  if (request.method != "POST") {
    DemoRefusal r = bad_request("The simulated provider answers POST only.");
    r.status = 405;
    r.reason = "Method Not Allowed";
    if (request.method == "HEAD")
      return wire.send(with_body(head(r.status, r.reason, api, number, "application/json"), {}));
    return refuse(api, r, number, wire);
  }
  if (const auto refusal = refusal_for(key_of(request))) return refuse(api, *refusal, number, wire);
  const Result<Question> question = read_question(request.body);
  if (!question) return refuse(api, bad_request(question.error().message), number, wire);

  const Answer answer = make_answer(api, *question, number, wall_now_ns() / 1'000'000'000);
  if (question->stream) return stream(answer, number, wire);
  if (!server_.pause(pace_.first_token + pace_.token * static_cast<int>(answer.tokens.size()) / 2)) return false;
  return wire.send(with_body(head(200, "OK", api, number, "application/json"), plain_answer(answer)));
}

}  // namespace gw::app
