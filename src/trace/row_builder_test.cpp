#include "trace/row_builder.h"

#include <gtest/gtest.h>

#include <string>

#include "base/json_writer.h"
#include "store/facts.h"
#include "store/reprice.h"
#include "trace/frame.h"
#include "trace/test_record.h"

namespace gw::trace {
namespace {

std::int64_t fixed_wall() { return 1'800'000'000'000'000'000; }

struct Builder {
  RowBuilder builder{Clock{.wall_ns = fixed_wall}};
  Trace row;

  const Trace& build(const ExchangeRecord& r, std::uint16_t flags = 0, Cut cut = Cut::none) {
    std::string bytes(encoded_bytes(r, cut) + kEncodeSlack, '\0');
    const char* end = encode_record(r, cut, bytes.data(), bytes.data() + bytes.size());
    EXPECT_TRUE(
        builder.build({bytes.data(), static_cast<std::size_t>(end - bytes.data())}, kRecordVersion, flags, row));
    return row;
  }
};

TEST(RowBuilder, FillsEveryColumn) {
  TestRecord t(7);
  t.record.identity = {.key_id = "key-1", .org_id = "acme", .workspace_id = "core", .team = "", .role = "DEVELOPER"};
  t.record.lineage.group_id = "  group ";
  t.request_body("{\"q\":1}");
  t.response_body("{\"a\":2}");
  Builder b;
  const Trace& row = b.build(t.record);
  EXPECT_EQ(row.id, "07000000000000000000000000000000");
  EXPECT_EQ(row.trace_group_id, "group");
  EXPECT_EQ(row.org_id, "acme");
  EXPECT_EQ(row.workspace_id, "core");
  EXPECT_EQ(row.timestamp_ns, t.record.started_at_ns);
  EXPECT_EQ(row.created_at_ns, t.record.ended_at_ns);
  EXPECT_EQ(row.provider, "openai");
  EXPECT_EQ(row.model, "gpt-4o-mini");
  EXPECT_EQ(row.request_method, "POST");
  EXPECT_EQ(row.request_path, "/openai/v1/chat/completions");
  EXPECT_EQ(row.request_body, "{\"q\":1}");
  EXPECT_EQ(row.response_body, "{\"a\":2}");
  EXPECT_EQ(row.response_status, 200);
  EXPECT_EQ(row.input_tokens, 120);
  EXPECT_EQ(row.output_tokens, 45);
  EXPECT_EQ(row.total_tokens, 165);
  EXPECT_EQ(row.latency_us, 321'000);
  EXPECT_EQ(row.latency_ms, 321);
  EXPECT_EQ(row.cost_nano_usd, 45'000);
  EXPECT_DOUBLE_EQ(row.estimated_cost_usd, 0.000045);
  EXPECT_EQ(row.gateway_key_id, "key-1");
  EXPECT_EQ(row.api_key_hash, t.record.api_key_hash);
}

TEST(RowBuilder, NormalisesWhatIsEmpty) {
  ExchangeRecord empty;
  Builder b;
  const Trace& row = b.build(empty);
  EXPECT_EQ(row.timestamp_ns, fixed_wall());
  EXPECT_EQ(row.created_at_ns, fixed_wall());
  EXPECT_EQ(row.provider, "unknown");
  EXPECT_EQ(row.model, "unknown");
  EXPECT_EQ(row.org_id, "default");
  EXPECT_EQ(row.workspace_id, "default");
  EXPECT_EQ(row.request_method, "UNKNOWN");
  EXPECT_EQ(row.request_path, "/");
  EXPECT_EQ(row.request_headers, "{}");
  EXPECT_EQ(row.response_headers, "{}");
  EXPECT_EQ(
      row.metadata,
      "{\"cost_source\":\"unpriced\",\"latency_us\":0,\"lineage_checkpoint_id\":\"00000000000000000000000000000000\","
      "\"lineage_immutable\":true,\"outcome\":\"complete\",\"redaction_applied\":false,\"redaction_mode\":\"off\","
      "\"redaction_policy_id\":\"default/v1\",\"stream_chunks\":0,\"streaming\":false}");
}

TEST(RowBuilder, AddsTokensWhenTheTotalIsMissing) {
  ExchangeRecord r;
  r.usage = {.input_tokens = 7, .output_tokens = 5, .seen = true};
  Builder b;
  EXPECT_EQ(b.build(r).total_tokens, 12);
  EXPECT_NE(b.row.metadata.find(
                "\"usage\":{\"input_tokens\":7,\"output_tokens\":5,\"total_tokens\":12,\"uncached_input_tokens\":7}"),
            std::string::npos);
  r.usage = {.input_tokens = INT64_MAX, .output_tokens = INT64_MAX, .seen = true};
  EXPECT_EQ(b.build(r).total_tokens, INT64_MAX);
}

TEST(RowBuilder, RoundsTimeToFirstTokenUpToMilliseconds) {
  ExchangeRecord r;
  Builder b;
  r.time_to_first_token_us = 1;
  EXPECT_EQ(b.build(r).time_to_first_token_ms, 1);
  r.time_to_first_token_us = 1000;
  EXPECT_EQ(b.build(r).time_to_first_token_ms, 1);
  r.time_to_first_token_us = 1001;
  EXPECT_EQ(b.build(r).time_to_first_token_ms, 2);
  r.time_to_first_token_us = 0;
  EXPECT_EQ(b.build(r).time_to_first_token_ms, 0);
}

TEST(RowBuilder, WritesEveryMetadataKeySorted) {
  TestRecord t;
  ExchangeRecord& r = t.record;
  r.id = {};
  r.correlation_id = "c-1";
  r.identity = {.key_id = "key-1", .org_id = "acme", .workspace_id = "core", .team = "blue", .role = "Admin"};
  r.lineage = {.group_id = "g", .thread_id = " t", .run_id = "r ", .parent_checkpoint_id = "p", .checkpoint_seq = 0};
  r.usage = {.input_tokens = 1'000,
             .output_tokens = 2'000,
             .total_tokens = 3'000,
             .cache_read_tokens = 4,
             .cache_read_audio_tokens = 5,
             .cache_read_image_tokens = 6,
             .cache_write_5m_tokens = 7,
             .cache_write_1h_tokens = 8,
             .input_audio_tokens = 9,
             .input_image_tokens = 10,
             .reasoning_tokens = 11,
             .output_audio_tokens = 12,
             .output_image_tokens = 13,
             .web_searches = 14,
             .file_searches = 15,
             .code_executions = 16,
             .audio_ms = 17,
             .provider_cost_nano_usd = 1'000'000'010,
             .seen = true,
             .estimated = true,
             .anomalous = true};
  r.cost = {.nano_usd = 1'000'000'010,
            .computed_nano_usd = 999'999'999,
            .source = CostSource::provider,
            .cache_saved_nano_usd = -1'500};
  r.session_id = "s-1";
  r.response_model = "gpt-4o-mini-2024-07-18";
  r.service_tier_asked = "auto";
  r.service_tier = "flex";
  r.inference_geo = "us";
  r.redaction_truncated = r.redaction_storage_drop = r.streaming = r.held_credential = true;
  r.stream_chunks = 3;
  t.redaction_counts() = {{"phone", 2}, {"email", 1}, {"ssn", 0}, {"email", 3}};
  t.refresh();
  Builder b;
  EXPECT_EQ(
      b.build(r, kFrameBodiesDropped | kFrameHeadersDropped).metadata,
      "{\"api_key_last4\":\"cdef\",\"bodies_dropped\":\"too_large\",\"cache_saved_usd\":-0.0000015,\"computed_cost_"
      "usd\":0.999999999,\"correlation_"
      "id\":\"c-1\","
      "\"cost_source\":\"provider\",\"credential\":\"gateway\","
      "\"gateway_key_id\":\"key-1\",\"headers_dropped\":\"too_large\",\"inference_geo\":\"us\",\"latency_us\":321000,"
      "\"lineage_checkpoint_id\":\"00000000000000000000000000000000\",\"lineage_checkpoint_seq\":0,\"lineage_group_"
      "id\":\"g\","
      "\"lineage_immutable\":true,\"lineage_parent_checkpoint_id\":\"p\",\"lineage_run_id\":\"r\",\"lineage_thread_"
      "id\":\"t\","
      "\"org_id\":\"acme\",\"outcome\":\"complete\",\"price_version\":\"builtin-1\",\"redaction_applied\":true,"
      "\"redaction_counts\":{\"email\":4,\"phone\":2},\"redaction_failure_semantics\":\"storage_drop_continue_proxy\","
      "\"redaction_mode\":\"off\",\"redaction_policy_id\":\"default/v1\",\"redaction_storage_drop\":true,"
      "\"redaction_truncated\":true,\"response_model\":\"gpt-4o-mini-2024-07-18\",\"role\":\"admin\","
      "\"service_tier\":\"flex\",\"service_tier_asked\":\"auto\",\"session_id\":\"s-1\",\"stream_chunks\":3,"
      "\"streaming\":true,\"team\":\"blue\","
      "\"usage\":{\"anomalous\":true,\"audio_ms\":17,\"cache_read_audio_tokens\":5,\"cache_read_image_tokens\":6,"
      "\"cache_read_tokens\":4,\"cache_write_1h_tokens\":8,\"cache_write_5m_tokens\":7,\"code_executions\":16,"
      "\"estimated\":true,\"file_searches\":15,\"input_audio_tokens\":9,\"input_image_tokens\":10,"
      "\"input_tokens\":1000,\"output_audio_tokens\":12,\"output_image_tokens\":13,\"output_tokens\":2000,"
      "\"provider_cost_usd\":1.00000001,\"reasoning_tokens\":11,\"total_tokens\":3000,"
      "\"uncached_input_tokens\":951,\"web_searches\":14},\"workspace_id\":\"core\"}");
}

TEST(RowBuilder, TheFactsOfARowAreThoseThatItsMetadataTells) {
  for (const Outcome outcome : {Outcome::complete, Outcome::client_aborted, Outcome::upstream_aborted,
                                Outcome::upstream_error, Outcome::refused_by_guard}) {
    for (const CostSource source :
         {CostSource::computed, CostSource::provider, CostSource::estimated, CostSource::unpriced}) {
      TestRecord t;
      ExchangeRecord& r = t.record;
      r.outcome = outcome;
      r.cost.source = source;
      r.cost.cache_saved_nano_usd = -1'234;
      r.lineage.thread_id = " th\"read\xff ";
      r.lineage.run_id = "run";
      r.usage.seen = true;
      r.usage.cache_read_tokens = 1;
      r.usage.cache_read_audio_tokens = 20;
      r.usage.cache_read_image_tokens = 300;
      r.usage.cache_write_5m_tokens = 4'000;
      r.usage.cache_write_1h_tokens = 50'000;
      Builder b;
      const Trace row = b.build(r);
      EXPECT_EQ(row.facts, store::facts_from_metadata(row.metadata)) << row.metadata;
      EXPECT_EQ(row.facts.cache_read_tokens, 321);
      EXPECT_EQ(row.facts.cache_write_tokens, 54'000);
      EXPECT_EQ(row.facts.unpriced, source == CostSource::unpriced);
    }
  }
}

TEST(RowBuilder, WhatRepricingNeedsComesBackFromTheMetadata) {
  using Set = std::int64_t Usage::*;
  const Set numbers[] = {&Usage::cache_read_tokens,
                         &Usage::cache_read_audio_tokens,
                         &Usage::cache_read_image_tokens,
                         &Usage::cache_write_5m_tokens,
                         &Usage::cache_write_1h_tokens,
                         &Usage::input_audio_tokens,
                         &Usage::input_image_tokens,
                         &Usage::reasoning_tokens,
                         &Usage::output_audio_tokens,
                         &Usage::output_image_tokens,
                         &Usage::web_searches,
                         &Usage::file_searches,
                         &Usage::code_executions,
                         &Usage::audio_ms,
                         &Usage::provider_cost_nano_usd};
  for (const Set& number : numbers) {
    TestRecord t;
    t.record.usage.*number = 12;
    t.record.usage.anomalous = number == numbers[0];
    t.record.usage.estimated = number == numbers[1];
    t.record.response_model = "a \"model\" <\xc3\xa9>\n";
    t.record.service_tier_asked = "auto";
    t.record.service_tier = "flex";
    t.record.inference_geo = "us";
    Builder b;
    const Trace& row = b.build(t.record);
    const store::StoredUsage s = store::stored_usage(
        {.provider = row.provider, .model = row.model, .timestamp_ns = row.timestamp_ns, .metadata = row.metadata});
    EXPECT_EQ(s.usage, t.record.usage) << row.metadata;
    EXPECT_EQ(s.response_model, t.record.response_model);
    EXPECT_EQ(s.service_tier_asked + s.service_tier + s.inference_geo, "autoflexus");
  }
}

TEST(RowBuilder, SaysTheComputedCostOnlyBesideAProvidersOwn) {
  TestRecord t;
  Builder b;
  EXPECT_EQ(b.build(t.record).metadata.find("computed_cost_usd"), std::string::npos);
  t.record.cost = {.nano_usd = 5, .computed_nano_usd = 0, .source = CostSource::provider, .cache_saved_nano_usd = 0};
  EXPECT_NE(b.build(t.record).metadata.find("\"computed_cost_usd\":0,"), std::string::npos);
}

TEST(RowBuilder, NamesTheResponsesModelWhereItDiffers) {
  TestRecord t;
  t.record.response_model = t.record.model;
  Builder b;
  EXPECT_EQ(b.build(t.record).metadata.find("response_model"), std::string::npos);
}

TEST(RowBuilder, CutsALongSessionIdAtACharacter) {
  TestRecord t;
  Builder b;
  EXPECT_EQ(b.build(t.record).session_id, "");
  const std::string exact(kMaxSessionIdBytes, 's');
  t.record.session_id = exact;
  EXPECT_EQ(b.build(t.record).session_id, exact);
  const std::string longer = std::string(kMaxSessionIdBytes - 2, 's') + "\xe2\x82\xac" + "tail";
  t.record.session_id = longer;
  EXPECT_EQ(b.build(t.record).session_id, exact.substr(2));
  const std::string invalid(kMaxSessionIdBytes, '\xff');  // each byte becomes three
  t.record.session_id = invalid;
  EXPECT_EQ(b.build(t.record).session_id.size(), kMaxSessionIdBytes / 3 * 3);
  EXPECT_NE(b.row.metadata.find("\"session_id\":\"" + b.row.session_id + "\""), std::string::npos);
}

TEST(RowBuilder, CountsThatContradictEachOtherLeaveNoUncachedInput) {
  TestRecord t;
  Builder b;
  t.record.usage = {.input_tokens = 1, .cache_read_tokens = 2, .seen = true};
  EXPECT_NE(b.build(t.record).metadata.find("\"uncached_input_tokens\":0}"), std::string::npos);
  t.record.usage = {.input_tokens = INT64_MIN, .cache_read_tokens = INT64_MAX, .seen = true};
  EXPECT_NE(b.build(t.record).metadata.find("\"uncached_input_tokens\":"), std::string::npos);
}

TEST(RowBuilder, TakesTheWorkspaceAsTeamOfACallerWithoutOne) {
  ExchangeRecord r;
  r.identity = {.key_id = "k", .org_id = "o", .workspace_id = "w", .team = "", .role = ""};
  Builder b;
  EXPECT_NE(b.build(r).metadata.find("\"team\":\"w\""), std::string::npos);
  r.identity.key_id = "";
  EXPECT_EQ(b.build(r).metadata.find("\"team\""), std::string::npos);
}

TEST(RowBuilder, WritesHeadersCanonicalGroupedAndSorted) {
  TestRecord t;
  t.request_headers() = {
      {"x-b", "1"},      {"CONTENT-type", "text/plain"},      {"X-B", "2"},      {"x-api-KEY", "[REDACTED]"},
      {"bad name", "3"}, {"x-ongoingai-correlation-id", "c"}, {"X-b", "a\"<b>&"}};
  t.response_headers().clear();
  t.refresh();
  Builder b;
  const std::string expected =
      "{\"Content-Type\":[\"text/"
      "plain\"],\"X-Api-Key\":[\"[REDACTED]\"],\"X-B\":[\"1\",\"2\",\"a\\\"\\u003cb\\u003e\\u0026\"],"
      "\"X-Ongoingai-Correlation-Id\":[\"c\"],\"bad name\":[\"3\"]}";
  EXPECT_EQ(b.build(t.record).request_headers, expected);
  EXPECT_EQ(b.row.response_headers, "{}");
  EXPECT_EQ(b.build(t.record).request_headers, expected) << "the second time from the cache of names";
}

TEST(RowBuilder, KeepsHeaderLayoutsApartThatShareAPlaceInTheCache) {
  Builder b;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 2000; ++i) {
      const std::string name = "x-" + std::to_string(i);
      TestRecord t;
      t.request_headers() = {{name, "v"}, {"a", "1"}};
      t.refresh();
      ASSERT_EQ(b.build(t.record).request_headers, "{\"A\":[\"1\"],\"X-" + std::to_string(i) + "\":[\"v\"]}");
    }
  }
}

TEST(RowBuilder, WritesNamesThatAreTooLongToCache) {
  const std::string name(5000, 'n');
  TestRecord t;
  t.request_headers() = {{name, "v"}};
  t.refresh();
  Builder b;
  EXPECT_EQ(b.build(t.record).request_headers, "{\"N" + std::string(4999, 'n') + "\":[\"v\"]}");
}

TEST(RowBuilder, MakesTextStorable) {
  TestRecord t;
  const std::string nul("a\0b", 3);
  t.record.model = "m\xff";
  t.record.path = nul;
  t.record.correlation_id = nul;
  t.request_headers() = {{"x", nul}, {"y", "\xc3("}, {"z", "\xc3\xa9"}};
  t.refresh();
  t.response_body("\xe2\x82");  // cut inside a character
  Builder b;
  const Trace& row = b.build(t.record);
  EXPECT_EQ(row.model, "m\xef\xbf\xbd");
  EXPECT_EQ(row.request_path, "ab");
  EXPECT_EQ(row.response_body, "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(row.request_headers, "{\"X\":[\"ab\"],\"Y\":[\"\\ufffd(\"],\"Z\":[\"\xc3\xa9\"]}");
  EXPECT_NE(row.metadata.find("\"correlation_id\":\"ab\""), std::string::npos);
}

TEST(RowBuilder, TextsOfTheRowBeforeStayOnlyWhereTheyAreTheSame) {
  TestRecord t(1);
  t.record.lineage.group_id = "group-1";
  t.record.model = "model-a";
  t.request_body("{\"q\":1}");
  Builder b;
  b.build(t.record);
  t.record.lineage.group_id = {};
  t.record.model = "model-b";
  t.request_body("{\"q\":2}");
  const Trace& changed = b.build(t.record);
  EXPECT_EQ(changed.trace_group_id, "");
  EXPECT_EQ(changed.model, "model-b");
  EXPECT_EQ(changed.request_body, "{\"q\":2}");
  EXPECT_EQ(changed.provider, "openai");

  const std::string unstorable("model-b\0", 8);  // the row has what is stored of it already
  t.record.model = unstorable;
  EXPECT_EQ(b.build(t.record).model, "model-b");
}

TEST(JsonText, AgreesWithTheHouseWriterOnEveryByteAtEveryPlace) {
  for (int c = 1; c < 256; ++c) {
    for (std::size_t length = 1; length < 40; length += 3) {
      for (std::size_t at = 0; at < length; ++at) {
        std::string s(length, 'x');
        s[at] = static_cast<char>(c);
        JsonText text;
        text.string(s);
        std::string expected;
        append_json_string(expected, s);
        ASSERT_EQ(text.text(), expected) << "byte " << c << " at " << at << " of " << length;
        ASSERT_EQ(is_plain_ascii(s), c < 0x80) << "byte " << c << " at " << at << " of " << length;
      }
    }
  }
  EXPECT_FALSE(is_plain_ascii(std::string_view("abc\0", 4)));
  EXPECT_TRUE(is_plain_ascii(""));
}

TEST(RowBuilder, RefusesEveryTruncatedPayloadOrGivesARow) {
  TestRecord t;
  t.request_body("body");
  std::string bytes(encoded_bytes(t.record, Cut::none) + kEncodeSlack, '\0');
  const char* end = encode_record(t.record, Cut::none, bytes.data(), bytes.data() + bytes.size());
  const auto size = static_cast<std::size_t>(end - bytes.data());
  RowBuilder builder{Clock{.wall_ns = fixed_wall}};
  Trace row;
  int rows = 0;
  for (std::size_t n = 0; n <= size; ++n) {
    const std::string cut(bytes.data(), n);  // its own allocation: a sanitizer sees any read past it
    rows += builder.build(cut, kRecordVersion, 0, row) ? 1 : 0;
  }
  EXPECT_EQ(rows, 3) << "the whole, and the two shapes of an older version";
}

}  // namespace
}  // namespace gw::trace
