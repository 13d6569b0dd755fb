#include "pipeline/local_answer.h"

#include "base/json_writer.h"
#include "http/reason.h"
#include "proxy/heads.h"

namespace gw::pipeline {

LocalAnswer LocalAnswer::error(int status, std::string_view message) {
  LocalAnswer a;
  a.status = status;
  a.headers.emplace_back("Content-Type", "application/json");
  JsonWriter(a.body).begin_object().field("error", message).end_object();
  a.body += '\n';
  return a;
}

LocalAnswer LocalAnswer::malformed(int status, std::string_view message) {
  LocalAnswer a = error(status, message);
  a.close = true;
  return a;
}

void add_cors(LocalAnswer& answer, const std::string& allow_headers) {
  answer.headers.emplace_back("Access-Control-Allow-Origin", "*");
  answer.headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS");
  answer.headers.emplace_back("Access-Control-Allow-Headers", allow_headers);
}

void append_answer(std::string& out, const AnswerHeadInput& in) {
  const LocalAnswer& a = in.answer;
  out.append("HTTP/1.1 ")
      .append(std::to_string(a.status))
      .append(" ")
      .append(http::reason_phrase(a.status))
      .append("\r\n");
  for (const auto& [name, value] : a.headers) out.append(name).append(": ").append(value).append("\r\n");
  out.append(a.header_lines);
  out.append(proxy::kCorrelationHeader).append(": ").append(in.correlation_id).append("\r\n");
  proxy::append_date(out);
  if (!in.trace_id.empty()) out.append(proxy::kTraceIdHeader).append(": ").append(in.trace_id).append("\r\n");
  const bool has_body = a.status != 204 && a.status != 304;
  if (in.framing == AnswerFraming::chunked)
    out.append("Transfer-Encoding: chunked\r\n");
  else if (in.framing == AnswerFraming::length && has_body)
    out.append("Content-Length: ").append(std::to_string(a.body.size())).append("\r\n");
  if (!in.keep_alive)
    out.append("Connection: close\r\n");
  else if (in.client_minor == 0)
    out.append("Connection: keep-alive\r\n");
  out.append("\r\n");
  if (!in.head_request && has_body) out.append(a.body);
}

}  // namespace gw::pipeline
