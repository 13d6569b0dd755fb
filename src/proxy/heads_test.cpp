#include "proxy/heads.h"

#include <gtest/gtest.h>

namespace gw::proxy {
namespace {

/// The head for the provider of a request with these header lines.
std::string upstream_head(std::string_view fields, const AddedFields& added, const AddedFields* credential = nullptr,
                          std::string_view traceparent = {}, bool keep_tracestate = true, bool guarded = false) {
  const auto table = route::RouteTable::build({{"groq", "/groq", "http://up.test/base"}});
  EXPECT_TRUE(table);
  route::Target target;
  EXPECT_EQ(target.parse("/groq/v1/x"), route::TargetFault::none);
  const std::string text = "POST /groq/v1/x HTTP/1.1\r\nHost: gw\r\n" + std::string(fields) + "\r\n";
  http::RequestHead head;
  http::ParseError error;
  EXPECT_EQ(http::parse_request(text, head, error), http::ParseStatus::complete) << error.reason;
  std::string out;
  append_upstream_head(out, {.head = head,
                             .route = table->routes()[0],
                             .target = target,
                             .client_ip = "1.2.3.4",
                             .correlation_id = "c-1",
                             .gateway_key_header = "X-Key",
                             .proxy_authorization = {},
                             .absolute_form = false,
                             .added = added,
                             .credential = credential,
                             .traceparent = traceparent,
                             .keep_tracestate = keep_tracestate,
                             .plain_answer = guarded,
                             .whole_answer = guarded,
                             .body_replaced = false,
                             .body_changed = guarded});
  return out;
}

TEST(UpstreamHead, CarriesOurTraceContextInThePlaceOfTheClients) {
  const std::string fields = "TraceParent: theirs\r\ntracestate: a=1\r\nTRACEPARENT: again\r\ntracestate: b=2\r\n";
  const auto head = [](const std::string& lines, const std::string& ours) {
    return "POST /base/v1/x HTTP/1.1\r\nHost: up.test\r\n" + lines +
           "X-Forwarded-For: 1.2.3.4\r\nX-Ongoingai-Correlation-Id: c-1\r\n" + ours + "\r\n";
  };
  EXPECT_EQ(upstream_head(fields, {}), head(fields, "")) << "without ours they pass as they came";
  EXPECT_EQ(upstream_head(fields, {}, nullptr, "ours"),
            head("tracestate: a=1\r\ntracestate: b=2\r\n", "traceparent: ours\r\n"));
  EXPECT_EQ(upstream_head(fields, {}, nullptr, "ours", false), head("", "traceparent: ours\r\n"));
}

TEST(UpstreamHead, CarriesAddedFieldsInThePlaceOfTheClientsOfTheSameName) {
  AddedFields added;
  added.add("Authorization", "Bearer ours");
  added.add("X-Team", "blue");
  EXPECT_EQ(upstream_head("AUTHORIZATION: Bearer theirs\r\nx-team: red\r\nX-Team: green\r\nX-Teams: kept\r\n", added),
            "POST /base/v1/x HTTP/1.1\r\nHost: up.test\r\nX-Teams: kept\r\nAuthorization: Bearer ours\r\nX-Team: "
            "blue\r\nX-Forwarded-For: 1.2.3.4\r\nX-Ongoingai-Correlation-Id: c-1\r\n\r\n");
}

TEST(UpstreamHead, CarriesAHeldCredentialInThePlaceOfEveryHeaderThatMayHoldOne) {
  AddedFields added, credential;
  added.add("X-Team", "blue");
  credential.hide("Authorization");
  credential.hide("X-API-Key");
  credential.add_line("X-API-Key: ours\r\n");
  EXPECT_EQ(upstream_head("Connection: x-api-key\r\nauthorization: Bearer\r\nX-Key: gateway\r\nX-Api-Key: gateway\r\n",
                          added, &credential),
            "POST /base/v1/x HTTP/1.1\r\nHost: up.test\r\nX-Team: blue\r\nX-API-Key: ours\r\nX-Forwarded-For: "
            "1.2.3.4\r\nX-Ongoingai-Correlation-Id: c-1\r\n\r\n");
}

TEST(UpstreamHead, KeepsAddedFieldsThatTheClientsConnectionFieldNames) {
  AddedFields added;
  added.add("X-Team", "blue");
  const std::string out = upstream_head("Connection: x-team, x-own\r\nX-Own: 1\r\n", added);
  EXPECT_NE(out.find("X-Team: blue\r\n"), std::string::npos) << out;
  EXPECT_EQ(out.find("X-Own"), std::string::npos) << out;
}

TEST(UpstreamHead, LeavesOutWhatDoesNotHoldForAGuardedRequest) {
  const std::string fields =
      "Accept-Encoding: gzip\r\nRANGE: bytes=0-1\r\nIf-Range: x\r\nContent-MD5: x\r\nDigest: x\r\ncontent-digest: x\r\n"
      "Repr-Digest: x\r\n";
  const std::string out = upstream_head(fields + "X-Team: red\r\n", {}, nullptr, {}, true, true);
  EXPECT_NE(out.find("Host: up.test\r\nX-Team: red\r\nX-Forwarded-For"), std::string::npos) << out;
  EXPECT_NE(upstream_head(fields, {}).find(fields), std::string::npos);
}

TEST(UpstreamHead, WithoutAddedFieldsIsTheClients) {
  const std::string out = upstream_head("Authorization: Bearer theirs\r\nX-Team: red\r\nX-Key: gateway\r\n", {});
  EXPECT_NE(out.find("Authorization: Bearer theirs\r\nX-Team: red\r\nX-Forwarded-For"), std::string::npos) << out;
}

TEST(UpstreamHead, SendsFieldsOnInOrderAndInOneSpellingWhereverOthersAreLeftOutBetween) {
  const std::string lines[] = {"A: 1\r\n", "Keep-Alive: x\r\n", "B:2\r\n", "C:  3\r\n", "D: 4 \r\n", "X-Key: k\r\n",
                               "E:\r\n",   "F: a: b  c\r\n",    "G: \r\n", "TE: x\r\n"};
  const std::string sent[] = {"A: 1\r\n", "",        "B: 2\r\n",       "C: 3\r\n", "D: 4\r\n",
                              "",         "E: \r\n", "F: a: b  c\r\n", "G: \r\n",  ""};
  constexpr std::size_t kLines = std::size(lines);
  for (unsigned chosen = 0; chosen < 1U << kLines; ++chosen) {
    std::string in, out;
    for (std::size_t i = 0; i < kLines; ++i) {
      if ((chosen >> i & 1) == 0) continue;
      in += lines[i];
      out += sent[i];
    }
    ASSERT_EQ(upstream_head(in, {}), "POST /base/v1/x HTTP/1.1\r\nHost: up.test\r\n" + out +
                                         "X-Forwarded-For: 1.2.3.4\r\nX-Ongoingai-Correlation-Id: c-1\r\n\r\n")
        << in;
  }
}

TEST(ClientHead, SaysWhatIsLeftOfRatesWhereTheProviderDoesNot) {
  const auto head_of = [](const std::string& fields) {
    http::ResponseHead head;
    http::ParseError error;
    const std::string text = "HTTP/1.1 200 OK\r\nDate: now\r\n" + fields + "Content-Length: 0\r\n\r\n";
    EXPECT_EQ(http::parse_response(text, false, head, error), http::ParseStatus::complete) << error.reason;
    std::string out;
    append_client_head(out, {.head = head,
                             .framing = ClientFraming::length,
                             .correlation_id = "c-1",
                             .trace_id = "t",
                             .rate_limit_lines = "x-ratelimit-limit-requests: 5\r\n"});
    return out;
  };
  const std::string ours = "x-ratelimit-limit-requests: 5\r\n";
  EXPECT_NE(head_of("").find(ours), std::string::npos);
  const std::string theirs = head_of("X-RateLimit-Remaining-Tokens: 9\r\n");
  EXPECT_EQ(theirs.find(ours), std::string::npos) << theirs;
  EXPECT_NE(theirs.find("X-RateLimit-Remaining-Tokens: 9\r\n"), std::string::npos) << theirs;
}

}  // namespace
}  // namespace gw::proxy
