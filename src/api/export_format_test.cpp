#include "api/export_format.h"

#include <gtest/gtest.h>

#include "api/export_metadata.h"
#include "api/json_value.h"
#include "store/test_traces.h"

namespace gw::api {
namespace {

Trace example() {
  Trace t = store::test_trace(1);
  t.seq = 41;
  t.metadata =
      R"({"correlation_id":"c-1","cost_source":"computed","lineage_run_id":" run-1 ","lineage_thread_id":"a\"\u00fc",)"
      R"("outcome":"complete","nested":{"outcome":"no","x":[1,{"cost_source":"no"}]},"price_version":"v1",)"
      R"("usage":{"cache_read_audio_tokens":2,"cache_read_tokens":5,"cache_write_1h_tokens":7,"reasoning_tokens":3}})";
  return t;
}

std::string line(const Trace& t, std::string_view fields) {
  std::string out;
  const ExportCursor cursor{.epoch = 7, .seq = 1, .removed = 0};
  append_ndjson(out, t, *ExportFields::parse(fields), &cursor);
  return out;
}

std::string csv(const Trace& t, std::string_view fields) {
  std::string out;
  append_csv_row(out, t, *ExportFields::parse(fields));
  return out;
}

TEST(ExportFormat, LineHasTheListFieldsAndThoseOfTheMetadata) {
  EXPECT_EQ(line(example(), ""),
            R"({"seq":41,"id":"trace-001","timestamp":"2026-02-02T02:40:01Z","provider":"openai",)"
            R"("model":"gpt-4o-mini","request_method":"POST","request_path":"/openai/v1/chat/completions",)"
            R"("response_status":200,"input_tokens":12,"output_tokens":31,"total_tokens":43,"latency_ms":843,)"
            R"("latency_us":843211,"time_to_first_token_ms":100,"time_to_first_token_us":99500,"api_key_hash":")" +
                std::string(64, 'a') +
                R"(","estimated_cost_usd":0.0012345,"cost_nano_usd":1234500,)"
                R"("created_at":"2026-02-02T02:40:01.843211Z","session_id":"session-1","org_id":"org-a",)"
                R"("workspace_id":"ws-a","gateway_key_id":"team-a","trace_group_id":"group-1","thread_id":"a\"ü",)"
                R"("run_id":"run-1","correlation_id":"c-1","outcome":"complete","cost_source":"computed",)"
                R"("price_version":"v1","cache_read_tokens":7,"cache_write_tokens":7,"reasoning_tokens":3})"
                "\n");
}

TEST(ExportFormat, BodiesAndHeadersAreThereOnlyWhenNamed) {
  const std::string all = line(example(), "default,cursor");
  for (const char* name : {"request_body", "response_body", "request_headers", "response_headers", "\"metadata"})
    EXPECT_EQ(all.find(name), std::string::npos) << name;
  EXPECT_EQ(line(example(), "response_body,request_headers"),
            R"({"seq":41,"id":"trace-001","request_headers":{"Content-Type":["application/json"]},)"
            R"("response_body":"{\"text\":\"grüß\"}"})"
            "\n");
}

TEST(ExportFormat, OrderIsTheSameHoweverItWasAsked) {
  EXPECT_EQ(line(example(), "model,id,timestamp"), line(example(), " timestamp , model ,,"));
}

TEST(ExportFormat, UnknownFieldIsNamed) {
  const auto r = ExportFields::parse("model,nonsense");
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().message, "invalid fields: \"nonsense\" is no field of an export");
}

TEST(ExportFormat, ColumnsAreReadOnlyForFieldsThatNeedThem) {
  const auto columns = [](std::string_view list) {
    const store::ExportColumns c = ExportFields::parse(list)->columns();
    return std::to_string(c.metadata) + std::to_string(c.headers) + std::to_string(c.bodies);
  };
  EXPECT_EQ(columns("model,trace_group_id,cursor"), "000");
  EXPECT_EQ(columns("thread_id"), "100");
  EXPECT_EQ(columns("reasoning_tokens"), "100");
  EXPECT_EQ(columns("metadata"), "100");
  EXPECT_EQ(columns("response_headers"), "010");
  EXPECT_EQ(columns("request_body"), "001");
}

TEST(ExportFormat, EmptyFieldsAreLeftOutOfJsonAndKeepTheirPlaceInCsv) {
  Trace t;
  t.id = "x";
  EXPECT_EQ(line(t, "timestamp,model,session_id,outcome,metadata"), "{\"seq\":0,\"id\":\"x\",\"model\":\"\"}\n");
  EXPECT_EQ(csv(t, "timestamp,model,session_id,outcome,metadata,cursor"), "0,x,,,,,,\r\n");
}

TEST(ExportFormat, StoredJsonNeverBreaksALine) {
  Trace t;
  t.id = "x";
  t.metadata = "{\n \"b\": 1,\n \"a\": \"<\"}";
  t.request_headers = "not\njson";
  EXPECT_EQ(line(t, "metadata,request_headers"),
            "{\"seq\":0,\"id\":\"x\",\"metadata\":{\"a\":\"\\u003c\",\"b\":1},\"request_headers\":\"not\\njson\"}\n");
}

TEST(ExportFormat, MetadataThatIsCutOrForeignGivesWhatCanBeRead) {
  const std::string whole = example().metadata;
  for (std::size_t n = 0; n <= whole.size(); ++n) {
    Trace t = example();
    t.metadata = whole.substr(0, n);
    EXPECT_TRUE(parse_json(line(t, ""))) << n;
  }
  std::string decoded;
  EXPECT_EQ(read_export_metadata(" { \"outcome\" : \"complete\" , \"cost_source\" : 3 } ", decoded).outcome,
            "complete");
  EXPECT_EQ(read_export_metadata("[\"outcome\"]", decoded).outcome, "");
  EXPECT_EQ(read_export_metadata(R"({"a":"\\","outcome":"x"})", decoded).outcome, "x");
  EXPECT_EQ(read_export_metadata(R"({"outcome":"x\\\"","run":1})", decoded).outcome, "x\\\"");
}

TEST(ExportFormat, CsvQuotesAsRfc4180) {
  Trace t;
  t.id = "x";
  t.model = "a,\"b\"\r\nc";
  EXPECT_EQ(csv(t, "model"), "0,x,\"a,\"\"b\"\"\r\nc\"\r\n");
  t.model = "plain text";
  EXPECT_EQ(csv(t, "model"), "0,x,plain text\r\n");
  t.model = "bad\xFF";
  EXPECT_EQ(csv(t, "model"), "0,x,bad\xEF\xBF\xBD\r\n");
}

TEST(ExportFormat, CsvTextIsNoFormula) {
  for (const char first : {'=', '+', '-', '@', '\t', '\r', '\n'}) {
    Trace t;
    t.id = "x";
    t.model = std::string(1, first) + "cmd|' /C calc'!A0";
    t.session_id = t.model;
    EXPECT_EQ(csv(t, "model"), "0,x,\"'" + t.model + "\"\r\n");
    EXPECT_EQ(csv(t, "session_id"), "0,x,\"'" + t.model + "\"\r\n");
  }
  Trace t;
  t.id = "x";
  t.estimated_cost_usd = -0.5;
  EXPECT_EQ(csv(t, "estimated_cost_usd"), "0,x,-0.5\r\n");
}

TEST(ExportFormat, CsvHeaderNamesEveryColumnOfARow) {
  std::string header;
  append_csv_header(header, *ExportFields::parse("model,cursor,response_body"));
  EXPECT_EQ(header, "seq,id,model,response_body,cursor\r\n");
}

TEST(ExportFormat, CursorOfALineIsThatOfItsTrace) {
  const auto value = parse_json(line(example(), "cursor"));
  const auto cursor = decode_export_cursor(value->find("cursor")->string);
  ASSERT_TRUE(cursor);
  EXPECT_EQ(*cursor, (ExportCursor{.epoch = 7, .seq = 41, .removed = 0}));
}

TEST(ExportCursor, ComesBack) {
  for (const ExportCursor& c :
       {ExportCursor{}, ExportCursor{INT64_MIN, INT64_MAX, INT64_MAX}, ExportCursor{-1, 3, 2}}) {
    const std::string text = encode_export_cursor(c);
    EXPECT_EQ(text.size(), kExportCursorChars);
    const auto back = decode_export_cursor(text);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, c);
  }
}

TEST(ExportCursor, EveryChangedByteIsNoticed) {
  const std::string good = encode_export_cursor({.epoch = 1'770'000'000, .seq = 123'456, .removed = 99});
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (int c = 0; c < 256; ++c) {
      std::string text = good;
      text[i] = static_cast<char>(c);
      EXPECT_EQ(decode_export_cursor(text).has_value(), text == good) << i << ' ' << c;
    }
    EXPECT_FALSE(decode_export_cursor(good.substr(0, i)));
  }
  EXPECT_FALSE(decode_export_cursor(good + "A"));
  EXPECT_FALSE(decode_export_cursor(good + good));
}

TEST(ExportCursor, NegativeNumbersAreNoPlaces) {
  EXPECT_FALSE(decode_export_cursor(encode_export_cursor({.epoch = 1, .seq = -1, .removed = 0})));
  EXPECT_FALSE(decode_export_cursor(encode_export_cursor({.epoch = 1, .seq = 1, .removed = -1})));
}

}  // namespace
}  // namespace gw::api
