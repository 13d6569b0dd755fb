#include <gtest/gtest.h>

#include <string>

#include "capture/body_capture.h"
#include "capture/stream_end.h"

namespace gw::capture {
namespace {

bool ends(const std::string& stream, bool responses_api, std::size_t cut) {
  StreamEnd e;
  e.begin(responses_api);
  e.push(std::string_view(stream).substr(0, cut));
  e.push(std::string_view(stream).substr(cut));
  return e.seen();
}

TEST(StreamEnd, KnowsTheLastEventOfEachProviderAtEveryCut) {
  const std::string deltas(500, 'x');
  for (const std::string& stream :
       {"data: {\"a\":\"" + deltas + "\"}\n\ndata: [DONE]\n\n",
        "data: " + deltas + "\r\n\r\nevent: message_stop\r\ndata: {\"type\":\"message_stop\"}\r\n\r\n"}) {
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) EXPECT_TRUE(ends(stream, false, cut)) << "cut at " << cut;
  }
  for (const char* how : {"completed", "incomplete", "failed"}) {
    for (const std::string& before : {std::string(), "event: response.output_text.delta\ndata: " + deltas + "\n\n"}) {
      const std::string stream =
          before + "event: response." + how + "\ndata: {\"response\":{\"usage\":{}}}" + deltas + "\n\n";
      for (std::size_t cut = 0; cut <= stream.size(); ++cut)
        EXPECT_TRUE(ends(stream, true, cut)) << how << " cut at " << cut;
    }
  }
}

TEST(StreamEnd, AModelThatWritesTheLastEventsNameHasNotEnded) {
  for (const char* text : {"data: {\"delta\":\"data: [DONE]\"}\n\n", "data: {\"delta\":\"event: message_stop\"}\n\n",
                           "data: {\"delta\":\"event: response.completed\"}\n\n"}) {
    const std::string stream = text;
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
      EXPECT_FALSE(ends(stream, false, cut)) << stream << " cut at " << cut;
      EXPECT_FALSE(ends(stream, true, cut)) << stream << " cut at " << cut;
    }
  }
}

TEST(StreamEnd, AStreamInTheMiddleHasNotEnded) {
  for (const char* text : {"", "data: {\"choices\":[]}\n\n", "data: [DONE]",
                           "event: message_delta\ndata: {\"usage\":{\"output_tokens\":5}}\n\n"}) {
    const std::string stream = text;
    EXPECT_FALSE(ends(stream, false, stream.size() / 2)) << stream;
    EXPECT_FALSE(ends(stream, true, stream.size() / 2)) << stream;
  }
}

TEST(BodyCapture, KeepsTheFirstBytesAndKnowsThatMoreCame) {
  BodyCapture c;
  c.begin(true, 5);
  c.push("abc");
  EXPECT_FALSE(c.truncated());
  c.push("de");
  EXPECT_FALSE(c.truncated());
  c.push("f");
  EXPECT_TRUE(c.truncated());
  EXPECT_EQ(c.text(), "abcde");
  c.begin(false, 5);
  c.push("abc");
  EXPECT_EQ(c.text(), "");
}

}  // namespace
}  // namespace gw::capture
