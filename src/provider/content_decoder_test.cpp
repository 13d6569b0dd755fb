#include "provider/content_decoder.h"

#include <gtest/gtest.h>

#include <string>

#include "provider/provider_test_util.h"

namespace gw::provider {
namespace {

using test::kEvents;
using test::kJson;
using test::read_usage;

struct Decoded {
  bool ok = true;
  std::string text;
};

Decoded decode(std::string_view encoding, std::string_view bytes, std::size_t step = 1 << 30) {
  ContentDecoder decoder;
  Decoded out;
  out.ok = decoder.open(encoding);
  const ContentDecoder::Sink sink{[](void* to, std::string_view text) { static_cast<std::string*>(to)->append(text); },
                                  &out.text};
  for (std::size_t at = 0; out.ok && at < bytes.size(); at += step) out.ok = decoder.push(bytes.substr(at, step), sink);
  return out;
}

std::string sample() {
  std::string s;
  for (int i = 0; i < 3000; ++i) s += "data: {\"n\":" + std::to_string(i * 7919) + ",\"usage\":null}\n\n";
  return s;
}

const std::string kBody = R"({"usage":{"prompt_tokens":3,"completion_tokens":4}})";

TEST(ContentDecoder, UndoesEachCodingInAnyPieces) {
  const std::string text = sample();
  for (const char* coding : {"gzip", "x-gzip", "deflate", "br", "zstd", "GZIP", " Br "}) {
    std::string plain_name(coding);
    for (char& c : plain_name) c = static_cast<char>(std::tolower(c));
    if (plain_name == " br ") plain_name = "br";
    const std::string packed = test::encode(plain_name, text);
    for (std::size_t step : {std::size_t{1}, std::size_t{13}, std::size_t{4096}, packed.size()}) {
      const Decoded d = decode(coding, packed, step);
      ASSERT_TRUE(d.ok) << coding << " in pieces of " << step;
      ASSERT_TRUE(d.text == text) << coding << " in pieces of " << step << ": " << d.text.size() << " bytes of "
                                  << text.size();
    }
  }
}

TEST(ContentDecoder, DeflateComesWithOrWithoutItsWrapper) {
  const std::string text = sample();
  for (const std::string& packed : {test::deflate_wrapped(text), test::deflate_raw(text)})
    for (std::size_t step : {1, 2, 100'000}) ASSERT_TRUE(decode("deflate", packed, step).text == text) << step;
}

TEST(ContentDecoder, StackedCodingsAreUndoneInReverse) {
  const std::string text = sample();
  const std::string packed = test::brotli(test::gzip(text));
  for (std::size_t step : {1, 1000, 1'000'000}) {
    EXPECT_TRUE(decode("gzip, br", packed, step).text == text) << step;
    EXPECT_TRUE(decode("gzip,identity , br,", packed, step).text == text) << step;
  }
  EXPECT_TRUE(decode("zstd, br, gzip", test::gzip(test::brotli(test::zstd(text)))).text == text);
}

TEST(ContentDecoder, UnknownCodingsAndTooManyLayersAreRefused) {
  ContentDecoder decoder;
  for (const char* coding : {"compress", "gzip, rot13", "aes128gcm", "gzip,gzip,gzip,gzip", "dcb"}) {
    EXPECT_FALSE(decoder.open(coding)) << coding;
    EXPECT_FALSE(decoder.active()) << coding;
  }
  for (const char* coding : {"", "identity", " , identity,", " "}) {
    EXPECT_TRUE(decoder.open(coding)) << coding;
    EXPECT_FALSE(decoder.active()) << coding;
  }
}

TEST(ContentDecoder, GzipMembersAndZstdFramesAreJoined) {
  EXPECT_EQ(decode("gzip", test::gzip("one ") + test::gzip("") + test::gzip("two"), 1).text, "one two");
  EXPECT_EQ(decode("zstd", test::zstd("one ") + test::zstd("two"), 1).text, "one two");
}

TEST(ContentDecoder, ZstdSkipsSkippableFramesAndRefusesOldFormats) {
  const std::string skippable("\x5a\x2a\x4d\x18\x03\0\0\0abc", 11);
  for (std::size_t step : {1, 100}) {
    EXPECT_EQ(decode("zstd", skippable + test::zstd("one ") + skippable + test::zstd("two"), step).text, "one two")
        << step;
    EXPECT_FALSE(decode("zstd", std::string("\x25\xb5\x2f\xfd\x01\0\0\x01{", 9), step).ok)
        << "format 0.5 in pieces of " << step;
  }
}

TEST(ContentDecoder, BytesAfterTheEndAreIgnored) {
  for (const char* coding : {"gzip", "deflate", "br", "zstd"}) {
    for (std::size_t step : {1, 100'000}) {
      const Decoded d = decode(
          coding, test::encode(coding, "text") + std::string("garbage after it, more than any header", 38), step);
      EXPECT_TRUE(d.ok) << coding << " in pieces of " << step;
      EXPECT_EQ(d.text, "text") << coding << " in pieces of " << step;
    }
  }
}

TEST(ContentDecoder, ABrokenOffBodyGivesItsBeginning) {
  const std::string text = sample();
  for (const char* coding : {"gzip", "deflate", "br", "zstd"}) {
    const std::string packed = test::encode(coding, text);
    const Decoded d = decode(coding, std::string_view(packed).substr(0, packed.size() / 2), 100);
    EXPECT_TRUE(d.ok) << coding;
    EXPECT_TRUE(text.starts_with(d.text)) << coding;
  }
}

TEST(ContentDecoder, DamagedBytesAreNoticed) {
  const std::string text = sample();
  for (const char* coding : {"gzip", "deflate", "br", "zstd"}) {
    EXPECT_FALSE(decode(coding, "this is not encoded at all, whatever the header says").ok) << coding;
    std::string packed = test::encode(coding, text);
    for (std::size_t i = packed.size() / 3; i < packed.size() / 3 + 40; ++i) packed[i] = static_cast<char>(~packed[i]);
    const Decoded d = decode(coding, packed, 1000);
    EXPECT_TRUE(!d.ok || d.text != text) << coding;
  }
}

/// What decodes to `megabytes` of blanks, far beyond the ratio.
std::string bomb(const char* coding, std::size_t megabytes) {
  return test::encode(coding, std::string(megabytes << 20, ' '));
}

TEST(UsageReaderEncoded, AnAnswerThatExpandsAThousandfoldKeepsItsUsageUpToTheFreeBytes) {
  const std::string usage = R"(","usage":{"prompt_tokens":5,"completion_tokens":6}})";
  const Usage expected{.input_tokens = 5, .output_tokens = 6, .total_tokens = 11, .seen = true};
  for (const char* coding : {"gzip", "deflate", "br", "zstd"}) {
    const std::string body = test::encode(coding, R"({"text":")" + std::string(7'000'000, ' ') + usage);
    ASSERT_LT(body.size() * ContentDecoder::kMaxRatio * 5, 7'000'000U) << coding;
    for (std::size_t step : {10, 100'000})
      EXPECT_EQ(read_usage(kJson, body, test::cuts_every(step, body.size()), coding), expected) << coding << step;
    const std::string bomb = test::encode(coding, R"({"text":")" + std::string(30'000'000, ' ') + usage);
    EXPECT_EQ(read_usage(kJson, bomb, {}, coding), (Usage{.estimated = true}))
        << coding << " says that it was given up";
  }
}

TEST(UsageReaderEncoded, ABombIsGivenUpSoonAndWhatWasSeenStays) {
  const std::string text = "data: {\"usage\":{\"prompt_tokens\":5}}\n\n" + std::string(32 << 20, ' ');
  for (const char* coding : {"gzip", "deflate", "br", "zstd"}) {
    const std::string body = test::encode(coding, text);
    for (std::size_t step : {1, 10, 100'000}) {
      const Usage u = read_usage(kEvents, body, test::cuts_every(step, body.size()), coding);
      EXPECT_TRUE(u.estimated) << coding << " in pieces of " << step;
      EXPECT_EQ(u.input_tokens, 5) << coding << " in pieces of " << step;
    }
  }
}

TEST(ContentDecoder, ABombGivesNoMoreThanItsSizeAllows) {
  for (const char* coding : {"gzip", "deflate", "br", "zstd"}) {
    const std::string packed = bomb(coding, 32);
    const Decoded d = decode(coding, packed);
    EXPECT_FALSE(d.ok) << coding;
    EXPECT_LE(d.text.size(), ContentDecoder::kFreeBytes + ContentDecoder::kMaxRatio * packed.size() + (16 << 10))
        << coding;
  }
  const std::string nested = test::gzip(bomb("gzip", 32));
  const Decoded d = decode("gzip, gzip", nested);
  EXPECT_FALSE(d.ok);
  EXPECT_LE(d.text.size(), 9U << 20);
}

TEST(ContentDecoder, MoreThanTheGreatestBodyIsGivenUp) {
  test::Random random(5);
  std::string noise(std::size_t{1} << 20, ' ');  // does not compress below the ratio
  for (char& c : noise) c = static_cast<char>('a' + random.below(16));
  ContentDecoder decoder;
  ASSERT_TRUE(decoder.open("zstd"));
  const std::string frame = test::zstd(noise);
  std::size_t total = 0;
  const ContentDecoder::Sink sink{
      [](void* to, std::string_view text) { *static_cast<std::size_t*>(to) += text.size(); }, &total};
  int frames = 0;
  while (frames < 100 && decoder.push(frame, sink)) ++frames;
  EXPECT_EQ(frames, 63);
  EXPECT_EQ(total, ContentDecoder::kMaxDecodedBytes);
}

TEST(UsageReaderEncoded, PlainAndStackedAndUnknown) {
  Usage u{.input_tokens = 3, .output_tokens = 4, .total_tokens = 7, .seen = true};
  EXPECT_EQ(read_usage(kJson, test::gzip(kBody), {}, "gzip"), u);
  EXPECT_EQ(read_usage(kJson, test::brotli(test::gzip(kBody)), {}, "gzip, br"), u);
  EXPECT_EQ(read_usage(kJson, kBody, {}, "identity"), u);
  EXPECT_EQ(read_usage(kJson, kBody, {}, "rot13"), (Usage{.estimated = true}));
  EXPECT_EQ(read_usage(kJson, kBody, {}, "gzip"), (Usage{.estimated = true})) << "says gzip, is not";
}

TEST(UsageReaderEncoded, EventsAreSeenAsSoonAsTheyAreFlushed) {
  // An upstream that compresses a stream flushes after each event: nothing may wait for the end.
  const std::string body = test::gzip("data: {\"usage\":{\"prompt_tokens\":5}}\n\n");
  UsageReader reader;
  reader.begin(kEvents, "gzip");
  reader.push(std::string_view(body).substr(0, body.size() - 8));  // all but the trailer
  EXPECT_EQ(reader.usage().input_tokens, 5);
}

}  // namespace
}  // namespace gw::provider
