#include "trace/record_codec.h"

#include <gtest/gtest.h>

#include <string>

#include "trace/frame.h"
#include "trace/frame_hash.h"
#include "trace/test_record.h"

namespace gw::trace {
namespace {

std::string encode(const ExchangeRecord& r, Cut cut = Cut::none) {
  std::string out(encoded_bytes(r, cut) + kEncodeSlack, '\0');
  const char* end = encode_record(r, cut, out.data(), out.data() + out.size());
  EXPECT_NE(end, nullptr);
  out.resize(static_cast<std::size_t>(end - out.data()));
  return out;
}

std::vector<std::pair<std::string, std::string>> headers_of(const HeaderBlock& block) {
  std::vector<std::pair<std::string, std::string>> out;
  std::string_view names = block.names, values = block.values, name, value;
  for (std::uint32_t i = 0; i < block.count; ++i) {
    EXPECT_TRUE(next_string(names, name));
    EXPECT_TRUE(next_string(values, value));
    out.emplace_back(name, value);
  }
  EXPECT_TRUE(names.empty());
  EXPECT_TRUE(values.empty());
  return out;
}

void fill_everything(TestRecord& t) {
  ExchangeRecord& r = t.record;
  r.time_to_first_token_us = 1501;
  r.stream_chunks = 17;
  r.outcome = Outcome::upstream_aborted;
  r.streaming = true;
  r.held_credential = true;
  r.identity = {.key_id = "key-1", .org_id = "acme", .workspace_id = "ws", .team = "team", .role = "Admin"};
  r.lineage = {.group_id = "g", .thread_id = "t", .run_id = "r", .parent_checkpoint_id = "p", .checkpoint_seq = 0};
  r.usage = {.input_tokens = 1,
             .output_tokens = 2,
             .total_tokens = 3,
             .cache_read_tokens = 4,
             .cache_read_audio_tokens = 40,
             .cache_read_image_tokens = 41,
             .cache_write_5m_tokens = 5,
             .cache_write_1h_tokens = 6,
             .input_audio_tokens = 42,
             .input_image_tokens = 43,
             .reasoning_tokens = 7,
             .output_audio_tokens = 44,
             .output_image_tokens = 45,
             .web_searches = 46,
             .file_searches = 47,
             .code_executions = 48,
             .audio_ms = (std::int64_t{1} << 53) - 1,
             .provider_cost_nano_usd = 0,
             .seen = true,
             .estimated = true,
             .anomalous = true};
  r.cost = {.nano_usd = -5, .computed_nano_usd = -7, .source = CostSource::provider, .cache_saved_nano_usd = 0};
  r.session_id = "session";
  r.response_model = "gpt-4o-mini-2024-07-18";
  r.service_tier_asked = "auto";
  r.service_tier = "default";
  r.inference_geo = "us";
  r.redaction_truncated = true;
  r.redaction_storage_drop = true;
  t.request_body(std::string("{\"a\":\0}", 7));
  t.response_body(std::string(70'000, 'b'));
}

TEST(RecordCodec, GivesBackEveryField) {
  TestRecord t;
  fill_everything(t);
  const ExchangeRecord& r = t.record;
  const std::string bytes = encode(r);
  EXPECT_EQ(bytes.size(), encoded_bytes(r, Cut::none));
  DecodedRecord d;
  ASSERT_TRUE(decode_record(bytes, kRecordVersion, d));
  const ExchangeRecord& g = d.record;
  EXPECT_EQ(g.id, r.id);
  EXPECT_EQ(g.started_at_ns, r.started_at_ns);
  EXPECT_EQ(g.ended_at_ns, r.ended_at_ns);
  EXPECT_EQ(g.latency_us, r.latency_us);
  EXPECT_EQ(g.time_to_first_token_us, 1501);
  EXPECT_EQ(g.stream_chunks, 17U);
  EXPECT_EQ(g.status, 200);
  EXPECT_EQ(g.outcome, Outcome::upstream_aborted);
  EXPECT_TRUE(g.streaming && g.held_credential && g.redaction_truncated && g.redaction_storage_drop);
  EXPECT_EQ(g.usage, r.usage);
  EXPECT_EQ(g.cost.nano_usd, -5);
  EXPECT_EQ(g.cost.computed_nano_usd, -7);
  EXPECT_EQ(g.session_id, "session");
  EXPECT_EQ(g.response_model, "gpt-4o-mini-2024-07-18");
  EXPECT_EQ(g.service_tier_asked, "auto");
  EXPECT_EQ(g.service_tier, "default");
  EXPECT_EQ(g.inference_geo, "us");
  EXPECT_EQ(g.cost.source, CostSource::provider);
  EXPECT_EQ(g.provider, "openai");
  EXPECT_EQ(g.model, "gpt-4o-mini");
  EXPECT_EQ(g.method, r.method);
  EXPECT_EQ(g.path, r.path);
  EXPECT_EQ(g.correlation_id, r.correlation_id);
  EXPECT_EQ(g.api_key_hash, r.api_key_hash);
  EXPECT_EQ(g.api_key_last4, r.api_key_last4);
  EXPECT_EQ(g.identity.key_id, "key-1");
  EXPECT_EQ(g.identity.org_id, "acme");
  EXPECT_EQ(g.identity.workspace_id, "ws");
  EXPECT_EQ(g.identity.team, "team");
  EXPECT_EQ(g.identity.role, "Admin");
  EXPECT_EQ(g.lineage.group_id, "g");
  EXPECT_EQ(g.lineage.thread_id, "t");
  EXPECT_EQ(g.lineage.run_id, "r");
  EXPECT_EQ(g.lineage.parent_checkpoint_id, "p");
  EXPECT_EQ(g.lineage.checkpoint_seq, 0);
  EXPECT_EQ(g.price_version, r.price_version);
  EXPECT_EQ(g.redaction_mode, r.redaction_mode);
  EXPECT_EQ(g.redaction_policy_id, r.redaction_policy_id);
  EXPECT_EQ(g.request_body, r.request_body);
  EXPECT_EQ(g.response_body, r.response_body);
  ASSERT_EQ(d.redaction_counts.size(), 1U);
  EXPECT_EQ(d.redaction_counts[0].kind, "header");
  const auto request = headers_of(d.request_headers);
  ASSERT_EQ(request.size(), r.request_headers.size());
  for (std::size_t i = 0; i < request.size(); ++i) {
    EXPECT_EQ(request[i].first, r.request_headers[i].name);
    EXPECT_EQ(request[i].second, r.request_headers[i].value);
  }
  EXPECT_EQ(headers_of(d.response_headers).size(), r.response_headers.size());
}

TEST(RecordCodec, GivesBackTextsOfEveryLength) {
  for (std::size_t n = 0; n < 300; ++n) {
    TestRecord t;
    std::string text;
    for (std::size_t i = 0; i < n; ++i) text += static_cast<char>('a' + i % 26);
    t.record.model = text;
    const std::string bytes = encode(t.record);
    ASSERT_EQ(bytes.size(), encoded_bytes(t.record, Cut::none)) << n;
    DecodedRecord d;
    ASSERT_TRUE(decode_record(bytes, kRecordVersion, d)) << n;
    ASSERT_EQ(d.record.model, text);
  }
}

TEST(RecordCodec, DoesNotWritePastItsLimit) {
  TestRecord t;
  t.request_body(std::string(300, 'x'));
  const std::size_t size = encoded_bytes(t.record, Cut::none);
  for (std::size_t limit = 0; limit <= size + kEncodeSlack; ++limit) {
    std::string out(limit + 64, '#');
    const char* end = encode_record(t.record, Cut::none, out.data(), out.data() + limit);
    EXPECT_FALSE(limit >= size + kEncodeSlack && end == nullptr) << limit;
    EXPECT_FALSE(limit < size && end != nullptr) << limit;
    EXPECT_EQ(out.substr(limit), std::string(64, '#')) << "wrote past " << limit;
  }
}

TEST(RecordCodec, RefusesEveryTruncation) {
  TestRecord t;
  fill_everything(t);
  t.response_body("short");
  const std::string bytes = encode(t.record);
  DecodedRecord d;
  int accepted = 0;
  for (std::size_t n = 0; n < bytes.size(); ++n)
    if (decode_record(std::string(bytes.data(), n), kRecordVersion, d)) ++accepted;
  // Cut where a later part begins, it is a record of an older version: after the texts, and after the redaction counts.
  // Not so when Fixed says that there is something behind the bodies.
  EXPECT_EQ(accepted, 0);
  TestRecord plain;
  const std::string plain_bytes = encode(plain.record);
  for (std::size_t n = 0; n < plain_bytes.size(); ++n)
    if (decode_record(std::string(plain_bytes.data(), n), kRecordVersion, d)) ++accepted;
  EXPECT_EQ(accepted, 2);
}

TEST(RecordCodec, EveryNumberAndTextThatMostRecordsLackComesBackAloneAndLeavesNothingBehind) {
  using Set = void (*)(ExchangeRecord&);
  const Set sets[] = {
      [](ExchangeRecord& r) { r.usage.cache_read_audio_tokens = 1; },
      [](ExchangeRecord& r) { r.usage.cache_read_image_tokens = 300; },
      [](ExchangeRecord& r) { r.usage.input_audio_tokens = 1; },
      [](ExchangeRecord& r) { r.usage.input_image_tokens = 1; },
      [](ExchangeRecord& r) { r.usage.output_audio_tokens = 1; },
      [](ExchangeRecord& r) { r.usage.output_image_tokens = 1; },
      [](ExchangeRecord& r) { r.usage.web_searches = 1; },
      [](ExchangeRecord& r) { r.usage.file_searches = 1; },
      [](ExchangeRecord& r) { r.usage.code_executions = 1; },
      [](ExchangeRecord& r) { r.usage.audio_ms = 1; },
      [](ExchangeRecord& r) { r.usage.provider_cost_nano_usd = 0; },
      [](ExchangeRecord& r) { r.usage.provider_cost_nano_usd = INT64_MAX; },
      [](ExchangeRecord& r) { r.usage.anomalous = true; },
      [](ExchangeRecord& r) {
        r.cost = {.nano_usd = 9, .computed_nano_usd = 0, .source = CostSource::provider, .cache_saved_nano_usd = 0};
      },
      [](ExchangeRecord& r) {
        r.cost = {
            .nano_usd = 9, .computed_nano_usd = INT64_MIN, .source = CostSource::provider, .cache_saved_nano_usd = 0};
      },
      [](ExchangeRecord& r) { r.cost.cache_saved_nano_usd = -3; },
      [](ExchangeRecord& r) { r.session_id = "s"; },
      [](ExchangeRecord& r) { r.response_model = "m"; },
      [](ExchangeRecord& r) { r.service_tier_asked = "a"; },
      [](ExchangeRecord& r) { r.service_tier = "t"; },
      [](ExchangeRecord& r) { r.inference_geo = "g"; }};
  const auto same = [](const ExchangeRecord& a, const ExchangeRecord& b) {
    return a.usage == b.usage && a.cost.computed_nano_usd == b.cost.computed_nano_usd &&
           a.cost.cache_saved_nano_usd == b.cost.cache_saved_nano_usd && a.session_id == b.session_id &&
           a.response_model == b.response_model && a.service_tier_asked == b.service_tier_asked &&
           a.service_tier == b.service_tier && a.inference_geo == b.inference_geo;
  };
  DecodedRecord d;  // one for all: what a record lacks is not left over from the one before
  for (const Set& set : sets) {
    TestRecord t;
    set(t.record);
    const std::string bytes = encode(t.record);
    ASSERT_EQ(bytes.size(), encoded_bytes(t.record, Cut::none));
    ASSERT_TRUE(decode_record(bytes, kRecordVersion, d));
    EXPECT_TRUE(same(d.record, t.record)) << &set - sets;
    TestRecord plain;
    ASSERT_TRUE(decode_record(encode(plain.record), kRecordVersion, d));
    EXPECT_TRUE(same(d.record, plain.record)) << &set - sets;
  }
}

TEST(RecordCodec, ARecordFromBeforeThePartsHasTheDefaultsOfUsageAndCost) {
  // The layout of the version before: 136 fixed bytes whose last seven are 0, 19 texts, nothing behind the bodies.
  TestRecord t;
  fill_everything(t);
  std::string old = encode(t.record);
  constexpr std::size_t kBits = 2 + 128;
  old[kBits] = static_cast<char>(old[kBits] & 31);
  for (std::size_t i = 1; i < 8; ++i) old[kBits + i] = '\0';
  old.resize(old.rfind(std::string(100, 'b')) + 100);
  DecodedRecord d;
  ASSERT_TRUE(decode_record(old, 1, d));
  EXPECT_EQ(d.record.usage, (Usage{.input_tokens = 1,
                                   .output_tokens = 2,
                                   .total_tokens = 3,
                                   .cache_read_tokens = 4,
                                   .cache_write_5m_tokens = 5,
                                   .cache_write_1h_tokens = 6,
                                   .reasoning_tokens = 7,
                                   .provider_cost_nano_usd = -1,
                                   .seen = true,
                                   .estimated = true}));
  EXPECT_EQ(d.record.cost.nano_usd, -5);
  EXPECT_EQ(d.record.cost.computed_nano_usd, -5);
  EXPECT_EQ(d.record.session_id, "");
  EXPECT_EQ(d.record.service_tier, "");
  EXPECT_EQ(d.record.response_body, t.record.response_body);
}

TEST(RecordCodec, SkipsNumbersAndTextsThatItDoesNotKnow) {
  TestRecord t;
  t.record.usage.web_searches = 9;
  t.record.session_id = "s";
  std::string later = encode(t.record);
  constexpr std::size_t kTextParts = 2 + 129;
  later[kTextParts] = static_cast<char>(later[kTextParts] | 0x80);
  later[kTextParts + 2] = static_cast<char>(later[kTextParts + 2] | 0x80);  // bit 15 of the numbers
  later.insert(later.size() - 2, "\x05");                                   // before the session
  later += std::string("\x03new", 4);
  DecodedRecord d;
  ASSERT_TRUE(decode_record(later, kRecordVersion, d));
  EXPECT_EQ(d.record.usage.web_searches, 9);
  EXPECT_EQ(d.record.session_id, "s");
}

TEST(RecordCodec, ReadsARecordOfAnOlderVersionWithFewerFields) {
  TestRecord t;
  const std::string bytes = encode(t.record);
  std::string old;
  old += std::string("\x40\x00", 2);  // only the first 64 bytes of the fixed block
  old += bytes.substr(2, 64);
  old += '\x02';  // only two texts
  old += std::string("\x06openai\x05gpt-4");
  DecodedRecord d;
  ASSERT_TRUE(decode_record(old, 1, d));
  EXPECT_EQ(d.record.id, t.record.id);
  EXPECT_EQ(d.record.usage.input_tokens, 120);
  EXPECT_EQ(d.record.usage.total_tokens, 0);
  EXPECT_EQ(d.record.lineage.checkpoint_seq, -1);
  EXPECT_EQ(d.record.usage.provider_cost_nano_usd, Usage::kNoCost);
  EXPECT_EQ(d.record.cost.source, CostSource::unpriced);
  EXPECT_EQ(d.record.model, "gpt-4");
  EXPECT_EQ(d.record.path, "");
}

TEST(RecordCodec, SkipsFieldsThatItDoesNotKnow) {
  TestRecord t;
  const std::string bytes = encode(t.record);
  std::string longer;
  longer += std::string("\x90\x00", 2);  // eight more fixed bytes
  longer += bytes.substr(2, 136) + "12345678" + bytes.substr(138);
  longer += "appended by a later version";
  DecodedRecord d;
  ASSERT_TRUE(decode_record(longer, kRecordVersion, d));
  EXPECT_EQ(d.record.model, "gpt-4o-mini");
  EXPECT_EQ(headers_of(d.request_headers).size(), 15U);
}

TEST(RecordCodec, RefusesVersionsThatItCannotKnow) {
  TestRecord t;
  const std::string bytes = encode(t.record);
  DecodedRecord d;
  EXPECT_FALSE(decode_record(bytes, 0, d));
  EXPECT_FALSE(decode_record(bytes, kRecordVersion + 1, d));
}

TEST(RecordCodec, CutsStepByStep) {
  TestRecord t;
  t.request_body(std::string(5000, 'x'));
  const std::string path(3000, 'p');
  t.record.path = path;
  EXPECT_GT(encoded_bytes(t.record, Cut::none), 9000U);
  DecodedRecord d;
  const std::string bodies = encode(t.record, Cut::bodies);
  ASSERT_TRUE(decode_record(bodies, kRecordVersion, d));
  EXPECT_EQ(d.record.request_body, "");
  EXPECT_EQ(d.request_headers.count, 15U);
  const std::string headers = encode(t.record, Cut::headers);
  ASSERT_TRUE(decode_record(headers, kRecordVersion, d));
  EXPECT_EQ(d.request_headers.count, 0U);
  EXPECT_EQ(d.record.path, path);
  const std::string texts = encode(t.record, Cut::texts);
  ASSERT_TRUE(decode_record(texts, kRecordVersion, d));
  EXPECT_EQ(d.record.path.size(), kCutTextBytes);
  EXPECT_EQ(d.record.model, "gpt-4o-mini");
}

TEST(Frame, IsRefusedAfterAnyChangedByte) {
  std::string frame(frame_bytes(100), 'p');
  seal_frame(frame.data(), 4096, 100, 1, 0);
  Frame out;
  ASSERT_TRUE(read_frame(frame.data(), frame.size(), Verify::checksum, out));
  EXPECT_EQ(out.position, 4096U);
  EXPECT_EQ(out.bytes, frame.size());
  for (std::size_t i = 0; i < kFrameHeaderBytes + 100; ++i) {
    std::string changed = frame;
    changed[i] = static_cast<char>(changed[i] ^ 0x20);
    EXPECT_FALSE(read_frame(changed.data(), changed.size(), Verify::checksum, out)) << "byte " << i;
  }
}

TEST(Frame, HasTheSameHashOnEveryProcessor) {
  std::string bytes;
  for (int i = 0; i < 3000; ++i) bytes += static_cast<char>(i * 37 + i / 256);
  for (std::size_t n = 0; n <= bytes.size(); ++n)
    ASSERT_EQ(detail::frame_hash_portable(bytes.data(), n), detail::best_frame_hash()(bytes.data(), n)) << n;
  EXPECT_EQ(frame_hash("", 0), 0x2d06800538d394c2U) << "files of other machines are read, too";
}

TEST(Frame, IsRefusedWhenCutOff) {
  std::string frame(frame_bytes(100), 'p');
  seal_frame(frame.data(), 0, 100, 1, 0);
  Frame out;
  for (std::size_t n = 0; n < frame.size(); ++n)
    EXPECT_FALSE(read_frame(frame.data(), n, Verify::checksum, out)) << n << " bytes";
}

}  // namespace
}  // namespace gw::trace
