#include "provider/message_inflater.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <string>
#include <vector>

namespace gw::provider {
namespace {

/// A sender: messages without the four bytes that RFC 7692 leaves off.
class Deflater {
 public:
  explicit Deflater(bool keeps_context, int window_bits = 15) : keeps_context_(keeps_context) {
    EXPECT_EQ(deflateInit2(&z_, 6, Z_DEFLATED, -window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
  }
  ~Deflater() { deflateEnd(&z_); }

  std::string message(std::string text) {
    if (text.empty()) return std::string(1, '\0');  // zlib flushes nothing twice; RFC 7692, 7.2.3.6
    std::string out(text.size() + 64, '\0');
    z_.next_in = reinterpret_cast<Bytef*>(text.data());
    z_.avail_in = static_cast<uInt>(text.size());
    z_.next_out = reinterpret_cast<Bytef*>(out.data());
    z_.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&z_, Z_SYNC_FLUSH), Z_OK);
    const auto whole = std::string_view(out).substr(0, out.size() - z_.avail_out);
    EXPECT_TRUE(whole.ends_with(std::string_view("\0\0\xff\xff", 4)));
    if (!keeps_context_) deflateReset(&z_);
    return std::string(whole.substr(0, whole.size() - 4));
  }

 private:
  z_stream z_{};
  bool keeps_context_;
};

ContentDecoder::Sink into(std::string& text) {
  return {[](void* to, std::string_view part) { static_cast<std::string*>(to)->append(part); }, &text};
}

const std::vector<std::string> kMessages = {"{\"type\":\"response.created\"}", "", "{\"type\":\"response.created\"}",
                                            std::string(100'000, 'x'), "{\"type\":\"response.done\"}"};

TEST(MessageInflater, EveryMessageComesBackWithAndWithoutContextAtEverySplit) {
  for (const bool context : {true, false}) {
    for (const int bits : {9, 15}) {
      for (std::size_t cut = 0; cut < 24; ++cut) {
        Deflater deflater(context, bits);
        MessageInflater inflater(context);
        for (const std::string& message : kMessages) {
          const std::string bytes = deflater.message(message);
          std::string text;
          EXPECT_TRUE(inflater.push(std::string_view(bytes).substr(0, cut), into(text)));
          EXPECT_TRUE(inflater.push(std::string_view(bytes).substr(std::min(cut, bytes.size())), into(text)));
          EXPECT_TRUE(inflater.end(into(text)));
          EXPECT_EQ(text, message) << context << bits << ' ' << cut;
        }
      }
    }
  }
}

TEST(MessageInflater, AMessageThatEndsItsBlocksIsFollowedByTheNext) {
  const std::string whole = "a message that a sender has closed";
  std::string closed(200, '\0');
  z_stream z{};
  ASSERT_EQ(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(whole.data()));
  z.avail_in = static_cast<uInt>(whole.size());
  z.next_out = reinterpret_cast<Bytef*>(closed.data());
  z.avail_out = static_cast<uInt>(closed.size());
  ASSERT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  closed = std::string_view(closed).substr(0, closed.size() - z.avail_out);
  deflateEnd(&z);
  closed += '\0';  // RFC 7692, 7.2.3.4

  MessageInflater inflater(false);
  for (int i = 0; i < 2; ++i) {
    std::string text;
    EXPECT_TRUE(inflater.push(closed, into(text)));
    EXPECT_TRUE(inflater.end(into(text)));
    EXPECT_EQ(text, whole) << i;
  }
}

TEST(MessageInflater, AfterAClosedMessageTheNextMayReferToIt) {
  const std::string text = "the words that both of the messages have in common";
  std::string first(200, '\0'), second(200, '\0');
  z_stream z{};
  ASSERT_EQ(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(first.data());
  z.avail_out = 200;
  ASSERT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  first = std::string_view(first).substr(0, 200 - z.avail_out);
  ASSERT_EQ(deflateReset(&z), Z_OK);
  ASSERT_EQ(deflateSetDictionary(&z, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())),
            Z_OK);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(second.data());
  z.avail_out = 200;
  ASSERT_EQ(deflate(&z, Z_SYNC_FLUSH), Z_OK);
  second = std::string_view(second).substr(0, 200 - z.avail_out - 4);
  deflateEnd(&z);
  ASSERT_LT(second.size(), first.size());

  MessageInflater inflater(true);
  std::string out;
  EXPECT_TRUE(inflater.push(first + '\0', into(out)) && inflater.end(into(out)));
  EXPECT_TRUE(inflater.push(second, into(out)) && inflater.end(into(out)));
  EXPECT_EQ(out, text + text);
}

TEST(MessageInflater, ManySmallBombsAreOneBomb) {
  Deflater deflater(true);
  MessageInflater inflater(true);
  std::uint64_t sent = 0, inflated = 0;
  bool good = true;
  for (int i = 0; i < 100 && good; ++i) {
    const std::string bytes = deflater.message(std::string(1 << 20, '\0'));
    std::string text;
    good = inflater.push(bytes, into(text)) && inflater.end(into(text));
    sent += bytes.size();
    inflated += text.size();
  }
  EXPECT_FALSE(good);
  EXPECT_LE(inflated, ContentDecoder::kFreeBytes + ContentDecoder::kMaxRatio * sent);
}

TEST(MessageInflater, BytesThatAreNoDeflateFailForGood) {
  MessageInflater inflater(true);
  std::string text;
  EXPECT_FALSE(inflater.push("\xff\xff\xff\xff", into(text)));
  EXPECT_FALSE(inflater.push(Deflater(true).message("fine"), into(text)));
  EXPECT_FALSE(inflater.end(into(text)));
  EXPECT_EQ(text, "");
}

TEST(MessageInflater, ABombIsGivenUpWithinItsBound) {
  const std::string bomb = Deflater(true).message(std::string(100 << 20, '\0'));
  MessageInflater inflater(true);
  struct Count {
    std::uint64_t bytes = 0;
  } count;
  const ContentDecoder::Sink sink{
      [](void* to, std::string_view part) { static_cast<Count*>(to)->bytes += part.size(); }, &count};
  EXPECT_FALSE(inflater.push(bomb, sink));
  EXPECT_LE(count.bytes, ContentDecoder::kFreeBytes + ContentDecoder::kMaxRatio * bomb.size());
}

TEST(MessageDeflate, IsReadFromTheHandshakesAnswer) {
  const auto read = [](std::vector<std::string_view> values) {
    MessageDeflate d;
    for (const std::string_view v : values) d.read(v);
    return d;
  };
  EXPECT_FALSE(read({}).on);
  EXPECT_FALSE(read({"x-webkit-deflate-frame, permessage-bzip2; client_no_context_takeover"}).on);
  const MessageDeflate plain = read({"permessage-deflate; server_max_window_bits=10"});
  EXPECT_TRUE(plain.on && plain.client_keeps_context && plain.server_keeps_context);
  const MessageDeflate server = read({"foo", "Permessage-Deflate ;Server_No_Context_Takeover"});
  EXPECT_TRUE(server.on && server.client_keeps_context && !server.server_keeps_context);
  const MessageDeflate both =
      read({"permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits=15"});
  EXPECT_TRUE(both.on && !both.client_keeps_context && !both.server_keeps_context);
}

}  // namespace
}  // namespace gw::provider
