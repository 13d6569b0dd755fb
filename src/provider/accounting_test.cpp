// The cases that users of gateways report as wrong, by their number in the notes on accounting: what concerns reading.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "provider/provider_test_util.h"
#include "provider/request_reader.h"

namespace gw::provider {
namespace {

using test::kEvents;
using test::kJson;
using test::Random;
using test::read_usage;

std::string events(const std::vector<std::string>& payloads) {
  std::string s;
  for (const std::string& p : payloads) s += "data: " + p + "\n\n";
  return s;
}

/// However it is cut.
Usage of(std::string_view type, const std::string& body) {
  const Usage whole = read_usage(type, body);
  for (std::size_t step : {1, 7, 64})
    EXPECT_EQ(read_usage(type, body, test::cuts_every(step, body.size())), whole) << body << " in pieces of " << step;
  EXPECT_GE(whole.uncached_text_tokens(), 0) << body;
  EXPECT_GE(whole.text_output_tokens(), 0) << body;
  return whole;
}
Usage of_json(const std::string& body) { return of(kJson, body); }
Usage of_usage(const std::string& usage) { return of_json(R"({"usage":)" + usage + "}"); }
Usage of_events(const std::vector<std::string>& payloads) { return of(kEvents, events(payloads)); }

TEST(Accounting, Row1_CachedInputIsPartOfTheInputForEveryProvider) {
  const Usage openai =
      of_usage(R"({"prompt_tokens":100,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":60}})");
  EXPECT_EQ(openai.input_tokens, 100);
  EXPECT_EQ(openai.cache_read_tokens, 60);
  EXPECT_EQ(openai.uncached_text_tokens(), 40);
  const Usage anthropic = of_usage(R"({"input_tokens":40,"output_tokens":5,"cache_read_input_tokens":60})");
  EXPECT_EQ(anthropic.input_tokens, 100);
  EXPECT_EQ(anthropic.cache_read_tokens, 60);
  EXPECT_EQ(anthropic.uncached_text_tokens(), 40);
  const Usage responses =
      of_usage(R"({"input_tokens":100,"output_tokens":5,"input_tokens_details":{"cached_tokens":60}})");
  EXPECT_EQ(responses.input_tokens, 100);
  EXPECT_EQ(responses.uncached_text_tokens(), 40);
  // DeepSeek, Moonshot and Mistral state it beside the details or without them.
  for (const char* cached :
       {R"("prompt_cache_hit_tokens":60,"prompt_cache_miss_tokens":40)", R"("cached_tokens":60)",
        R"("num_cached_tokens":60)", R"("cached_tokens":60,"prompt_tokens_details":{"cached_tokens":60})"}) {
    const Usage u = of_usage(std::string(R"({"prompt_tokens":100,"completion_tokens":5,)") + cached + "}");
    EXPECT_EQ(u.input_tokens, 100) << cached;
    EXPECT_EQ(u.cache_read_tokens, 60) << cached;
    EXPECT_FALSE(u.anomalous) << cached;
  }
  EXPECT_EQ(of_usage(R"({"prompt_cache_hit_tokens":60,"prompt_cache_miss_tokens":40})").input_tokens, 100);
}

TEST(Accounting, Row2_CacheWritesKeepTheirLifetimeAndAFlatSumIsFiveMinutesAndEstimated) {
  const Usage split =
      of_usage(R"({"input_tokens":1,"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":10,)"
               R"("ephemeral_1h_input_tokens":20},"output_tokens":2})");
  EXPECT_EQ(split.cache_write_5m_tokens, 10);
  EXPECT_EQ(split.cache_write_1h_tokens, 20);
  EXPECT_EQ(split.input_tokens, 31);
  EXPECT_FALSE(split.estimated);
  const Usage flat = of_usage(R"({"input_tokens":1,"cache_creation_input_tokens":30,"output_tokens":2})");
  EXPECT_EQ(flat.cache_write_5m_tokens, 30);
  EXPECT_TRUE(flat.estimated);
  const Usage later =
      of_events({R"({"message":{"usage":{"input_tokens":1,"cache_creation_input_tokens":30}}})",
                 R"({"usage":{"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":30}}})"});
  EXPECT_EQ(later.cache_write_5m_tokens, 0);
  EXPECT_EQ(later.cache_write_1h_tokens, 30);
  EXPECT_FALSE(later.estimated);
  EXPECT_FALSE(of_usage(R"({"input_tokens":1,"cache_creation_input_tokens":0,"output_tokens":2})").estimated);
}

TEST(Accounting, Row4_CacheWritesOfOpenAiAreABucketOfTheInput) {
  for (const char* details : {"prompt_tokens_details", "input_tokens_details"}) {
    const Usage u = of_usage(std::string(R"({"prompt_tokens":100,"completion_tokens":5,")") + details +
                             R"(":{"cached_tokens":20,"cache_write_tokens":30}})");
    EXPECT_EQ(u.input_tokens, 100);
    EXPECT_EQ(u.cache_write_5m_tokens, 30);
    EXPECT_EQ(u.uncached_text_tokens(), 50);
    EXPECT_FALSE(u.estimated);
  }
}

TEST(Accounting, Row5_CumulativeCountsReplaceAndNeverSum) {
  const std::string start = R"({"type":"message_start","message":{"usage":{"input_tokens":10,"output_tokens":1}}})";
  const Usage u = of_events({start, start, R"({"type":"message_delta","usage":{"output_tokens":5}})",
                             R"({"usage":{"input_tokens":12,"cache_read_input_tokens":8,"output_tokens":9}})",
                             R"({"usage":{"output_tokens":9}})"});
  EXPECT_EQ(u.input_tokens, 20);
  EXPECT_EQ(u.cache_read_tokens, 8);
  EXPECT_EQ(u.output_tokens, 9);
  EXPECT_EQ(u.total_tokens, 29);
}

TEST(Accounting, Row5_IterationsAreNotCountedBesideTheirSum) {
  const Usage u =
      of_usage(R"({"input_tokens":412,"output_tokens":264,"iterations":[{"input_tokens":408,"output_tokens":0},)"
               R"({"input_tokens":412,"output_tokens":264,"cache_read_input_tokens":7}]})");
  EXPECT_EQ(u.input_tokens, 412);
  EXPECT_EQ(u.output_tokens, 264);
}

TEST(Accounting, Row5_ALaterZeroOfAPartReplacesItWithItsWhole) {
  const auto event = [](int output, int reasoning) {
    return R"({"response":{"usage":{"input_tokens":9,"output_tokens":)" + std::to_string(output) +
           R"(,"output_tokens_details":{"reasoning_tokens":)" + std::to_string(reasoning) + "}}}}";
  };
  EXPECT_EQ(of_events({event(100, 64), event(12, 0)}).reasoning_tokens, 0);
  EXPECT_EQ(of_events({event(100, 64), event(0, 0)}).reasoning_tokens, 64);
}

TEST(Accounting, Row6_ZerosAtTheStartGiveWayToLaterCounts) {
  const Usage u = of_events({R"({"message":{"usage":{"input_tokens":0,"output_tokens":0}}})",
                             R"({"usage":{"input_tokens":25,"output_tokens":7}})"});
  EXPECT_EQ(u.input_tokens, 25);
  EXPECT_EQ(u.output_tokens, 7);
}

TEST(Accounting, Row7_TheUsageOfAChatStreamIsInItsLastChunk) {
  EXPECT_EQ(of_events({R"({"model":"m","choices":[{}],"usage":null})",
                       R"({"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}})", "[DONE]"})
                .total_tokens,
            7);
  EXPECT_FALSE(of_events({R"({"model":"m","choices":[{}],"usage":null})", "[DONE]"}).seen);
  RequestReader r;
  for (const auto& [options, flag] :
       {std::pair(R"({"include_usage":true})", Flag::yes), std::pair(R"({"include_usage":false})", Flag::no),
        std::pair(R"({"include_usage":null})", Flag::absent), std::pair(R"({})", Flag::absent),
        std::pair("null", Flag::absent)}) {
    r.reset();
    r.push(std::string(R"({"stream":true,"stream_options":)") + options + "}");
    EXPECT_EQ(r.include_usage(), flag) << options;
  }
}

TEST(Accounting, Row8_TheUsageOfAResponsesStreamIsInWhicheverEventEndsIt) {
  for (const char* type : {"response.completed", "response.incomplete", "response.failed"}) {
    const std::string end = std::string(R"({"response":{"id":"r","usage":{"input_tokens":3,"output_tokens":4,)") +
                            R"("output_tokens_details":{"reasoning_tokens":2}}},"type":")" + type + "\"}";
    const Usage u = of_events({R"({"type":"response.created","response":{"model":"m","usage":null}})", end, end});
    EXPECT_EQ(u.total_tokens, 7) << type;
    EXPECT_EQ(u.reasoning_tokens, 2) << type;
  }
}

TEST(Accounting, Row11_ReasoningIsOutputAndTheTotalTellsWhetherItIsCountedBesideIt) {
  const auto usage = [](int completion, int total) {
    return R"({"prompt_tokens":10,"completion_tokens":)" + std::to_string(completion) +
           (total > 0 ? R"(,"total_tokens":)" + std::to_string(total) : "") +
           R"(,"completion_tokens_details":{"reasoning_tokens":30}})";
  };
  const Usage within = of_usage(usage(40, 50));
  EXPECT_EQ(within.output_tokens, 40);
  EXPECT_EQ(within.text_output_tokens(), 10);
  const Usage beside = of_usage(usage(5, 45));
  EXPECT_EQ(beside.output_tokens, 35);
  EXPECT_EQ(beside.reasoning_tokens, 30);
  EXPECT_EQ(beside.text_output_tokens(), 5);
  EXPECT_EQ(beside.total_tokens, 45);
  EXPECT_FALSE(beside.anomalous);
  const Usage thinking =
      of_usage(R"({"input_tokens":1,"output_tokens":9,"output_tokens_details":{"thinking_tokens":4}})");
  EXPECT_EQ(thinking.reasoning_tokens, 4);
  EXPECT_EQ(thinking.output_tokens, 9);
  const Usage untold = of_usage(usage(5, 0));
  EXPECT_EQ(untold.output_tokens, 5);
  EXPECT_EQ(untold.reasoning_tokens, 5);
  EXPECT_TRUE(untold.anomalous);
}

TEST(Accounting, Row12_AudioAndImagesHaveTheirBucketsCachedAndNot) {
  const Usage u =
      of_usage(R"({"input_tokens":100,"output_tokens":50,"input_token_details":{"text_tokens":50,"audio_tokens":30,)"
               R"("image_tokens":20,"cached_tokens":36,"cached_tokens_details":{"text_tokens":20,"audio_tokens":10,)"
               R"("image_tokens":6}},"output_token_details":{"text_tokens":10,"audio_tokens":40}})");
  EXPECT_EQ(u.cache_read_tokens, 20);
  EXPECT_EQ(u.cache_read_audio_tokens, 10);
  EXPECT_EQ(u.cache_read_image_tokens, 6);
  EXPECT_EQ(u.input_audio_tokens, 20);
  EXPECT_EQ(u.input_image_tokens, 14);
  EXPECT_EQ(u.uncached_text_tokens(), 30);
  EXPECT_EQ(u.output_audio_tokens, 40);
  EXPECT_EQ(u.text_output_tokens(), 10);
  const Usage untold =
      of_usage(R"({"prompt_tokens":100,"prompt_tokens_details":{"audio_tokens":80,"cached_tokens":50}})");
  EXPECT_EQ(untold.cache_read_tokens, 50);
  EXPECT_EQ(untold.input_audio_tokens, 50);
  EXPECT_TRUE(untold.estimated);
  EXPECT_FALSE(untold.anomalous);
}

TEST(Accounting, Row12_TheOutputOfTheImagesApiIsImages) {
  const std::string usage = R"("usage":{"input_tokens":50,"output_tokens":1000,"total_tokens":1050,)"
                            R"("input_tokens_details":{"text_tokens":10,"image_tokens":40})";
  const Usage plain = of_json(R"({"created":1,"data":[{"b64_json":"AAAA"}],)" + usage + "}}");
  EXPECT_EQ(plain.input_image_tokens, 40);
  EXPECT_EQ(plain.output_image_tokens, 1000);
  const Usage stream = of_events({R"({"type":"image_generation.partial_image","b64_json":"AAAA"})",
                                  R"({"type":"image_generation.completed",)" + usage +
                                      R"(,"output_tokens_details":{"image_tokens":900,"text_tokens":100}}})"});
  EXPECT_EQ(stream.output_image_tokens, 900);
  EXPECT_EQ(stream.text_output_tokens(), 100);
}

TEST(Accounting, Row12_SpeechAndTranscriptionsCountTokensOrTime) {
  EXPECT_EQ(
      of_events({R"({"type":"speech.audio.delta","audio":"AAAA"})",
                 R"({"type":"speech.audio.done","usage":{"input_tokens":14,"output_tokens":101,"total_tokens":115}})"})
          .total_tokens,
      115);
  const std::string tokens =
      R"("usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":4,"audio_tokens":10},)"
      R"("output_tokens":31,"total_tokens":45}})";
  for (const Usage& u : {of_json(R"({"text":"hello",)" + tokens),
                         of_events({R"({"type":"transcript.text.done","text":"hello",)" + tokens})}) {
    EXPECT_EQ(u.input_audio_tokens, 10);
    EXPECT_EQ(u.uncached_text_tokens(), 4);
    EXPECT_EQ(u.output_tokens, 31);
  }
  for (const auto& [seconds, ms] :
       {std::pair("27", 27000), std::pair("8.4705", 8471), std::pair("1.5e1", 15000), std::pair("0.0004", 0)}) {
    const Usage u = of_json(R"({"text":"x","usage":{"type":"duration","seconds":)" + std::string(seconds) + "}}");
    EXPECT_EQ(u.audio_ms, ms) << seconds;
    EXPECT_EQ(u.total_tokens, 0);
    EXPECT_TRUE(u.seen);
    EXPECT_FALSE(u.anomalous) << seconds;
  }
}

TEST(Accounting, Row14_TheTierThatWasServedIsReadBesideTheOneAskedFor) {
  RequestReader request;
  request.push(R"({"model":"m","service_tier":"priority"})");
  EXPECT_EQ(request.service_tier(), "priority");
  UsageReader r;
  const auto tier = [&r](const char* type, const std::string& body) {
    r.begin(type, "");
    r.push(body);
    r.finish();
    return std::string(r.service_tier());
  };
  EXPECT_EQ(tier(kJson, R"({"service_tier":"default","usage":{"prompt_tokens":1}})"), "default");
  EXPECT_EQ(tier(kJson, R"({"usage":{"input_tokens":1,"service_tier":"standard","inference_geo":"us"}})"), "standard");
  EXPECT_EQ(r.inference_geo(), "us");
  EXPECT_EQ(tier(kEvents, events({R"({"response":{"model":"m","service_tier":"auto"}})",
                                  R"({"response":{"service_tier":"flex","usage":{"input_tokens":1}}})"})),
            "flex");
  EXPECT_EQ(tier(kJson, R"({"service_tier":null,"usage":{"prompt_tokens":1}})"), "");
}

TEST(Accounting, Row17_ToolsThatAreSoldByThePieceAreCounted) {
  EXPECT_EQ(
      of_usage(R"({"input_tokens":1,"output_tokens":1,"server_tool_use":{"web_search_requests":3}})").web_searches, 3);
  const std::string output =
      R"("output":[{"type":"reasoning"},{"type":"web_search_call","action":{"type":"search","query":"usage"}},)"
      R"({"action":{"type":"open_page"},"type":"web_search_call"},{"type":"file_search_call"},)"
      R"({"type":"code_interpreter_call"},7,{"type":"web_search_call"}])";
  const std::string usage = R"(,"usage":{"input_tokens":5,"output_tokens":6}})";
  const Usage plain = of_json("{" + output + usage);
  EXPECT_EQ(plain.web_searches, 2);
  EXPECT_EQ(plain.file_searches, 1);
  EXPECT_EQ(plain.code_executions, 1);
  EXPECT_EQ(plain.total_tokens, 11);
  EXPECT_EQ(of_usage(R"({"prompt_tokens":1,"completion_tokens":1,"num_sources_used":5})").web_searches, 5);
}

TEST(Accounting, Row17_AToolCallOfAStreamCountsOnceThoughItsItemAndTheResponseTellOfIt) {
  const std::string first = R"({"type":"response.created","response":{"model":"m","usage":null}})";
  const auto item = [](int index, const char* type) {
    return R"({"type":"response.output_item.done","output_index":)" + std::to_string(index) +
           R"(,"item":{"id":"i","type":")" + type + "\"}}";
  };
  const auto end = [](const char* output) {
    return std::string(R"({"type":"response.completed","response":{"output":)") + output +
           R"(,"usage":{"input_tokens":5,"output_tokens":6}}})";
  };
  const std::string one = item(0, "web_search_call");
  const std::string two = item(2, "web_search_call");
  EXPECT_EQ(of_events({first, one, one, item(1, "message"), two}).web_searches, 2);
  EXPECT_EQ(of_events({first, one, two, end("[]")}).web_searches, 2);
  const Usage both = of_events({first, one, two, end(R"([{"type":"web_search_call"},{"type":"web_search_call"}])")});
  EXPECT_EQ(both.web_searches, 2);
  EXPECT_EQ(both.total_tokens, 11);
  EXPECT_EQ(of_events({first, item(900, "web_search_call"), item(-1, "web_search_call")}).web_searches, 0);
}

TEST(Accounting, Row18_TheModelOfTheAnswerIsReadAlways) {
  UsageReader r;
  r.begin(kEvents, "");
  r.push(events({R"({"model":"","choices":[]})", R"({"model":"gpt-5-nano-2025","choices":[{}]})", R"({"model":"x"})"}));
  r.finish();
  EXPECT_EQ(r.model(), "gpt-5-nano-2025");
}

TEST(Accounting, Row19_CountsOfApisThatAreNotReadCountNothing) {
  EXPECT_EQ(of_json(R"({"usage":{"inputTokens":5,"outputTokens":6,"cacheReadInputTokens":7}})").total_tokens, 0);
}

TEST(Accounting, Row21_AProvidersOwnCostIsTakenExactly) {
  for (const auto& [cost, nano] :
       {std::pair("0.00014", 140'000L), std::pair("0.000000001", 1L), std::pair("1.5e-05", 15'000L),
        std::pair("0.0000000005", 1L), std::pair("0.00000000049", 0L), std::pair("12", 12'000'000'000L),
        std::pair("0.1234567894", 123'456'789L), std::pair("0", 0L)}) {
    const Usage u = of_usage(R"({"prompt_tokens":1,"completion_tokens":1,"cost":)" + std::string(cost) + "}");
    EXPECT_EQ(u.provider_cost_nano_usd, nano) << cost;
  }
  const std::string start = R"({"prompt_tokens":1,"completion_tokens":1,"cost":0.00001,"is_byok":)";
  const std::string details = R"(,"cost_details":{"upstream_inference_cost":0.0002})";
  EXPECT_EQ(of_usage(start + "false" + details + "}").provider_cost_nano_usd, 10'000);
  EXPECT_EQ(of_usage(start + "true" + details + "}").provider_cost_nano_usd, 210'000);
  EXPECT_EQ(of_usage(start + "true}").provider_cost_nano_usd, Usage::kNoCost);
  EXPECT_EQ(of_usage(R"({"prompt_tokens":1,"cost_in_usd_ticks":1466250})").provider_cost_nano_usd, 146'625);
  EXPECT_EQ(of_usage(R"({"prompt_tokens":1,"cost":null})").provider_cost_nano_usd, Usage::kNoCost);
  for (const char* absurd : {"-1", "-0.000001", "1e308"}) {
    const Usage u = of_usage(R"({"prompt_tokens":1,"cost":)" + std::string(absurd) + "}");
    EXPECT_EQ(u.provider_cost_nano_usd, Usage::kNoCost) << absurd << ": the computed cost stands";
    EXPECT_TRUE(u.anomalous) << absurd;
  }
}

TEST(Accounting, Row23_CountsThatCannotBeAreClampedAndSaidToBeAnomalous) {
  for (
      const char* bad : {
          R"({"prompt_tokens":-5,"completion_tokens":2})",
          R"({"prompt_tokens":1.5,"completion_tokens":2})",
          R"({"prompt_tokens":9007199254740992})",
          R"({"prompt_tokens":10,"prompt_tokens_details":{"cached_tokens":11}})",
          R"({"prompt_tokens":10,"prompt_tokens_details":{"audio_tokens":11}})",
          R"({"prompt_tokens":10,"prompt_tokens_details":{"cached_tokens":4,"cached_tokens_details":{"audio_tokens":5}}})",
          R"({"prompt_tokens":10,"prompt_tokens_details":{"cached_tokens":6,"cache_write_tokens":6}})",
          R"({"completion_tokens":10,"total_tokens":10,"completion_tokens_details":{"reasoning_tokens":11}})",
          R"({"completion_tokens":10,"completion_tokens_details":{"audio_tokens":6,"image_tokens":6}})",
          R"({"prompt_tokens":10,"completion_tokens":10,"total_tokens":19})",
          R"({"input_tokens":1,"cache_creation_input_tokens":5,"cache_creation":{"ephemeral_1h_input_tokens":6}})",
          R"({"prompt_tokens":1,"cost":-0.1})",
          R"({"seconds":-1})",
      })
    EXPECT_TRUE(of_usage(bad).anomalous) << bad;
  EXPECT_FALSE(of_usage(R"({"prompt_tokens":10,"completion_tokens":10,"total_tokens":25})").anomalous);
  const Usage u = of_usage(R"({"prompt_tokens":-5,"completion_tokens":2})");
  EXPECT_EQ(u.input_tokens, 0);
  EXPECT_EQ(u.total_tokens, 2);
}

TEST(Accounting, Row23_ATotalFarAboveItsPartsIsNotBelieved) {
  const Usage u = of_usage(R"({"prompt_tokens":10,"completion_tokens":5,"total_tokens":9000000})");
  EXPECT_EQ(u.total_tokens, 15);
  EXPECT_TRUE(u.anomalous);
  const Usage embedding = of_usage(R"({"prompt_tokens":8,"total_tokens":800})");
  EXPECT_EQ(embedding.total_tokens, 8);
  EXPECT_TRUE(embedding.anomalous);
  const Usage twice = of_usage(R"({"prompt_tokens":10,"completion_tokens":5,"total_tokens":31})");
  EXPECT_EQ(twice.total_tokens, 31);
  EXPECT_FALSE(twice.anomalous);
  const Usage thinking = of_usage(R"({"prompt_tokens":20,"completion_tokens":198,"total_tokens":623})");
  EXPECT_EQ(thinking.total_tokens, 623) << "what the model thought may be in the total alone";
  EXPECT_TRUE(thinking.anomalous) << "and has no price then";
  const Usage alone = of_usage(R"({"total_tokens":800})");
  EXPECT_EQ(alone.total_tokens, 800) << "nothing contradicts it";
  EXPECT_FALSE(alone.anomalous);
  EXPECT_EQ(of_events({R"({"usage":{"prompt_tokens":10,"total_tokens":9000000}})",
                       R"({"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12}})"}),
            (Usage{.input_tokens = 10, .output_tokens = 2, .total_tokens = 12, .seen = true}))
      << "a later event puts it right";
}

TEST(Accounting, Row23_CountsInQuotesAreReadWhenTheyAreDigits) {
  const Usage u = of_usage(
      R"({"prompt_tokens":"100","completion_tokens":"007","total_tokens":"107","cost":"0.00014","seconds":"1.5",)"
      R"("prompt_tokens_details":{"cached_tokens":"6\u0030"}})");
  EXPECT_EQ(u, (Usage{.input_tokens = 100,
                      .output_tokens = 7,
                      .total_tokens = 107,
                      .cache_read_tokens = 60,
                      .audio_ms = 1500,
                      .provider_cost_nano_usd = 140'000,
                      .seen = true}));
  EXPECT_EQ(of_json(R"({"eval_count":"7","prompt_eval_count":"20"})").total_tokens, 27);
}

TEST(Accounting, Row23_AnyOtherTextInTheirPlaceIsAnAnomalyAndNoCount) {
  const std::string long_digits(60, '1');
  for (const std::string& text :
       {std::string("many"), std::string(), std::string("-5"), std::string("1.5"), std::string("1e3"),
        std::string(" 5"), std::string("5 "), std::string("0x10"), std::string("5\\u0000"), long_digits}) {
    const Usage u = of_usage(R"({"prompt_tokens":")" + text + R"(","completion_tokens":2})");
    EXPECT_EQ(u.input_tokens, 0) << text;
    EXPECT_EQ(u.output_tokens, 2) << text;
    EXPECT_TRUE(u.anomalous) << text;
  }
  EXPECT_FALSE(of_usage(R"({"prompt_tokens":"x","prompt_tokens":3})").anomalous) << "the last duplicate counts";
  EXPECT_FALSE(of_usage(R"({"prompt_tokens":3,"completion_tokens":null,"cost":{"total":"x"}})").anomalous);
  EXPECT_EQ(of_usage(R"({"prompt_tokens":3,"cost":"free"})").provider_cost_nano_usd, Usage::kNoCost);
}

TEST(Accounting, Row27_CompressedAnswersAreRead) {
  const std::string body = events({R"({"model":"m"})", R"({"usage":{"prompt_tokens":3,"completion_tokens":4}})"});
  for (const char* coding : {"gzip", "deflate", "br", "zstd"})
    EXPECT_EQ(read_usage(kEvents, test::encode(coding, body), {}, coding).total_tokens, 7) << coding;
}

TEST(Accounting, Row28_UsageBehindAnyAmountOfContentIsRead) {
  const std::string filler(3 << 20, 'x');
  const std::string body = R"({"choices":[{"text":")" + filler + R"("}],"usage":{"prompt_tokens":3}})";
  EXPECT_EQ(read_usage(kJson, body, test::cuts_every(16384, body.size())).input_tokens, 3);
}

TEST(Accounting, AnswersThatAreNotBilledCountNothing) {
  for (const char* body : {
           R"({"input_tokens":2095})",  // count_tokens
           R"({"object":"response.input_tokens","input_tokens":11})",
           R"({"id":"batch_1","object":"batch","status":"completed","usage":{"input_tokens":9,"output_tokens":9}})",
           R"({"usage":{"input_tokens":9,"output_tokens":9},"object":"batch"})",
           R"({"id":"msgbatch_1","type":"message_batch","request_counts":{"succeeded":2}})",
           R"({"id":"modr-1","model":"omni-moderation","results":[{"flagged":false}]})",
           R"({"object":"list","data":[{"id":"file-1","bytes":5}]})",
           R"({"object":"list","data":[{"id":"gpt-5","object":"model"}]})",
           R"({"object":"list","data":[{"object":"batch","usage":{"input_tokens":9}}]})",
           R"({"error":{"message":"usage","type":"x"}})",
       })
    EXPECT_EQ(of_json(body), Usage{}) << body;
  EXPECT_EQ(of("audio/mpeg", "ID3\x04 anything"), Usage{});
}

TEST(Accounting, EmbeddingsHaveInputOnly) {
  const Usage u =
      of_json(R"({"object":"list","data":[{"embedding":[0.1]}],"usage":{"prompt_tokens":8,"total_tokens":8}})");
  EXPECT_EQ(u.input_tokens, 8);
  EXPECT_EQ(u.output_tokens, 0);
  EXPECT_EQ(u.total_tokens, 8);
}

TEST(Accounting, GroqsUsageCountsOnceWhereverItStands) {
  const std::string groq = R"({"x_groq":{"id":"q","usage":{"prompt_tokens":3,"completion_tokens":4}}})";
  EXPECT_EQ(of_events({groq}).total_tokens, 7);
  EXPECT_EQ(of_events({groq, R"({"usage":{"prompt_tokens":3,"completion_tokens":4}})"}).total_tokens, 7);
}

TEST(Accounting, OllamasOwnApiCountsInItsLastLine) {
  const std::string last =
      R"({"model":"llama3.2","done":true,"total_duration":1,"prompt_eval_count":26,"eval_count":298})";
  const std::string lines =
      "{\"model\":\"llama3.2\",\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"done\":false}\n" + last + "\n";
  for (const Usage& u : {of("application/x-ndjson", lines), of_json(last)}) {
    EXPECT_EQ(u.input_tokens, 26);
    EXPECT_EQ(u.output_tokens, 298);
  }
}

TEST(Accounting, TheBucketsAreDisjointAndAddUpWhateverIsReported) {
  Random random(23);
  static constexpr const char* kDetails[] = {"cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens",
                                             "reasoning_tokens"};
  const auto number = [&random] {
    static constexpr const char* kOdd[] = {"-7", "1e300", "2.5", "0", "9007199254740993"};
    return random.one_in(8) ? std::string(kOdd[random.below(5)]) : std::to_string(random.below(100));
  };
  const auto details = [&](const char* name) {
    std::string s = std::string(",\"") + name + "\":{\"a\":0";
    for (const char* key : kDetails)
      if (random.one_in(2)) s += std::string(",\"") + key + "\":" + number();
    if (random.one_in(3)) s += R"(,"cached_tokens_details":{"audio_tokens":)" + number() + "}";
    return s + "}";
  };
  for (int round = 0; round < 4000; ++round) {
    std::vector<std::string> payloads;
    for (std::size_t i = 1 + random.below(3); i > 0; --i) {
      std::string s = R"({"model":"m","usage":{"b":0)";
      for (const char* key : {"prompt_tokens", "input_tokens", "completion_tokens", "output_tokens", "total_tokens",
                              "cache_read_input_tokens", "cache_creation_input_tokens", "cached_tokens"})
        if (random.one_in(2)) s += std::string(",\"") + key + "\":" + number();
      if (random.one_in(2)) s += details(random.one_in(2) ? "prompt_tokens_details" : "input_tokens_details");
      if (random.one_in(2)) s += details("completion_tokens_details");
      payloads.push_back(s + "}}");
    }
    const Usage u = read_usage(kEvents, events(payloads));
    ASSERT_GE(u.uncached_text_tokens(), 0) << events(payloads);
    ASSERT_GE(u.text_output_tokens(), 0) << events(payloads);
    ASSERT_GE(u.total_tokens, u.input_tokens) << events(payloads);
    for (const std::int64_t part :
         {u.cache_read_tokens, u.cache_read_audio_tokens, u.cache_read_image_tokens, u.cache_write_5m_tokens,
          u.cache_write_1h_tokens, u.input_audio_tokens, u.input_image_tokens, u.reasoning_tokens,
          u.output_audio_tokens, u.output_image_tokens}) {
      ASSERT_GE(part, 0) << events(payloads);
      ASSERT_LE(part, kMaxTokens) << events(payloads);
    }
  }
}

}  // namespace
}  // namespace gw::provider
