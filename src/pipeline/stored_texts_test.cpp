#include "pipeline/stored_texts.h"

#include <gtest/gtest.h>

#include <vector>

namespace gw::pipeline {
namespace {

constexpr std::string_view kSecret = "sk-proj-0123456789abcdef";
constexpr std::string_view kTaken = "[CREDENTIAL_REDACTED]";

TEST(StoredTexts, CredentialsLeaveEveryTextThatIsNoBody) {
  ExchangeRecord r;
  const std::vector<std::string_view*> texts = {&r.method,
                                                &r.path,
                                                &r.model,
                                                &r.response_model,
                                                &r.correlation_id,
                                                &r.session_id,
                                                &r.service_tier,
                                                &r.inference_geo,
                                                &r.service_tier_asked,
                                                &r.lineage.group_id,
                                                &r.lineage.run_id,
                                                &r.lineage.thread_id,
                                                &r.lineage.parent_checkpoint_id};
  for (std::string_view* text : texts) *text = kSecret;
  r.request_body = r.response_body = kSecret;  // the guard's
  std::vector<HeaderView> request = {{"X-A", kSecret}, {"X-B", "plain"}, {"X-C", "/?a=%73k-proj-0123456789abcdef"}};
  std::vector<HeaderView> response = {{"X-D", "password=hunter2 and more"}};
  StoredTexts stored;
  stored.scrub(r, false, request, response);
  for (const std::string_view* text : texts) EXPECT_EQ(*text, kTaken);
  EXPECT_EQ(r.request_body, kSecret);
  EXPECT_EQ(r.response_body, kSecret);
  EXPECT_EQ(request[0].value, kTaken);
  EXPECT_EQ(request[1].value, "plain");
  EXPECT_EQ(request[2].value, "/?a=[CREDENTIAL_REDACTED]");
  EXPECT_EQ(response[0].value, "[CREDENTIAL_REDACTED] and more");
}

TEST(StoredTexts, ACredentialThatANulKeepsApartIsOne) {
  ExchangeRecord r;
  constexpr std::string_view kApart("m sk-pr\0oj-0123456789abcdef", 27);
  r.model = r.response_model = kApart;
  StoredTexts stored;
  stored.scrub(r, false, {}, {});
  EXPECT_EQ(r.model, "m [CREDENTIAL_REDACTED]");
  EXPECT_EQ(r.response_model, "m [CREDENTIAL_REDACTED]");
}

TEST(StoredTexts, WhatHoldsNoneIsTheSameText) {
  ExchangeRecord r;
  r.path = "/openai/v1/chat/completions";
  r.lineage.thread_id = "thread-1=2@3%";
  const std::string_view path = r.path, thread = r.lineage.thread_id;
  std::vector<HeaderView> request = {{"User-Agent", "OpenAI/Python 1.2.3"}};
  const std::string_view agent = request[0].value;
  StoredTexts stored;
  stored.scrub(r, false, request, {});
  EXPECT_EQ(r.path.data(), path.data());
  EXPECT_EQ(r.lineage.thread_id.data(), thread.data());
  EXPECT_EQ(request[0].value.data(), agent.data());
}

TEST(StoredTexts, ATextThatDiffersFromTheOneBeforeInAnyByteIsSearched) {
  const std::string clean = "ok-proj-0123456789abcdef and more";
  StoredTexts stored;
  for (std::size_t i = 0; i < clean.size(); ++i) {
    const std::string other =
        i == 0 ? std::string(kSecret) + " and more" : clean.substr(0, i) + " " + clean.substr(i + 1);
    ASSERT_EQ(other.size(), clean.size());
    for (const std::string& text : {clean, clean, other, clean}) {
      ExchangeRecord r;
      std::vector<HeaderView> request = {{"A", text}}, response = {{"B", text}};
      stored.scrub(r, false, request, response);
      const std::string expected = i == 0 && text == other ? std::string(kTaken) + " and more" : text;
      EXPECT_EQ(request[0].value, expected) << i;
      EXPECT_EQ(response[0].value, expected) << i;
    }
  }
}

TEST(StoredTexts, LongTextsAndHeadersWithoutNumberAreSearchedEachTime) {
  StoredTexts stored;
  const std::string lengthy(400, 'a');
  for (const std::string_view last : {"plain text", "sk-proj-0123456789abcdef", "plain text"}) {
    ExchangeRecord r;
    const std::string text = lengthy + " " + std::string(last);
    std::vector<HeaderView> request(100, {"A", text}), response(100, {"B", last});
    stored.scrub(r, false, request, response);
    for (const HeaderView& h : request)
      EXPECT_EQ(h.value, last == kSecret ? lengthy + " " + std::string(kTaken) : text);
    for (const HeaderView& h : response) EXPECT_EQ(h.value, last == kSecret ? kTaken : last);
  }
}

}  // namespace
}  // namespace gw::pipeline
