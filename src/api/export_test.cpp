#include "api/export.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <random>

#include "api/content_coding.h"
#include "api/export_cursor.h"
#include "api/json_value.h"
#include "store/test_reader.h"
#include "store/test_traces.h"

namespace gw::api {
namespace {

using store::test_trace;
using store::test_traces;
using Ids = std::vector<std::string>;

std::int64_t test_mono_ns = 1;

/// One router over a store in memory, and clients that ask it.
class Export : public testing::Test {
 protected:
  Export() {
    ApiDeps d;
    d.traces = &store;
    d.on_error = [this](std::string_view, std::string_view e) { errors.emplace_back(e); };
    d.complete_until_ns = [this] { return complete_until_ns; };
    d.clock.mono_ns = [] { return test_mono_ns; };
    router.emplace(std::move(d));
  }

  ApiResponse ask(std::string query, std::string path = "/api/export/traces") {
    ApiRequest r = base;
    r.method = r.method.empty() ? "GET" : r.method;
    r.path = std::move(path);
    r.query = std::move(query);
    return router->handle(r);
  }
  /// The body of a stream, pulled to its end.
  std::string drain(ApiResponse& r, Chunk::Then expected = Chunk::Then::end) {
    std::string out;
    for (;;) {
      const Chunk c = router->next(*r.source);
      out += c.bytes;
      chunks.push_back(c.bytes.size());
      if (c.then == Chunk::Then::more) continue;
      EXPECT_EQ(c.then, expected) << c.error;
      return out;
    }
  }

  store::MemoryReader store;
  std::vector<std::string> errors;
  std::int64_t complete_until_ns = 0;
  ApiRequest base;
  std::optional<Router> router;
  std::vector<std::size_t> chunks;
};

std::string header(const ApiResponse& r, std::string_view name) {
  std::string out;
  for (const auto& [n, v] : r.headers)
    if (n == name) out = v;
  return out;
}

JsonValue json(const std::string& text) {
  auto v = parse_json(text);
  EXPECT_TRUE(v) << text;
  return v ? std::move(*v) : JsonValue{};
}
std::string text_of(const JsonValue& v, std::string_view key) {
  const JsonValue* m = v.find(key);
  return m != nullptr ? m->string : "";
}
Ids ids_of_page(const JsonValue& page) {
  Ids out;
  for (const JsonValue& item : page.find("items")->items) out.push_back(text_of(item, "id"));
  return out;
}
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = text.find('\n', i);
    out.push_back(text.substr(i, end - i));
    i = end == std::string::npos ? text.size() : end + 1;
  }
  return out;
}
Ids ids(int from, int to) {
  Ids out;
  for (const Trace& t : test_traces(from, to)) out.push_back(t.id);
  return out;
}
std::string cursor(std::int64_t seq, std::int64_t removed = 0, std::int64_t epoch = 7) {
  return encode_export_cursor({.epoch = epoch, .seq = seq, .removed = removed});
}

TEST_F(Export, PagesHaveEverythingOnceInTheOrderOfCommits) {
  store.add(test_traces(1, 7));
  Ids seen;
  std::string after;
  for (int page = 0; page < 3; ++page) {
    const ApiResponse r = ask("limit=3&after=" + after);
    ASSERT_EQ(r.status, 200) << r.body;
    EXPECT_EQ(header(r, "Content-Type"), "application/json");
    const JsonValue body = json(r.body);
    for (const std::string& id : ids_of_page(body)) seen.push_back(id);
    EXPECT_EQ(body.find("has_more")->boolean, page < 2);
    after = text_of(body, "next_cursor");
  }
  EXPECT_EQ(seen, ids(1, 7));
  const ApiResponse end = ask("after=" + after);
  EXPECT_EQ(end.body, R"({"items":[],"next_cursor":")" + after + "\",\"has_more\":false}\n");
  store.add(test_traces(8, 9));
  EXPECT_EQ(ids_of_page(json(ask("after=" + after).body)), ids(8, 9)) << "the cursor of an empty page goes on";
}

TEST_F(Export, EmptyStoreGivesACursorThatGoesOn) {
  const JsonValue first = json(ask("").body);
  EXPECT_TRUE(ids_of_page(first).empty());
  store.add(test_traces(1, 2));
  EXPECT_EQ(ids_of_page(json(ask("after=" + text_of(first, "next_cursor")).body)), ids(1, 2));
}

TEST_F(Export, FilterMovesTheCursorOverWhatDoesNotFit) {
  store.add(test_traces(1, 5));
  const JsonValue none = json(ask("model=nothing").body);
  EXPECT_TRUE(ids_of_page(none).empty());
  EXPECT_EQ(text_of(none, "next_cursor"), cursor(5));
  EXPECT_EQ(ids_of_page(json(ask("model=gpt-4o-mini&from=2026-02-02T02:40:04Z").body)), ids(4, 5));
}

TEST_F(Export, TenantsSeeTheirOwn) {
  std::vector<Trace> rows = test_traces(1, 4);
  rows[1].workspace_id = rows[2].workspace_id = "ws-b";
  store.add(rows);
  base.scope = store::TenantScope::of("org-a", "ws-b");
  const JsonValue page = json(ask("").body);
  EXPECT_EQ(ids_of_page(page), ids(2, 3));
  EXPECT_EQ(text_of(page, "next_cursor"), cursor(4));
  ApiResponse lines = ask("format=ndjson");
  EXPECT_EQ(lines_of(drain(lines)).size(), 2U);
  ApiResponse events = ask("last_event_id=" + cursor(0), "/api/traces/stream");
  const std::string body = drain(events, Chunk::Then::wait);
  EXPECT_EQ(body.find("trace-001"), std::string::npos);
  EXPECT_NE(body.find("trace-002"), std::string::npos);
}

TEST_F(Export, BadParametersAreNamed) {
  for (const auto& [query, message] : std::vector<std::pair<std::string, std::string>>{
           {"limit=10001", "limit must be <= 10000"},
           {"limit=x", "limit must be an integer"},
           {"wait=61", "wait must be <= 60"},
           {"format=xml", "invalid format: expected json, ndjson or csv"},
           {"fields=id,secret", "invalid fields: \"secret\" is no field of an export"},
           {"status=1", "status must be >= 100"},
           {"from=x", "invalid from: expected RFC3339 or YYYY-MM-DD"},
           {"after=abc", "export cursor is invalid"},
           {"after=" + cursor(0, 0, 78), "export cursor is of another database"},
           {"after=" + cursor(1), "export cursor is ahead of this database; was it restored from a backup?"},
       }) {
    const ApiResponse r = ask(query);
    EXPECT_EQ(r.status, 400) << query;
    EXPECT_EQ(text_of(json(r.body), "error"), message);
  }
  EXPECT_EQ(ask("fields=x", "/api/traces/stream").status, 400);
  EXPECT_EQ(ask("last_event_id=x", "/api/traces/stream").status, 400);
  EXPECT_EQ(ask("status=1", "/api/traces/stream").status, 400);
  base.method = "POST";
  for (const char* path : {"/api/export/traces", "/api/traces/stream"}) {
    const ApiResponse r = ask("", path);
    EXPECT_EQ(r.status, 405);
    EXPECT_EQ(header(r, "Allow"), "GET, OPTIONS");
  }
}

TEST_F(Export, GoneIffRetentionTookWhatWasNotSeenOrKnown) {
  store.add(test_traces(1, 10));
  store.remove_up_to(4);
  const auto status = [&](std::int64_t seq, std::int64_t removed) {
    return ask("after=" + cursor(seq, removed)).status;
  };
  EXPECT_EQ(status(3, 0), 410);
  EXPECT_EQ(status(3, 3), 410);
  EXPECT_EQ(status(4, 0), 200);
  EXPECT_EQ(status(5, 0), 200);
  EXPECT_EQ(status(0, 4), 200) << "it began after the removal";
  EXPECT_EQ(status(0, 5), 200);

  const ApiResponse gone = ask("after=" + cursor(2));
  const std::string earliest = text_of(json(gone.body), "earliest_cursor");
  const ApiResponse on = ask("after=" + earliest);
  ASSERT_EQ(on.status, 200);
  EXPECT_EQ(ids_of_page(json(on.body)), ids(5, 10));

  EXPECT_EQ(ask("format=ndjson&after=" + cursor(2)).status, 410);
  EXPECT_EQ(ask("last_event_id=" + cursor(2), "/api/traces/stream").status, 410);
}

TEST_F(Export, CursorLearnsOfRemovalsThatCostItsConsumerNothing) {
  store.add(test_traces(1, 10));
  store.remove_up_to(4);
  const JsonValue first = json(ask("limit=2").body);
  EXPECT_EQ(ids_of_page(first), ids(5, 6));
  store.remove_up_to(5);
  const JsonValue second = json(ask("limit=2&after=" + text_of(first, "next_cursor")).body);
  EXPECT_EQ(ids_of_page(second), ids(7, 8));
  store.remove_up_to(9);
  EXPECT_EQ(ask("after=" + text_of(second, "next_cursor")).status, 410);
}

TEST_F(Export, RowsRemovedWhileAPageIsReadAreNotPassedOver) {
  store.add(test_traces(1, 10));
  store.after_rows = [&] { store.remove_up_to(6); };
  EXPECT_EQ(ask("after=" + cursor(0)).status, 410);
}

TEST_F(Export, RowsRemovedWhileAStreamIsReadBreakIt) {
  store.add(test_traces(1, 10));
  ApiResponse r = ask("format=ndjson");
  store.remove_up_to(6);
  EXPECT_EQ(drain(r, Chunk::Then::failed), "");
  EXPECT_EQ(errors, Ids{"retention removed traces before they were exported"});
}

TEST_F(Export, PageEndsWithTheRowThatFillsIt) {
  std::vector<Trace> rows = test_traces(1, 4);
  for (Trace& t : rows) t.response_body.assign(kPageBytes / 3, 'x');
  store.add(rows);
  const JsonValue page = json(ask("fields=response_body").body);
  EXPECT_EQ(ids_of_page(page), ids(1, 3));
  EXPECT_TRUE(page.find("has_more")->boolean);
  EXPECT_EQ(ids_of_page(json(ask("after=" + text_of(page, "next_cursor")).body)), ids(4, 4));
}

TEST_F(Export, SafeUntilIsGivenAtTheEndOnly) {
  store.add(test_traces(1, 3));
  complete_until_ns = 1'770'000'000'500'000'000;
  EXPECT_EQ(text_of(json(ask("").body), "safe_until"), "2026-02-02T02:40:00.5Z");
  EXPECT_EQ(text_of(json(ask("limit=2").body), "safe_until"), "");
  EXPECT_EQ(header(ask("format=ndjson"), "X-OngoingAI-Safe-Until"), "2026-02-02T02:40:00.5Z");
  complete_until_ns = 0;
  EXPECT_EQ(text_of(json(ask("").body), "safe_until"), "");
}

TEST_F(Export, WaitsOnlyWhenNothingFits) {
  store.add(test_traces(1, 3));
  for (const char* format : {"", "&format=ndjson", "&format=csv"}) {
    const std::string tail = std::string("wait=7&after=") + cursor(3) + format;
    const ApiResponse waiting = ask(tail);
    ASSERT_TRUE(waiting.wait) << format;
    EXPECT_EQ(waiting.wait->for_ns, 7'000'000'000);
    EXPECT_EQ(waiting.wait->resume, 3);
    EXPECT_FALSE(ask(std::string("wait=7&after=") + cursor(2) + format).wait);
    EXPECT_FALSE(ask(std::string("after=") + cursor(3) + format).wait);
    base.may_wait = false;
    EXPECT_FALSE(ask(tail).wait) << "the time is up";
    base.may_wait = true;
    base.method = "HEAD";
    EXPECT_FALSE(ask(tail).wait);
    base.method.clear();
    const ApiResponse unfit = ask(std::string("wait=7&model=other") + format);
    ASSERT_TRUE(unfit.wait) << "rows that do not fit are no answer";
    EXPECT_EQ(unfit.wait->resume, 3) << "and are not looked at again";
  }
}

TEST_F(Export, ASearchThatEndedEarlyIsGoneOnWithAndDoesNotWait) {
  store.add(test_traces(1, 9));
  store.most_looked_at = 2;
  std::string after;
  Ids seen;
  for (int pages = 0; pages < 20; ++pages) {
    const ApiResponse r = ask("wait=7&status=200&model=none" + after);
    if (r.wait) break;
    const JsonValue page = json(r.body);
    EXPECT_EQ(ids_of_page(page), Ids());
    const JsonValue* more = page.find("has_more");
    ASSERT_TRUE(more != nullptr && more->boolean) << r.body;
    const std::string next = "&after=" + text_of(page, "next_cursor");
    ASSERT_NE(next, after) << "an export that does not move";
    after = next;
    seen.push_back(next);
  }
  EXPECT_EQ(seen.size(), 4U);
  ApiResponse stream = ask("wait=7&model=none&format=ndjson");
  EXPECT_FALSE(stream.wait) << "there is more to look at";
  ASSERT_TRUE(stream.source);
  EXPECT_EQ(drain(stream), "");
  EXPECT_GE(chunks.size(), 3U);
}

TEST_F(Export, AskedAgainItGoesOnWhereItHadLooked) {
  store.add(test_traces(1, 3));
  base.resume = 2;
  EXPECT_EQ(ids_of_page(json(ask("wait=7").body)), ids(3, 3));
  base.resume = 99;
  base.may_wait = false;
  EXPECT_EQ(text_of(json(ask("wait=7").body), "next_cursor"), cursor(3)) << "never ahead of the store";
}

TEST_F(Export, NdjsonStreamsToTheEndThatItBeganWith) {
  store.add(test_traces(1, 900));
  ApiResponse r = ask("format=ndjson");
  EXPECT_EQ(header(r, "Content-Type"), "application/x-ndjson");
  const std::string end = header(r, "X-OngoingAI-Next-Cursor");
  EXPECT_EQ(end, cursor(900));
  store.add(test_traces(901, 905));
  const std::vector<std::string> lines = lines_of(drain(r));
  ASSERT_EQ(lines.size(), 900U);
  EXPECT_GT(chunks.size(), 2U);
  for (const std::size_t size : chunks) EXPECT_LT(size, kChunkBytes + 4096);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const JsonValue v = json(lines[i]);
    ASSERT_EQ(text_of(v, "id"), test_trace(static_cast<int>(i) + 1).id);
    ASSERT_EQ(text_of(v, "cursor"), cursor(static_cast<std::int64_t>(i) + 1));
  }
  ApiResponse on = ask("format=ndjson&after=" + end);
  EXPECT_EQ(lines_of(drain(on)).size(), 5U);
}

TEST_F(Export, EveryLineOfACutStreamIsAPlaceToGoOn) {
  store.add(test_traces(1, 40));
  ApiResponse whole = ask("format=ndjson");
  const std::string text = drain(whole);
  for (std::size_t cut = 0; cut < text.size(); cut += 97) {
    std::vector<std::string> got = lines_of(text.substr(0, cut));
    if (cut > 0 && text[cut - 1] != '\n' && !got.empty()) got.pop_back();  // the line that was torn
    const std::string after = got.empty() ? "" : text_of(json(got.back()), "cursor");
    ApiResponse rest = ask("format=ndjson&after=" + after);
    std::string all;
    for (const std::string& line : got) all += line + '\n';
    ASSERT_EQ(all + drain(rest), text) << "cut at " << cut;
  }
}

TEST_F(Export, StreamHasALimitWhenAskedTo) {
  store.add(test_traces(1, 20));
  ApiResponse r = ask("format=ndjson&limit=7&fields=model");
  EXPECT_EQ(header(r, "X-OngoingAI-Next-Cursor"), "") << "where it ends is not known yet";
  EXPECT_EQ(lines_of(drain(r)).size(), 7U);
}

TEST_F(Export, EmptyStreamEnds) {
  ApiResponse r = ask("format=ndjson");
  EXPECT_EQ(drain(r), "");
  ApiResponse csv = ask("format=csv&fields=model");
  EXPECT_EQ(drain(csv), "seq,id,model\r\n");
}

TEST_F(Export, CsvHasOneHeader) {
  store.add(test_traces(1, 1500));
  ApiResponse r = ask("format=csv");
  EXPECT_EQ(header(r, "Content-Type"), "text/csv; charset=utf-8; header=present");
  const std::vector<std::string> lines = lines_of(drain(r));
  ASSERT_EQ(lines.size(), 1501U);
  EXPECT_GT(chunks.size(), 1U);
  EXPECT_TRUE(lines[0].starts_with("seq,id,timestamp,")) << lines[0];
  EXPECT_TRUE(lines[0].ends_with(",cursor\r")) << lines[0];
  for (std::size_t i = 1; i < lines.size(); ++i) ASSERT_TRUE(lines[i].starts_with(std::to_string(i) + ",trace-"));
}

TEST_F(Export, FormatComesFromAcceptWhenNotNamed) {
  const auto type = [&](const char* accept, const char* query = "") {
    base.accept = accept;
    return header(ask(query), "Content-Type");
  };
  EXPECT_EQ(type("application/x-ndjson"), "application/x-ndjson");
  EXPECT_EQ(type("text/html, text/csv;header=present, application/json"), "text/csv; charset=utf-8; header=present");
  EXPECT_EQ(type("*/*"), "application/json");
  EXPECT_EQ(type("text/csv;q=0, application/json"), "application/json");
  EXPECT_EQ(type("image/png"), "application/json");
  EXPECT_EQ(type("text/csv", "format=json"), "application/json");
  EXPECT_EQ(header(ask(""), "Vary"), "Accept, Accept-Encoding");
}

TEST_F(Export, StoreFailureIsSaidToTheLogOnly) {
  store.add(test_traces(1, 3));
  ApiResponse r = ask("format=ndjson");
  store.failure = "disk on fire";
  drain(r, Chunk::Then::failed);
  EXPECT_EQ(errors, Ids{"disk on fire"});
  for (const char* path : {"/api/export/traces", "/api/traces/stream"}) {
    const ApiResponse broken = ask("", path);
    EXPECT_EQ(broken.status, 500);
    EXPECT_EQ(broken.body, "{\"error\":\"failed to export traces\"}\n");
  }
}

std::string inflated(const std::string& in, bool whole) {
  z_stream z{};
  EXPECT_EQ(::inflateInit2(&z, 15 + 16), Z_OK);
  std::string out(8 << 20, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  const int r = ::inflate(&z, Z_SYNC_FLUSH);
  EXPECT_EQ(r, whole ? Z_STREAM_END : Z_OK);
  out.resize(z.total_out);
  ::inflateEnd(&z);
  return out;
}
std::string unzstd(const std::string& in, bool whole) {
  std::string out(8 << 20, '\0');
  ZSTD_DCtx* d = ::ZSTD_createDCtx();
  ZSTD_inBuffer from{in.data(), in.size(), 0};
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  std::size_t r = 1;
  while (from.pos < from.size) r = ::ZSTD_decompressStream(d, &to, &from);
  EXPECT_EQ(r == 0, whole);
  ::ZSTD_freeDCtx(d);
  out.resize(to.pos);
  return out;
}

TEST_F(Export, CodedStreamsDecodeToThePlainOneAndUpToEachPiece) {
  store.add(test_traces(1, 1500));
  ApiResponse plain = ask("format=ndjson");
  const std::string text = drain(plain);
  for (const std::string coding : {"gzip", "zstd"}) {
    const auto decode = coding == "gzip" ? inflated : unzstd;
    base.accept_encoding = coding;
    ApiResponse r = ask("format=ndjson");
    EXPECT_EQ(header(r, "Content-Encoding"), coding);
    Chunk first = router->next(*r.source);
    const std::string begin = decode(first.bytes, false);
    EXPECT_EQ(begin, text.substr(0, chunks.front())) << "nothing is held back";
    const std::string all = first.bytes + drain(r);
    EXPECT_LT(all.size(), text.size() / 3);
    EXPECT_EQ(decode(all, true), text);

    const ApiResponse page = ask("limit=500");
    EXPECT_EQ(header(page, "Content-Encoding"), coding);
    base.accept_encoding.clear();
    EXPECT_EQ(decode(page.body, true), ask("limit=500").body);
  }
}

TEST(ContentCodingChoice, FollowsTheWeights) {
  const auto choice = [](const char* header) { return std::string(to_string(choose_coding(header))); };
  EXPECT_EQ(choice(""), "");
  EXPECT_EQ(choice("gzip"), "gzip");
  EXPECT_EQ(choice("GZIP, deflate, br"), "gzip");
  EXPECT_EQ(choice("gzip, zstd"), "zstd");
  EXPECT_EQ(choice("gzip;q=1.0, zstd;q=0.9"), "gzip");
  EXPECT_EQ(choice("gzip;q=0.8, zstd;Q=0.801"), "zstd");
  EXPECT_EQ(choice("gzip;q=0"), "");
  EXPECT_EQ(choice("*"), "zstd");
  EXPECT_EQ(choice("zstd;q=0, *"), "gzip");
  EXPECT_EQ(choice("identity, gzip;q=0.5"), "");
  EXPECT_EQ(choice("identity;q=0.5, gzip;q=0.5"), "gzip");
  EXPECT_EQ(choice("identity;q=0"), "");
  EXPECT_EQ(choice("gzip;q=2"), "");
  EXPECT_EQ(choice("gzip;q=x, gzip;level=1"), "");
  EXPECT_EQ(choice(",, ;,gzip;"), "");
}

TEST(ContentEncoder, AnyPiecesDecodeToWhatWasPutIn) {
  std::mt19937 random(7);
  for (const ContentCoding coding : {ContentCoding::gzip, ContentCoding::zstd, ContentCoding::identity}) {
    for (int round = 0; round < 20; ++round) {
      ContentEncoder encoder(coding);
      std::string in, out;
      for (int piece = 0, n = static_cast<int>(random() % 6); piece < n; ++piece) {
        std::string bytes(random() % (round < 15 ? 1000 : 300'000), '\0');
        for (char& c : bytes) c = static_cast<char>(random() % (round % 2 == 0 ? 256 : 4));
        in += bytes;
        ASSERT_TRUE(encoder.append(out, bytes, false));
      }
      ASSERT_TRUE(encoder.append(out, "", true));
      EXPECT_EQ(coding == ContentCoding::gzip   ? inflated(out, true)
                : coding == ContentCoding::zstd ? unzstd(out, true)
                                                : out,
                in);
    }
  }
}

/// The fields of each event.
std::vector<std::vector<std::string>> events_of(const std::string& text) {
  std::vector<std::vector<std::string>> out(1);
  for (const std::string& line : lines_of(text)) {
    if (line.empty())
      out.emplace_back();
    else
      out.back().push_back(line);
  }
  EXPECT_TRUE(out.back().empty()) << "the last event is whole";
  out.pop_back();
  return out;
}

class Events : public Export {
 protected:
  ApiResponse open(std::string query = "") { return ask(std::move(query), "/api/traces/stream"); }
  Chunk next(ApiResponse& r) { return router->next(*r.source); }
};

TEST_F(Events, BeginAtThePresentEndWithAPlaceToComeBackTo) {
  store.add(test_traces(1, 3));
  ApiResponse r = open();
  EXPECT_EQ(header(r, "Content-Type"), "text/event-stream");
  EXPECT_TRUE(r.source->endless());
  Chunk c = next(r);
  EXPECT_EQ(c.bytes, ": traces\nid: " + cursor(3) + "\n\n");
  EXPECT_EQ(c.then, Chunk::Then::wait);
  EXPECT_EQ(c.wait_ns, kHeartbeatNs);
  store.add(test_traces(4, 5));
  c = next(r);
  const auto events = events_of(c.bytes);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0][0], "id: " + cursor(4));
  EXPECT_EQ(events[0][1], "event: trace");
  EXPECT_EQ(text_of(json(events[0][2].substr(6)), "id"), "trace-004");
  EXPECT_EQ(events[1][0], "id: " + cursor(5));
}

TEST_F(Events, ResumeAfterTheLastOneSeen) {
  store.add(test_traces(1, 5));
  for (const bool in_header : {true, false}) {
    base.last_event_id = in_header ? cursor(2) : "";
    ApiResponse r = open(in_header ? "last_event_id=" + cursor(4) : "last_event_id=" + cursor(2));
    const auto events = events_of(next(r).bytes);
    ASSERT_EQ(events.size(), 4U);
    for (std::size_t i = 1; i < 4; ++i) EXPECT_EQ(events[i][0], "id: " + cursor(static_cast<std::int64_t>(i) + 2));
  }
}

TEST_F(Events, HeartbeatWhenNothingWasSentForItsTime) {
  ApiResponse r = open("model=other");
  next(r);
  test_mono_ns += kHeartbeatNs - 1;
  store.add(test_traces(1, 3));
  Chunk c = next(r);
  EXPECT_EQ(c.bytes, "") << "a commit of what does not fit";
  EXPECT_EQ(c.wait_ns, 1);
  test_mono_ns += 1;
  c = next(r);
  EXPECT_EQ(c.bytes, ":\nid: " + cursor(3) + "\n\n") << "the place moves on all the same";
  EXPECT_EQ(c.wait_ns, kHeartbeatNs);
}

TEST_F(Events, LongBacklogComesInPieces) {
  store.add(test_traces(1, 999));
  ApiResponse r = open("last_event_id=" + cursor(0));
  const std::string text = drain(r, Chunk::Then::wait);
  EXPECT_EQ(events_of(text).size(), 1000U);
  EXPECT_GT(chunks.size(), 2U);
  for (const std::size_t size : chunks) EXPECT_LT(size, kChunkBytes + 4096);
}

TEST_F(Events, SayThatTheirPlaceIsGone) {
  store.add(test_traces(1, 9));
  ApiResponse r = open("last_event_id=" + cursor(2));
  store.remove_up_to(5);
  const Chunk c = next(r);
  EXPECT_EQ(c.then, Chunk::Then::end);
  const auto events = events_of(c.bytes);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[1][0], "event: gone");
  const JsonValue data = json(events[1][1].substr(6));
  ApiResponse on = open("last_event_id=" + text_of(data, "earliest_cursor"));
  EXPECT_EQ(events_of(next(on).bytes).size(), 5U);
}

TEST_F(Events, FieldsAreSelectable) {
  store.add(test_traces(1, 1));
  ApiResponse r = open("fields=model&last_event_id=" + cursor(0));
  EXPECT_EQ(events_of(next(r).bytes)[1][2], R"(data: {"seq":1,"id":"trace-001","model":"gpt-4o-mini"})");
}

}  // namespace
}  // namespace gw::api
