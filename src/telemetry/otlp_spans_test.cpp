#include "telemetry/otlp_spans.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "telemetry/otlp_json.h"
#include "telemetry/otlp_test_read.h"
#include "telemetry/span_lane.h"

namespace gw::telemetry::otlp {
namespace {

struct Exchange {
  SpanHead head;
  std::array<std::string_view, kSpanTexts> texts{};

  Exchange() {
    head.trace_id = {0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36};
    head.base_id = {0xaa, 0, 0, 0, 0, 0, 0, 0x10};
    head.started_ns = 1'000'000;
    head.end_ns = 900;
    head.auth = AuthResult::allow;
    head.route = RouteKind::provider;
    head.route_ns = 100;
    head.call_ns = 150;
    head.call_end_ns = 800;
    head.enqueue = EnqueueResult::accepted;
    head.enqueue_ns = 600;
    head.enqueue_end_ns = 650;
    head.status = head.call_status = 200;
    head.request_bytes = 11;
    head.response_bytes = 22;
    set(SpanText::method, "POST");
    set(SpanText::target, "/ai/v1/chat?x=1");
    set(SpanText::host, "gw.example:8080");
    set(SpanText::provider, "openai");
    set(SpanText::prefix, "/ai");
    set(SpanText::model, "gpt-4o");
    set(SpanText::call_target, "/base/v1/chat?key=configured&x=1");
    set(SpanText::call_host, "[::1]:9999");
  }
  void set(SpanText which, std::string_view text) { texts[static_cast<std::size_t>(which)] = text; }
  void push(SpanLane& lane) {
    SpanTexts record;
    for (std::size_t i = 0; i < kSpanTexts; ++i) record.set(static_cast<SpanText>(i), texts[i]);
    lane.push(head, record);
  }
};

/// What an export of it holds, by name.
std::map<std::string, Span> spans_of_exchange(Exchange& e, SpanOptions options = {}) {
  SpanLane lane(64 * 1024, 1, 64 * 1024, [] {});
  e.push(lane);
  if (options.prefixes == nullptr)
    options.prefixes = std::make_shared<const RoutePrefixes>(std::vector<std::string>{"/ai", "/base"});
  SpanEncoder encoder(std::move(options));
  encoder.add(SpanRecord(lane.ring().front()));
  std::map<std::string, Span> out;
  for (Span& s : spans_of(to_json(Signal::traces, taken(encoder)))) {
    const std::string name = s.get("name");
    out.emplace(name, std::move(s));
  }
  return out;
}

TEST(OtlpSpans, AnExchangeIsFiveSpansOfOneTrace) {
  Exchange e;
  const auto spans = spans_of_exchange(e);
  ASSERT_EQ(spans.size(), 5U);
  const std::map<std::string, std::array<std::string, 4>> expected = {
      // id, parent, kind, times
      {"POST /ai/*", {"aa00000000000010", "absent", "2", "1000000 1000900"}},
      {"gateway.auth", {"aa00000000000011", "aa00000000000010", "1", "1000000 1000900"}},
      {"gateway.route", {"aa00000000000012", "aa00000000000011", "1", "1000100 1000900"}},
      {"proxy POST /base/*", {"aa00000000000013", "aa00000000000012", "3", "1000150 1000800"}},
      {"gateway.trace.enqueue", {"aa00000000000014", "aa00000000000011", "1", "1000600 1000650"}}};
  for (const auto& [name, facts] : expected) {
    ASSERT_TRUE(spans.contains(name)) << name;
    const Span& s = spans.at(name);
    EXPECT_EQ(s.get("traceId"), "4bf92f3577b34da6a3ce929d0e0e4736") << name;
    EXPECT_EQ(s.get("spanId"), facts[0]) << name;
    EXPECT_EQ(s.get("parentSpanId"), facts[1]) << name;
    EXPECT_EQ(s.get("kind"), facts[2]) << name;
    EXPECT_EQ(s.get("startTimeUnixNano") + " " + s.get("endTimeUnixNano"), facts[3]) << name;
    EXPECT_EQ(s.get("status"), "absent") << name;
  }
}

TEST(OtlpSpans, ARemoteParentIsNamedWithItsState) {
  Exchange e;
  e.head.parent_id = {1, 2, 3, 4, 5, 6, 7, 8};
  e.head.remote_parent = true;
  e.set(SpanText::trace_state, "a=1,b=2");
  const auto spans = spans_of_exchange(e);
  EXPECT_EQ(spans.at("POST /ai/*").get("parentSpanId"), "0102030405060708");
  EXPECT_EQ(spans.at("POST /ai/*").get("flags"), std::to_string(0x301));
  EXPECT_EQ(spans.at("gateway.auth").get("flags"), std::to_string(0x101));
  for (const auto& [name, s] : spans) EXPECT_EQ(s.get("traceState"), "a=1,b=2") << name;
}

TEST(OtlpSpans, TheServerSpanSaysWhatWasAskedAndAnswered) {
  Exchange e;
  e.set(SpanText::peer, "10.0.0.7");
  e.set(SpanText::user_agent, "curl/8");
  e.set(SpanText::forwarded_for, " 1.2.3.4 , 5.6.7.8");
  e.set(SpanText::org, "acme");
  e.set(SpanText::key_id, "k1");
  e.set(SpanText::role, "owner");
  e.set(SpanText::correlation_id, "c-1");
  const Span s = spans_of_exchange(e).at("POST /ai/*");
  const std::map<std::string, std::string> expected = {{"http.method", "POST"},
                                                       {"http.scheme", "http"},
                                                       {"net.host.name", "gw.example"},
                                                       {"net.host.port", "8080"},
                                                       {"net.sock.peer.addr", "10.0.0.7"},
                                                       {"user_agent.original", "curl/8"},
                                                       {"http.client_ip", "1.2.3.4"},
                                                       {"http.target", "/ai/v1/chat"},
                                                       {"net.protocol.version", "1.1"},
                                                       {"http.request_content_length", "11"},
                                                       {"http.response_content_length", "22"},
                                                       {"http.status_code", "200"},
                                                       {"gateway.provider", "openai"},
                                                       {"gateway.model", "gpt-4o"},
                                                       {"gateway.org_id", "acme"},
                                                       {"gateway.workspace_id", "unknown"},
                                                       {"gateway.route", "/ai/*"},
                                                       {"gateway.key_id", "k1"},
                                                       {"gateway.role", "owner"},
                                                       {"gateway.correlation_id", "c-1"},
                                                       {"http.read_error", "absent"},
                                                       {"http.write_error", "absent"}};
  for (const auto& [key, value] : expected) EXPECT_EQ(s.attribute(key), value) << key;
}

TEST(OtlpSpans, TheCallShowsTheClientsQueryAndNotTheConfiguredOne) {
  Exchange e;
  const Span s = spans_of_exchange(e).at("proxy POST /base/*");
  EXPECT_EQ(s.attribute("http.url"), "http://[::1]:9999/base/v1/chat?x=1");
  EXPECT_EQ(s.attribute("net.peer.name"), "::1");
  EXPECT_EQ(s.attribute("net.peer.port"), "9999");
  EXPECT_EQ(s.attribute("http.status_code"), "200");
}

TEST(OtlpSpans, ACallThroughAForwardProxyIsNamedByItsPath) {
  Exchange e;
  e.set(SpanText::call_target, "http://up.example/v1/chat?x=1");
  e.set(SpanText::call_host, "up.example");
  const Span s = spans_of_exchange(e).at("proxy POST /other");
  EXPECT_EQ(s.attribute("http.url"), "http://up.example/v1/chat?x=1");
}

TEST(OtlpSpans, AFailedCallIsAnErrorWithItsEvent) {
  Exchange e;
  e.head.call_status = 0;
  e.head.status = 502;
  e.set(SpanText::error, "connection refused");
  const auto spans = spans_of_exchange(e);
  const Span& call = spans.at("proxy POST /base/*");
  EXPECT_EQ(call.get("status"), R"({"message":"connection refused","code":2})");
  EXPECT_EQ(call.get("events/0/name"), "exception");
  EXPECT_EQ(call.get("events/0/attributes/1/value/stringValue"), "connection refused");
  EXPECT_EQ(call.attribute("http.status_code"), "absent");
  EXPECT_EQ(spans.at("gateway.route").get("status"), R"({"message":"http 502","code":2})");
  EXPECT_EQ(spans.at("gateway.auth").get("status"), R"({"message":"http 502","code":2})");
  EXPECT_EQ(spans.at("gateway.auth").attribute("gateway.auth.result"), "allow");
  EXPECT_EQ(spans.at("POST /ai/*").get("status"), R"({"code":2})");
}

TEST(OtlpSpans, AnAnswerOfTheProviderThatRefusesIsItsErrorAlone) {
  Exchange e;
  e.head.status = e.head.call_status = 401;
  const auto spans = spans_of_exchange(e);
  EXPECT_EQ(spans.at("proxy POST /base/*").get("status"), R"({"code":2})");
  EXPECT_EQ(spans.at("gateway.auth").attribute("gateway.auth.result"), "allow");
  for (const char* name : {"gateway.auth", "gateway.route", "POST /ai/*"})
    EXPECT_EQ(spans.at(name).get("status"), "absent") << name;
}

TEST(OtlpSpans, ARefusalEndsAtAuth) {
  for (const auto& [result, reason] :
       {std::pair{AuthResult::unauthorized, "unauthorized"}, std::pair{AuthResult::forbidden, "forbidden"}}) {
    Exchange e;
    e.head.auth = result;
    e.head.route = RouteKind::none;
    e.head.call_ns = 0;
    e.head.enqueue = EnqueueResult::none;
    e.head.status = 401;
    const auto spans = spans_of_exchange(e);
    EXPECT_EQ(spans.size(), 2U);
    const Span& auth = spans.at("gateway.auth");
    EXPECT_EQ(auth.attribute("gateway.auth.result"), "deny");
    EXPECT_EQ(auth.attribute("gateway.auth.deny_reason"), reason);
    EXPECT_EQ(auth.get("status"), std::string(R"({"message":")") + reason + R"(","code":2})");
  }
}

TEST(OtlpSpans, APathWithoutRouteIsOfTheApiOrOther) {
  for (const auto& [target, name] : {std::pair{"/api/traces?limit=1", "GET /api/*"}, std::pair{"/apiary", "GET /other"},
                                     std::pair{"*", "GET /other"}, std::pair{"http://gw/api", "GET /api/*"}}) {
    Exchange e;
    e.set(SpanText::method, "GET");
    e.set(SpanText::prefix, "");
    e.set(SpanText::provider, "");
    e.set(SpanText::target, target);
    e.head.route = RouteKind::api;
    const auto spans = spans_of_exchange(e);
    ASSERT_TRUE(spans.contains(name)) << target;
    EXPECT_EQ(spans.at("gateway.route").attribute("gateway.route.prefix"), "/");
    EXPECT_EQ(spans.at("gateway.route").attribute("gateway.route.provider"), "unknown");
  }
}

TEST(OtlpSpans, ADroppedTraceIsAnError) {
  Exchange e;
  e.head.enqueue = EnqueueResult::dropped;
  const Span s = spans_of_exchange(e).at("gateway.trace.enqueue");
  EXPECT_EQ(s.attribute("gateway.trace.enqueue.result"), "dropped");
  EXPECT_EQ(s.attribute("gateway.model"), "gpt-4o");
  EXPECT_EQ(s.get("status"), R"({"message":"trace dropped","code":2})");
}

TEST(OtlpSpans, AWrittenBatchIsATraceOfItsOwn) {
  Exchange e;
  e.texts = {};
  e.head.kind = RecordKind::write;
  e.head.batch_size = 7;
  Span s = spans_of_exchange(e).at("gateway.trace.write");
  EXPECT_EQ(s.get("parentSpanId"), "absent");
  EXPECT_EQ(s.attribute("gateway.trace.write.batch_size"), "7");
  EXPECT_EQ(s.attribute("gateway.route"), "/other");
  EXPECT_EQ(s.get("status"), "absent");
  e.set(SpanText::error, "constraint");
  s = spans_of_exchange(e).at("gateway.trace.write");
  EXPECT_EQ(s.attribute("gateway.trace.write.error_class"), "constraint");
  EXPECT_EQ(s.get("status"), R"({"message":"write failed","code":2})");
}

std::string_view without_secret(std::string_view text, std::string& scratch) {
  if (text.find("s3cret") == std::string_view::npos) return text;
  scratch.assign(text);
  for (std::size_t at = 0; (at = scratch.find("s3cret")) != std::string::npos;) scratch.replace(at, 6, "***");
  return scratch;
}

TEST(OtlpSpans, EveryTextIsScrubbedAndSoundUtf8) {
  Exchange e;
  std::vector<std::string> texts;
  texts.reserve(kSpanTexts);
  for (std::size_t i = 0; i < kSpanTexts; ++i) texts.push_back("/x\xff/s3cret" + std::to_string(i));
  for (std::size_t i = 0; i < kSpanTexts; ++i) e.texts[i] = texts[i];
  const auto spans = spans_of_exchange(e, {.resource = {}, .prefixes = {}, .scrub = without_secret});
  EXPECT_EQ(spans.size(), 5U);
  for (const auto& [name, s] : spans) {
    const std::string attributes = s.get("attributes") + s.get("status") + s.get("events");
    EXPECT_EQ(attributes.find("s3cret"), std::string::npos) << attributes;
    EXPECT_EQ(attributes.find('\xff'), std::string::npos);
  }
}

TEST(OtlpSpans, ACorrelationIdIsCleanedUnlessItIsTheGatewaysOwn) {
  Exchange e;
  e.set(SpanText::correlation_id, "corr-s3cret");
  for (const auto& [own, shown] : {std::pair{false, "corr-***"}, std::pair{true, "corr-s3cret"}}) {
    e.head.own_correlation_id = own;
    const auto spans = spans_of_exchange(e, {.resource = {}, .prefixes = {}, .scrub = without_secret});
    for (const char* name : {"POST /ai/*", "gateway.auth"})
      EXPECT_EQ(spans.at(name).attribute("gateway.correlation_id"), shown) << name;
  }
}

TEST(OtlpSpans, ASpanMayBeAsShortOrAsLongAsItIs) {
  Exchange e;
  e.head.kind = RecordKind::enqueue;
  e.head.enqueue = EnqueueResult::dropped;
  Span s = spans_of_exchange(e).at("gateway.trace.enqueue");
  EXPECT_EQ(s.attribute("gateway.trace.enqueue.result"), "dropped");

  std::vector<std::string> texts;
  texts.reserve(kSpanTexts);
  for (std::size_t i = 0; i < kSpanTexts; ++i) texts.emplace_back(kMostSpanText, static_cast<char>('a' + i));
  for (std::size_t i = 0; i < kLastingTexts; ++i) e.texts[i] = texts[i];
  e.head.kind = RecordKind::exchange;
  e.head.status = 599;
  const auto spans = spans_of_exchange(e);
  EXPECT_EQ(spans.size(), 5U);
  std::size_t longest = 0;
  for (const auto& [name, span] : spans) {
    EXPECT_EQ(span.get("traceId"), "4bf92f3577b34da6a3ce929d0e0e4736");
    longest = std::max(longest, span.json.size());
  }
  EXPECT_GT(longest, 18'000U) << "its length takes three bytes";
}

TEST(OtlpSpans, PatternsAreThoseOfTheRoutesThatAReloadBrings) {
  Exchange e;
  SpanLane lane(64 * 1024, 1, 64 * 1024, [] {});
  e.push(lane);
  const SpanRecord record(lane.ring().front());
  const auto prefixes = std::make_shared<RoutePrefixes>(std::vector<std::string>{"/base"});
  SpanEncoder encoder({.resource = {}, .prefixes = prefixes});
  const auto call = [&] {
    encoder.add(record);
    for (const Span& s : spans_of(to_json(Signal::traces, taken(encoder))))
      if (s.get("name").starts_with("proxy ")) return s.get("name");
    return std::string();
  };
  EXPECT_EQ(call(), "proxy POST /base/*");
  prefixes->replace({"/base/v1"});
  EXPECT_EQ(call(), "proxy POST /base/v1/*") << "also where the record is as the one before";
}

TEST(OtlpSpans, LongTextsAreCut) {
  Exchange e;
  const std::string agent(10'000, 'a'), target = "/ai/" + std::string(10'000, 'b');
  e.set(SpanText::user_agent, agent);
  e.set(SpanText::target, target);
  const auto spans =
      spans_of_exchange(e, {.resource = {}, .prefixes = {}, .scrub = leave_as_is, .most_value_bytes = 100});
  for (const auto& [name, s] : spans) EXPECT_LT(s.json.size(), 6'000U) << name;
  EXPECT_EQ(spans.at("POST /ai/*").attribute("user_agent.original"), std::string(100, 'a'));
}

TEST(OtlpSpans, TextsOfOneExchangeAreNotThoseOfTheNext) {
  SpanLane lane(64 * 1024, 1, 64 * 1024, [] {});
  SpanEncoder encoder({.resource = {{"service.name", "s"}}, .prefixes = {}});
  for (const char* org : {"one", "", "two", "two"}) {
    Exchange e;
    e.set(SpanText::org, org);
    e.push(lane);
    encoder.add(SpanRecord(lane.ring().front()));
    lane.ring().pop();
  }
  EXPECT_EQ(encoder.spans(), 20U);
  const std::string json = to_json(Signal::traces, taken(encoder));
  EXPECT_EQ(at(json, "/resourceSpans/0/resource/attributes/0/value/stringValue"), "s");
  std::vector<std::string> seen;
  for (const Span& s : spans_of(json))
    if (s.get("name") == "gateway.auth") seen.push_back(s.attribute("gateway.org_id"));
  EXPECT_EQ(seen, (std::vector<std::string>{"one", "unknown", "two", "two"}));
  EXPECT_EQ(taken(encoder), "") << "what was taken is gone";
}

/// Each changes one thing of an exchange, or a few.
std::vector<std::function<void(Exchange&)>> changes() {
  return {
      [](Exchange&) {},
      [](Exchange& e) { e.head.tls = true; },
      [](Exchange& e) { e.head.call_tls = true; },
      [](Exchange& e) { e.head.http_minor = 0; },
      [](Exchange& e) { e.head.route = RouteKind::api; },
      [](Exchange& e) { e.head.auth = AuthResult::forbidden; },
      [](Exchange& e) { e.head.status = 503; },
      [](Exchange& e) { e.head.call_status = 503; },
      [](Exchange& e) { e.head.request_bytes = 3; },
      [](Exchange& e) { e.head.call_response_bytes = 4; },
      [](Exchange& e) { e.head.parent_id = {1}; },
      [](Exchange& e) { e.head.parent_id = {2}, e.head.remote_parent = true; },
      [](Exchange& e) { e.head.base_id = {2}; },
      [](Exchange& e) { e.head.started_ns = 2'000'000, e.head.route_ns = 101, e.head.call_ns = 102; },
      [](Exchange& e) { e.head.enqueue_ns = 103, e.head.enqueue_end_ns = 104, e.head.call_end_ns = 105; },
      [](Exchange& e) { e.head.call_ns = 0; },
      [](Exchange& e) { e.head.enqueue = EnqueueResult::none; },
      [](Exchange& e) { e.head.enqueue = EnqueueResult::dropped; },
      [](Exchange& e) { e.head.auth = AuthResult::none; },
      [](Exchange& e) { e.head.auth = AuthResult::unauthorized; },
      [](Exchange& e) { e.head.client_left = true; },
      [](Exchange& e) { e.head.call_status = 0; },
      [](Exchange& e) { e.head.request_bytes = 0; },
      [](Exchange& e) { e.head.request_bytes = 127, e.head.response_bytes = 1; },
      [](Exchange& e) { e.head.request_bytes = 128, e.head.response_bytes = -1; },
      [](Exchange& e) { e.head.request_bytes = std::int64_t{1} << 40, e.head.response_bytes = 70'000; },
      [](Exchange& e) { e.head.call_request_bytes = 0, e.head.call_response_bytes = 0; },
      [](Exchange& e) { e.head.call_request_bytes = 500, e.head.call_response_bytes = 600; },
      [](Exchange& e) { e.head.call_request_bytes = 501, e.head.call_response_bytes = 99'000; },
      [](Exchange& e) { e.set(SpanText::correlation_id, "corr-12"), e.head.own_correlation_id = true; },
      [](Exchange& e) { e.set(SpanText::correlation_id, "corr-34"), e.head.own_correlation_id = true; },
      [](Exchange& e) { e.head.trace_id = {3}; },
      [](Exchange& e) { e.head.end_ns = 999; },
      [](Exchange& e) { e.set(SpanText::method, "PUT!"); },
      [](Exchange& e) { e.set(SpanText::target, "/ai/v1/chat?x=2"); },
      [](Exchange& e) { e.set(SpanText::host, "gw.example:8081"); },
      [](Exchange& e) { e.set(SpanText::provider, "anthropic"); },
      [](Exchange& e) { e.set(SpanText::model, "gpt-4.1"); },
      [](Exchange& e) { e.set(SpanText::role, "owner"); },
      [](Exchange& e) { e.set(SpanText::call_host, "[::2]:9999"); },
      [](Exchange& e) { e.set(SpanText::correlation_id, "c-1"); },
      [](Exchange& e) { e.set(SpanText::correlation_id, "c-2"); },
      [](Exchange& e) { e.set(SpanText::error, "broke"); },
      [](Exchange& e) { e.set(SpanText::trace_state, "a=1"); },
      // A byte that goes from one text to the next leaves all of them together alike.
      [](Exchange& e) { e.set(SpanText::org, "ab"), e.set(SpanText::workspace, "c"); },
      [](Exchange& e) { e.set(SpanText::org, "a"), e.set(SpanText::workspace, "bc"); },
  };
}

void add(SpanEncoder& encoder, const std::function<void(Exchange&)>& change) {
  Exchange e;
  change(e);
  SpanLane lane(64 * 1024, 1, 64 * 1024, [] {});
  e.push(lane);
  encoder.add(SpanRecord(lane.ring().front()));
}

// Alone an exchange says the same as behind any other, byte for byte.
TEST(OtlpSpans, EveryFactOfAnExchangeIsItsOwn) {
  const std::vector<std::function<void(Exchange&)>> all = changes();
  const auto encode = [](SpanEncoder& encoder, const std::function<void(Exchange&)>& change) {
    add(encoder, change);
    return taken(encoder);
  };
  const auto alone = [&](const std::function<void(Exchange&)>& change) {
    SpanEncoder fresh({.resource = {}, .prefixes = {}});
    return encode(fresh, change);
  };
  SpanEncoder one({.resource = {}, .prefixes = {}});
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t k = 0; k < all.size(); ++k) {
      encode(one, all[i]);
      EXPECT_EQ(encode(one, all[k]), alone(all[k])) << i << " " << k;
      EXPECT_EQ(encode(one, all[k]), alone(all[k])) << i << " " << k << " again";
    }
  }
}

TEST(OtlpSpans, ExchangesOfManyKindsMayTakeTurns) {
  const std::vector<std::function<void(Exchange&)>> all = changes();
  std::vector<std::string> peers(300);
  for (std::size_t i = 0; i < peers.size(); ++i)
    peers[i] = "10.0.0." + std::to_string(i) + (i % 50 == 0 ? std::string(1'900, 'p') : "");
  std::mt19937 random(7);
  SpanEncoder one({.resource = {}, .prefixes = {}});
  for (int i = 0; i < 1'000; ++i) {
    const std::string& peer = peers[random() % (i % 2 == 0 ? 6 : peers.size())];
    const auto& changed = all[random() % all.size()];
    const auto both = [&](Exchange& e) {
      e.set(SpanText::peer, peer);
      changed(e);
    };
    SpanEncoder fresh({.resource = {}, .prefixes = {}});
    add(one, both);
    add(fresh, both);
    ASSERT_EQ(taken(one), taken(fresh)) << i << " " << peer;
  }
}

TEST(OtlpSpans, ExchangesOfTheServersSpanAloneMayBeTheFirst) {
  const auto refused_at_once = [](Exchange& e) {
    e.head.auth = AuthResult::none;
    e.head.route = RouteKind::none;
    e.head.enqueue = EnqueueResult::none;
    e.head.call_ns = 0;
    e.head.status = 400;
  };
  SpanEncoder fresh({.resource = {}, .prefixes = {}});
  for (int i = 0; i < 2; ++i) add(fresh, refused_at_once);
  EXPECT_EQ(spans_of(to_json(Signal::traces, taken(fresh))).size(), 2U);
}

TEST(OtlpSpans, ExchangesInOneRequestSayWhatTheySayAlone) {
  const std::vector<std::function<void(Exchange&)>> all = changes();
  const auto spans_in = [](SpanEncoder& encoder) {
    std::multiset<std::string> out;
    for (Span& s : spans_of(to_json(Signal::traces, taken(encoder)))) out.insert(std::move(s.json));
    return out;
  };
  SpanEncoder one({.resource = {}, .prefixes = {}});
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    std::multiset<std::string> expected;
    for (const std::size_t which : {i, i, i + 1, i}) {
      add(one, all[which]);
      SpanEncoder fresh({.resource = {}, .prefixes = {}});
      add(fresh, all[which]);
      expected.merge(spans_in(fresh));
    }
    EXPECT_EQ(spans_in(one), expected) << i;
  }
}

TEST(SpanLane, KeepsTheParentsDecisionAndDecidesAloneOtherwise) {
  const SpanLane none(4096, 0, 4096, [] {}), all(4096, 1, 4096, [] {});
  http::TraceParent parent;
  parent.trace_id[3] = 1;
  parent.span_id[3] = 1;
  parent.sampled = true;
  EXPECT_TRUE(none.begin(parent).sampled);
  EXPECT_EQ(none.begin(parent).trace_id, parent.trace_id);
  EXPECT_NE(none.begin(parent).span_id, parent.span_id);
  parent.sampled = false;
  EXPECT_FALSE(all.begin(parent).sampled);
  EXPECT_FALSE(none.begin({}).sampled);
  EXPECT_TRUE(all.begin({}).sampled);
  EXPECT_NE(all.begin({}).trace_id, all.begin({}).trace_id);
}

TEST(SpanLane, WakesWhenMuchWaitsAndCountsWhatFindsNoRoom) {
  int woken = 0;
  SpanLane lane(8192, 1, 2000, [&] { ++woken; });
  Exchange e;
  e.push(lane);
  EXPECT_EQ(woken, 0);
  for (int i = 0; i < 100; ++i) e.push(lane);
  EXPECT_GT(woken, 90);
  EXPECT_GT(lane.dropped(), 50U);
  std::uint64_t kept = 0;
  for (; lane.ring().front().data() != nullptr; ++kept) lane.ring().pop();
  EXPECT_EQ(kept + lane.dropped(), 101U);
}

TEST(SpanLane, TextsOfEveryLengthCome) {
  SpanLane lane(std::size_t{1} << 20, 1, std::size_t{1} << 20, [] {});
  const std::string from = "0123456789abcdefghijklmnopqrstuvwxyz" + std::string(3'000, '~');
  for (std::size_t size = 0; size < 70; ++size) {
    Exchange e;
    for (std::size_t i = 0; i < kSpanTexts; ++i) e.texts[i] = std::string_view(from).substr(i, size);
    e.texts[3] = std::string_view(from).substr(0, kMostSpanText - 35 + size);
    e.push(lane);
    const SpanRecord r(lane.ring().front());
    for (std::size_t i = 0; i < kSpanTexts; ++i)
      ASSERT_EQ(r.text(static_cast<SpanText>(i)), e.texts[i].substr(0, kMostSpanText)) << i << " " << size;
    lane.ring().pop();
  }
}

}  // namespace
}  // namespace gw::telemetry::otlp
