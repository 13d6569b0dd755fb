#include "provider/session.h"

#include <gtest/gtest.h>

#include "provider/request_reader.h"

namespace gw::provider {
namespace {

std::string session(const HeaderSession& head, std::string_view body) {
  std::string out = "left over";
  RequestReader r;
  r.push(body);
  session_of(head, r.session(), out);
  return out;
}
std::string session(std::string_view body) { return session({}, body); }

TEST(Session, TheFirstOfTheOrderWins) {
  HeaderSession head{.thread = "thread", .claude_code = "claude", .codex = "codex"};
  const char* body =
      R"({"user":"user","metadata":{"user_id":"user_a_account_b_session_anthropic","session_id":"meta"}})";
  EXPECT_EQ(session(head, body), "thread");
  head.thread = " ";
  EXPECT_EQ(session(head, body), "claude");
  head.claude_code = {};
  EXPECT_EQ(session(head, body), "codex");
  EXPECT_EQ(session(body), "meta");
  EXPECT_EQ(session(R"({"user":"user","metadata":{"user_id":"u"}})"), "user");
  EXPECT_EQ(session(R"({"prompt_cache_key":"key","safety_identifier":"safe"})"), "safe");
  EXPECT_EQ(session(R"({"prompt_cache_key":"key"})"), "key");
  EXPECT_EQ(session(R"({"metadata":{"user_id":"user_a_account_b_session_anthropic"}})"), "anthropic");
  EXPECT_EQ(session("{}"), "");
}

TEST(Session, OfAUserIdTheSessionInItIsTaken) {
  EXPECT_EQ(session(R"({"metadata":{"user_id":"{\"device_id\":\"d\",\"account_uuid\":\"\",\"session_id\":\"s-1\"}"}})"),
            "s-1");
  EXPECT_EQ(session(R"({"metadata":{"user_id":"{\"session_id\" : \"s-2\" }"}})"), "s-2");
  for (const char* id : {"plain", "user_x_session_", "{no json", "{'session_id':1}"})
    EXPECT_EQ(session(std::string(R"({"metadata":{"user_id":")") + id + "\"}}"), id);
  const std::string long_id = "user_" + std::string(300, 'a') + "_account__session_tail";
  EXPECT_EQ(session(R"({"metadata":{"user_id":")" + long_id + "\"}}"), "tail");
}

TEST(Session, KeysOfMetadataHaveAnOrderOfTheirOwn) {
  EXPECT_EQ(session(R"({"metadata":{"session_id":"a","conversation_id":"b"}})"), "a");
  EXPECT_EQ(session(R"({"metadata":{"conversation_id":"b","session_id":"a"}})"), "a");
  EXPECT_EQ(session(R"({"metadata":{"thread_id":"t","sessionId":"c"}})"), "c");
  EXPECT_EQ(session(R"({"metadata":{"session_id":" ","chat_id":"t"}})"), "t");
  EXPECT_EQ(session(R"({"metadata":{"topic":"x"},"messages":[{"user":"no"}]})"), "");
}

TEST(Session, TheTextIsBoundedAndStorable) {
  EXPECT_EQ(session({.codex = std::string(300, 'x')}, ""), std::string(256, 'x'));
  EXPECT_EQ(session({.codex = std::string("a\xff\0b", 4)}, ""),
            "a\xef\xbf\xbd"
            "b");
  std::string wide(255, 'x');
  wide += "\xe2\x82\xac";
  EXPECT_EQ(session({.codex = wide}, ""), std::string(255, 'x'));
}

TEST(Session, ABrokenBodyNamesNone) {
  EXPECT_EQ(session(R"({"user":"u")"), "");
  EXPECT_EQ(session(R"([{"user":"u"}])"), "");
}

}  // namespace
}  // namespace gw::provider
