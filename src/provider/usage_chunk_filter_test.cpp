#include "provider/usage_chunk_filter.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "provider/provider_test_util.h"

namespace gw::provider {
namespace {

using test::Random;

struct Filtered {
  std::string out;
  std::uint32_t removed = 0;
};

Filtered filter(std::string_view in, const std::vector<std::size_t>& cuts = {}) {
  struct Reader {
    UsageChunkFilter filter;
    std::string out;
    void push(std::string_view bytes) { filter.push(bytes, out); }
  } reader;
  test::push_cut(reader, in, cuts);
  reader.filter.finish(reader.out);
  return {reader.out, reader.filter.removed()};
}

const std::string kDelta =
    R"({"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"\n}{"}}],"usage":null})";
const std::string kUsage =
    R"({"id":"c","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"d":{"cached_tokens":0}}})";
const std::string kAzureFirst =
    R"({"choices":[],"created":0,"id":"","model":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}]})";

std::string event(const std::string& payload, const std::string& end = "\n") { return "data: " + payload + end + end; }

struct Case {
  const char* what;
  std::string before, taken, after;
};

std::vector<Case> cases() {
  const std::string done = event("[DONE]");
  std::vector<Case> all = {
      {"the last chunk", event(kDelta) + event(kDelta), event(kUsage), done},
      {"Azure's first chunk stays", event(kAzureFirst) + event(kDelta), event(kUsage), done},
      {"CRLF", event(kDelta, "\r\n"), event(kUsage, "\r\n"), event("[DONE]", "\r\n")},
      {"CR", event(kDelta, "\r"), event(kUsage, "\r"), event("[DONE]", "\r")},
      {"no space behind the colon", event(kDelta), "data:" + kUsage + "\n\n", done},
      {"event, id and retry lines", "event: message\nid: 1\n" + event(kDelta),
       "event: message\nid: 2\nretry: 5\n" + event(kUsage), done},
      {"several data lines", event(kDelta),
       "data: {\"choices\":\ndata:  [\ndata: ],\ndata: \"usage\":{\"a\":1}\ndata\ndata: }\n\n", done},
      {"comments between events", ": OPENROUTER PROCESSING\n\n" + event(kDelta) + ": still there\n", event(kUsage),
       ":\n\n" + done},
      {"usage before choices", event(kDelta),
       event(R"({"usage":{"a":[{"b":"\\\"}"}]},"x":1,"y":"[\"","choices": [ ] })"), done},
      {"the body's end in place of the blank line", event(kDelta), "data: " + kUsage + "\n", ""},
      {"the body's end behind the payload", event(kDelta), "data: " + kUsage, ""},
      {"more than one", event(kDelta), event(kUsage) + event(kUsage), done},
  };
  for (const char* payload : {
           R"({"choices":[],"usage":null})",
           R"({"choices":[]})",
           R"({"usage":{"a":1}})",
           R"({"choices":null,"usage":{"a":1}})",
           R"({"choices":[{"index":0,"delta":{}}],"usage":{"a":1}})",
           R"({"choices":[0],"usage":{"a":1}})",
           R"({"choices":[],"usage":{"a":1},"usage":null})",
           R"({"choices":[],"choices":[{}],"usage":{"a":1}})",
           R"({"choices":[],"usage":7})",
           R"({"choices":[],"usage":{"a":1})",
           R"({"choices":[],"usage":{"a":1}}})",
           R"({"choices":[],"usage":{"a":1}} {})",
           R"({"choices":[],"usage":{"a":1},})",
           R"({"choices":[] "usage":{"a":1}})",
           R"([{"choices":[],"usage":{"a":1}}])",
           R"({"x":{"choices":[],"usage":{"a":1}}})",
           R"({"choicesx":[],"usage":{"a":1}})",
           R"({"error":{"message":"\"choices\":[],\"usage\":{}"}})",
           R"("choices")",
           "",
       })
    all.push_back({payload, event(kDelta) + event(payload) + event(kDelta), "", done});
  all.push_back(
      {"other fields than data", event(kDelta) + "date: " + kUsage + "\n\ndata2: " + kUsage + "\n\n", "", done});
  all.push_back({"two payloads in one event", event(kDelta) + "data: " + kUsage + "\n" + event(kUsage), "", done});
  all.push_back({"a cut payload", event(kDelta) + "data: " + kUsage.substr(0, kUsage.size() - 1), "", ""});
  return all;
}

TEST(UsageChunkFilter, TakesOutTheUsageChunkAndNothingElseAtEverySplit) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.what);
    const std::string in = c.before + c.taken + c.after;
    const std::string expected = c.before + c.after;
    const std::uint32_t removed = c.taken.empty() ? 0 : std::string(c.what) == "more than one" ? 2 : 1;
    for (std::size_t cut = 0; cut <= in.size(); ++cut) {
      const Filtered f = filter(in, {cut});
      ASSERT_EQ(f.out, expected) << "cut at " << cut;
      ASSERT_EQ(f.removed, removed) << "cut at " << cut;
    }
    for (const std::size_t step : {1U, 2U, 3U, 7U}) {
      ASSERT_EQ(filter(in, test::cuts_every(step, in.size())).out, expected) << "cut every " << step;
    }
  }
}

TEST(UsageChunkFilter, RandomStreamsLoseTheirUsageChunksWhateverTheCuts) {
  Random random(7);
  for (int round = 0; round < 500; ++round) {
    std::string in, expected;
    for (std::size_t i = random.below(8); i > 0; --i) {
      const char* ends[] = {"\n", "\r\n", "\r"};
      const std::string end = ends[random.below(2)];
      std::string block;
      if (random.one_in(3)) block += ": c" + end;
      const std::size_t lead = block.size();
      if (random.one_in(3)) block += "event: x" + end;
      const bool usage = random.one_in(3);
      block += event(usage ? kUsage : random.one_in(4) ? kAzureFirst : kDelta, end);
      in += block;
      expected += usage ? block.substr(0, lead) : block;
    }
    ASSERT_EQ(filter(in, test::random_cuts(random, in.size())).out, expected) << in;
  }
}

TEST(UsageChunkFilter, ADeltaPassesAsSoonAsItsFirstChoiceShows) {
  const std::string in = event(kDelta);
  const std::size_t shows = in.find("[{") + 2;
  UsageChunkFilter f;
  std::string out;
  f.push(std::string_view(in).substr(0, shows - 1), out);
  EXPECT_EQ(out, "");
  f.push(std::string_view(in).substr(shows - 1, 1), out);
  EXPECT_EQ(out, in.substr(0, shows));
  f.push(std::string_view(in).substr(shows, 5), out);
  EXPECT_EQ(out, in.substr(0, shows + 5));
}

TEST(UsageChunkFilter, NoWholeEventAndNoCommentIsHeld) {
  UsageChunkFilter f;
  std::string in, out;
  for (const std::string& piece :
       {std::string(": ping\n"), std::string(": a\n\n"), event(kDelta), event(kAzureFirst), event("[DONE]")}) {
    in += piece;
    f.push(piece, out);
    EXPECT_EQ(out, in);
  }
}

TEST(UsageChunkFilter, AnEventOverTheBoundPasses) {
  const std::size_t frame = event(R"({"choices":[],"usage":{"a":""}})").size();
  for (const int over : {0, 1}) {
    const std::string text(UsageChunkFilter::kMaxEventBytes - frame + static_cast<std::size_t>(over), 'x');
    const std::string in = event(R"({"choices":[],"usage":{"a":")" + text + R"("}})");
    for (const std::size_t step : {std::size_t{1000}, in.size()}) {
      const Filtered f = filter(event(kDelta) + in + event(kDelta), test::cuts_every(step, in.size()));
      EXPECT_EQ(f.removed, over == 0 ? 1U : 0U) << over;
      EXPECT_EQ(f.out, event(kDelta) + (over == 0 ? "" : in) + event(kDelta)) << over;
    }
  }
}

TEST(UsageChunkFilter, EndlessEventsAreNotKept) {
  UsageChunkFilter f;
  std::string out;
  std::size_t in = 0;
  for (int i = 0; i < 1000; ++i) {
    f.push("event: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n", out);
    in += 98;
    ASSERT_LE(in, out.size() + UsageChunkFilter::kMaxEventBytes + 98);
  }
}

/// Row 7 of the accounting cases: what the client did not ask for is taken out of the stream, and only that.
TEST(Accounting, Row07_ThePayloadOfAnInjectedUsageIsStripped) {
  const Filtered f = filter(event(kAzureFirst) + event(kDelta) + event(kUsage) + event("[DONE]"));
  EXPECT_EQ(f.out, event(kAzureFirst) + event(kDelta) + event("[DONE]"));
}

}  // namespace
}  // namespace gw::provider
