#include "telemetry/otlp_logs.h"

#include <gtest/gtest.h>

#include "telemetry/log_queue.h"
#include "telemetry/otlp_answer.h"
#include "telemetry/otlp_json.h"
#include "telemetry/otlp_test_read.h"
#include "telemetry/scrub.h"

namespace gw::telemetry::otlp {
namespace {

constexpr std::string_view kAccess =
    R"({"time":"2026-02-12T03:00:01.5+01:00","level":"INFO","msg":"request complete","correlation_id":"c-1",)"
    R"("method":"GET","path":"/api/\u00e4","status":200,"latency_ms":12,)"
    R"("trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7"})";

LogEncoder encoder() { return {{{"service.name", "s"}}, scrub, 64}; }
std::string json_of(LogEncoder& e) { return to_json(Signal::logs, taken(e)); }
std::string json_of(std::string_view line) {
  LogEncoder e = encoder();
  e.add(line);
  return json_of(e);
}
const std::string kRecord = "/resourceLogs/0/scopeLogs/0/logRecords/0";

std::string attribute(const std::string& json, const std::string& key, const std::string& type) {
  for (int i = 0; i < 50; ++i) {
    const std::string base = kRecord + "/attributes/" + std::to_string(i);
    const std::string name = at(json, base + "/key");
    if (name == key) return at(json, base + "/value" + type);
  }
  return "no attribute";
}

TEST(OtlpLogs, ALineIsARecordWithItsTimeSeverityMessageAndContext) {
  const std::string json = json_of(kAccess);
  EXPECT_EQ(at(json, "/resourceLogs/0/resource/attributes/0/value/stringValue"), "s");
  EXPECT_EQ(at(json, "/resourceLogs/0/scopeLogs/0/scope/name"), "ongoingai.gateway");
  EXPECT_EQ(at(json, kRecord + "/timeUnixNano"), "1770861601500000000");
  EXPECT_EQ(at(json, kRecord + "/observedTimeUnixNano"), "1770861601500000000");
  EXPECT_EQ(at(json, kRecord + "/severityNumber"), "9");
  EXPECT_EQ(at(json, kRecord + "/severityText"), "INFO");
  EXPECT_EQ(at(json, kRecord + "/body/stringValue"), "request complete");
  EXPECT_EQ(at(json, kRecord + "/traceId"), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(at(json, kRecord + "/spanId"), "00f067aa0ba902b7");
  EXPECT_EQ(at(json, kRecord + "/flags"), "1");
}

TEST(OtlpLogs, FieldsAreAttributesOfTheirTypes) {
  const std::string json = json_of(
      R"({"time":"2026-02-12T02:00:01Z","level":"ERROR","msg":"m","text":"ä","int":-3,"most":9223372036854775808,)"
      R"("real":0.25,"yes":true,"list":["a","b"],"object":{"email":2,"deep":[1]},"none":null})");
  EXPECT_EQ(at(json, kRecord + "/severityNumber"), "17");
  EXPECT_EQ(attribute(json, "text", "/stringValue"), "ä");
  EXPECT_EQ(attribute(json, "int", "/intValue"), "-3");
  EXPECT_EQ(attribute(json, "most", "/doubleValue"), "9223372036854775808");
  EXPECT_EQ(attribute(json, "real", "/doubleValue"), "0.25");
  EXPECT_EQ(attribute(json, "yes", "/boolValue"), "true");
  EXPECT_EQ(attribute(json, "list", "/arrayValue/values/1/stringValue"), "b");
  EXPECT_EQ(attribute(json, "object", "/kvlistValue/values/0/key"), "email");
  EXPECT_EQ(attribute(json, "object", "/kvlistValue/values/0/value/intValue"), "2");
  EXPECT_EQ(attribute(json, "object", "/kvlistValue/values/1/value/arrayValue/values/0/intValue"), "1");
  EXPECT_EQ(attribute(json, "none", ""), "absent");
  for (const std::string own : {"time", "level", "msg"}) EXPECT_EQ(attribute(json, own, ""), "no attribute") << own;
  EXPECT_EQ(at(json, kRecord + "/traceId"), "absent");
  EXPECT_EQ(at(json, kRecord + "/flags"), "absent");
}

TEST(OtlpLogs, TextsAreScrubbedAndCut) {
  const std::string json =
      json_of(R"({"time":"2026-02-12T02:00:01Z","level":"WARN","msg":"Bearer abcdefgh12345678","a":"password=geheim1",)"
              R"("b":["secret=geheim2"],"c":{"d":"token=geheim3"},"long":")" +
              std::string(100, 'x') + R"("})");
  EXPECT_EQ(json.find("geheim"), std::string::npos) << json;
  EXPECT_EQ(json.find("abcdefgh"), std::string::npos) << json;
  EXPECT_EQ(attribute(json, "long", "/stringValue"), std::string(64, 'x'));
}

TEST(OtlpLogs, IdsThatAreNoneStayAttributes) {
  const std::string json =
      json_of(R"({"time":"2026-02-12T02:00:01Z","level":"INFO","msg":"m","trace_id":"chosen","span_id":5})");
  EXPECT_EQ(attribute(json, "trace_id", "/stringValue"), "chosen");
  EXPECT_EQ(attribute(json, "span_id", "/intValue"), "5");
  EXPECT_EQ(at(json, kRecord + "/traceId"), "absent");
}

TEST(OtlpLogs, WhatIsNoLineIsLeftOut) {
  LogEncoder e = encoder();
  for (const std::string_view line : {"", "{", "[]", "{}", R"({"time":"yesterday","level":"INFO","msg":"m"})"})
    e.add(line);
  EXPECT_EQ(e.records(), 0U);
  EXPECT_EQ(taken(e), "");
  e.add(kAccess);
  e.add(kAccess);
  EXPECT_EQ(e.records(), 2U);
  const std::string json = json_of(e);
  EXPECT_NE(at(json, "/resourceLogs/0/scopeLogs/0/logRecords/1"), "absent");
  EXPECT_EQ(e.records(), 0U);
}

TEST(OtlpLogs, NestingEndsSomewhere) {
  const std::string deep = std::string(500, '[') + std::string(500, ']');
  const std::string json = json_of(R"({"time":"2026-02-12T02:00:01Z","level":"INFO","msg":"m","a":)" + deep + "}");
  EXPECT_EQ(at(json, kRecord + "/body/stringValue"), "m");
  EXPECT_LT(json.size(), 2'000U);
}

TEST(ExportedLines, AreAccessAuditWarningsAndErrors) {
  EXPECT_TRUE(is_exported_line(kAccess));
  const auto line = [](const std::string& level, const std::string& rest) {
    return R"({"time":"2026-02-12T02:00:01Z","level":")" + level + R"(","msg":)" + rest + "}";
  };
  EXPECT_TRUE(is_exported_line(line("WARN", R"("m")")));
  EXPECT_TRUE(is_exported_line(line("ERROR", R"("m")")));
  EXPECT_TRUE(is_exported_line(line("INFO", R"("audit x","correlation_id":"c","audit_action":"create")")));
  EXPECT_FALSE(is_exported_line(line("INFO", R"("startup banner")")));
  EXPECT_FALSE(is_exported_line(line("DEBUG", R"("request complete")")));
  EXPECT_FALSE(is_exported_line(line("INFO", R"("m","path":"\",\"audit_action\":\"x")"))) << "a client's words";
  EXPECT_FALSE(is_exported_line(line("INFO", R"("m","path":"\",\"level\":\"WARN\"")")));
  EXPECT_FALSE(is_exported_line(""));
}

TEST(LogQueue, TakesWholeLinesAndCountsThoseWithoutRoom) {
  int woken = 0;
  LogQueue queue(4'096, 1'024, [&] { ++woken; });
  const std::string line(kAccess);
  queue.take(line + "\n{\"level\":\"INFO\"}\n" + line + "\n");
  EXPECT_EQ(queue.ring().front(), kAccess);
  queue.ring().pop();
  EXPECT_EQ(queue.ring().front(), kAccess);
  queue.ring().pop();
  EXPECT_EQ(queue.ring().front().data(), nullptr);
  EXPECT_EQ(woken, 0);
  for (int i = 0; i < 100; ++i) queue.take(line + "\n");
  EXPECT_GT(queue.dropped(), 50U);
  EXPECT_LE(queue.queued_bytes(), queue.ring().capacity());
  EXPECT_GT(woken, 0);
  std::uint64_t taken = 0;
  for (; queue.ring().front().data() != nullptr; queue.ring().pop()) ++taken;
  EXPECT_EQ(taken + queue.dropped(), 100U);
}

TEST(OtlpAnswer, SaysWhatWasRejectedInEitherProtocol) {
  const auto rejected = [](Signal signal, std::string_view json) { return read_rejected(signal, true, json).items; };
  EXPECT_EQ(rejected(Signal::traces, R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"full"}})"), 3U);
  EXPECT_EQ(read_rejected(Signal::traces, true, R"({"partialSuccess":{"errorMessage":"full"}})").why, "full");
  EXPECT_EQ(rejected(Signal::metrics, R"({"partialSuccess":{"rejectedDataPoints":2}})"), 2U);
  EXPECT_EQ(rejected(Signal::logs, R"({"partialSuccess":{"rejectedLogRecords":"1"}})"), 1U);
  EXPECT_EQ(rejected(Signal::logs, R"({"partialSuccess":{"rejectedSpans":"1"}})"), 0U) << "another signal's";
  for (const std::string_view nothing : {"", "{}", "<html>", "[1]", R"({"partialSuccess":null})",
                                         R"({"partialSuccess":3})", R"({"partialSuccess":{"rejectedSpans":"-3"}})"})
    EXPECT_EQ(rejected(Signal::traces, nothing), 0U) << nothing;

  const std::string protobuf(
      "\x0a\x08\x08\x02\x12\x04"
      "full",
      10);
  EXPECT_EQ(read_rejected(Signal::traces, false, protobuf).items, 2U);
  EXPECT_EQ(read_rejected(Signal::traces, false, protobuf).why, "full");
  EXPECT_EQ(read_rejected(Signal::traces, false, "<html>garbage").items, 0U);
  EXPECT_EQ(read_rejected(Signal::traces, false, "").items, 0U);
}

}  // namespace
}  // namespace gw::telemetry::otlp
