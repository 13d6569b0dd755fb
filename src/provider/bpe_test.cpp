#include "provider/bpe.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/sha256.h"
#include "provider/provider_test_util.h"
#include "provider/unicode_class.h"

namespace gw::provider {
namespace {

using test::Random;

const TokenizerSet& tokenizers() {
  static const TokenizerSet set;
  return set;
}

std::vector<std::uint32_t> tokens(Encoding encoding, std::string_view text) {
  std::vector<std::uint32_t> ranks;
  const RankTable& table = tokenizers().get(encoding);
  EXPECT_EQ(encode(encoding, table, text), encode(encoding, table, text, &ranks));
  return ranks;
}

std::string base64(std::string_view s) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < s.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, s.size() - i);
    std::uint32_t v = 0;
    for (std::size_t k = 0; k < 3; ++k) v = v << 8 | (k < n ? static_cast<unsigned char>(s[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) out += k <= n ? kDigits[v >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::string published_form(const RankTable& table) {
  std::string out;
  for (std::uint32_t rank = 0; rank < table.size(); ++rank)
    out += base64(table.token(rank)) + " " + std::to_string(rank) + "\n";
  return out;
}

TEST(RankTable, PutTogetherAgainIsThePublishedFileByteForByte) {
  EXPECT_EQ(sha256_hex(published_form(tokenizers().get(Encoding::o200k))),
            "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d");
  EXPECT_EQ(sha256_hex(published_form(tokenizers().get(Encoding::cl100k))),
            "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7");
}

TEST(RankTable, EveryTokenIsFoundByItsBytes) {
  for (const Encoding e : {Encoding::o200k, Encoding::cl100k}) {
    const RankTable& table = tokenizers().get(e);
    for (std::uint32_t rank = 0; rank < table.size(); ++rank) ASSERT_EQ(table.rank(table.token(rank)), rank);
    EXPECT_EQ(table.rank("no such token, surely"), RankTable::kNone);
    EXPECT_EQ(table.rank(""), RankTable::kNone);
  }
}

TEST(RankTable, StaysWithinTheMemoryThatIsStated) {
  EXPECT_LT(tokenizers().get(Encoding::o200k).memory_bytes(), std::size_t{4} * 1024 * 1024 + 300'000);
  EXPECT_LT(tokenizers().get(Encoding::cl100k).memory_bytes(), std::size_t{2} * 1024 * 1024 + 100'000);
}

TEST(RankTable, DataThatIsCutOrChangedIsRefused) {
  const std::string_view good = embedded::cl100k_ranks();
  EXPECT_EQ(RankTable::load(good.substr(0, good.size() / 2)), nullptr);
  EXPECT_EQ(RankTable::load(""), nullptr);
  EXPECT_EQ(RankTable::load("no brotli"), nullptr);
  EXPECT_EQ(RankTable::load(test::brotli(std::string("\1\1ab", 4))), nullptr) << "not every byte is a token";
  EXPECT_EQ(RankTable::load(test::brotli(std::string("\2\2ab", 4))), nullptr);
}

TEST(TokenizerSet, BuildsAnEncodingWhenItIsFirstAskedFor) {
  const TokenizerSet set;
  EXPECT_FALSE(set.ready(Encoding::cl100k));
  const RankTable& table = set.get(Encoding::cl100k);
  EXPECT_TRUE(set.ready(Encoding::cl100k));
  EXPECT_FALSE(set.ready(Encoding::o200k));
  EXPECT_EQ(&set.get(Encoding::cl100k), &table);
}

// ---- the published vectors -----------------------------------------------------------------------------------------

std::vector<std::uint32_t> numbers(std::string text) {
  for (char& c : text)
    if (c == '[' || c == ']' || c == ',') c = ' ';
  std::istringstream in(text);
  std::vector<std::uint32_t> out;
  for (std::uint32_t v = 0; in >> v;) out.push_back(v);
  return out;
}

TEST(Bpe, GivesTheTokensOfThePublishedVectors) {
  const std::string path = __FILE__;
  std::ifstream in(path.substr(0, path.rfind('/')) + "/data/test_plans.txt");
  int read = 0;
  Encoding encoding = Encoding::o200k;
  std::string sample;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("EncodingName: ")) {
      encoding = line.ends_with("cl100k_base") ? Encoding::cl100k : Encoding::o200k;
    } else if (line.starts_with("Sample: ")) {
      sample = line.substr(8);
    } else if (line.starts_with("Encoded: ")) {
      EXPECT_EQ(tokens(encoding, sample), numbers(line.substr(9))) << sample;
      ++read;
    }
  }
  EXPECT_EQ(read, 121) << "vectors in " << path;
}

// ---- pieces --------------------------------------------------------------------------------------------------------

std::vector<std::string> pieces(Encoding encoding, std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t n = next_piece(encoding, text, true);
    if (n == 0) break;
    out.emplace_back(text.substr(0, n));
    text.remove_prefix(n);
  }
  return out;
}

using Pieces = std::vector<std::string>;

TEST(Pretokenizer, O200kSplitsAsItsPatternSays) {
  const auto split = [](std::string_view s) { return pieces(Encoding::o200k, s); };
  EXPECT_EQ(split("Hello, World's end"), (Pieces{"Hello", ",", " World's", " end"}));
  EXPECT_EQ(split("HTTPServer don'T we'LLx"), (Pieces{"HTTPServer", " don'T", " we'LL", "x"}));
  EXPECT_EQ(split("camelCaseABC"), (Pieces{"camel", "Case", "ABC"}));
  EXPECT_EQ(split("12345 6"), (Pieces{"123", "45", " ", "6"}));
  EXPECT_EQ(split("a  b"), (Pieces{"a", " ", " b"}));
  EXPECT_EQ(split("a   \n\n  b  "), (Pieces{"a", "   \n\n", " ", " b", "  "}));
  EXPECT_EQ(split("x ://\n/y"), (Pieces{"x", " ://\n/", "y"}));
  EXPECT_EQ(split("\t\tint"), (Pieces{"\t", "\tint"}));
  EXPECT_EQ(split("\u4F60A"), (Pieces{"\u4F60", "A"})) << "a capital behind a letter without case is left";
  EXPECT_EQ(split("\u0301AB"), (Pieces{"\u0301", "AB"})) << "a mark before capitals stands alone";
  EXPECT_EQ(split("\u0301ab"), (Pieces{"\u0301ab"}));
  EXPECT_EQ(split("it'\u017F"), (Pieces{"it'\u017F"})) << "the long s folds to s";
  EXPECT_EQ(split("a\u0085b\uFEFFc"), (Pieces{"a", "\u0085b", "\uFEFFc"}));
  EXPECT_EQ(split("a \u0085\u00A0\u3000"), (Pieces{"a", " \u0085\u00A0\u3000"}));
}

TEST(Pretokenizer, Cl100kSplitsAsItsPatternSays) {
  const auto split = [](std::string_view s) { return pieces(Encoding::cl100k, s); };
  EXPECT_EQ(split("Hello, World's end"), (Pieces{"Hello", ",", " World", "'s", " end"}));
  EXPECT_EQ(split("camelCaseABC"), (Pieces{"camelCaseABC"}));
  EXPECT_EQ(split("a   \n\n  b \n "), (Pieces{"a", "   \n\n", " ", " b", " \n "}));
  EXPECT_EQ(split("x ://\n/y"), (Pieces{"x", " ://\n", "/y"}));
  EXPECT_EQ(split("'LL'x"), (Pieces{"'LL", "'x"}));
}

TEST(Pretokenizer, AnswersOnlyWhenWhatFollowsCannotChangeThePiece) {
  Random random(7);
  const std::vector<std::string> alphabet = {"a",          "B",      "'", "s",    "l",        " ",      "  ",
                                             "\n",         "\r",     "/", "1",    "\u00E9",   "\u4F60", "\u0301",
                                             "\U0001F34F", "\u3000", "!", "\xFF", "\xE4\xBD", "\u01C5"};
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (std::size_t n = random.below(12) + 1; n > 0; --n) text += alphabet[random.below(alphabet.size())];
    for (const Encoding e : {Encoding::o200k, Encoding::cl100k}) {
      const std::size_t whole = next_piece(e, text, true);
      ASSERT_GT(whole, 0U);
      for (std::size_t cut = 1; cut <= text.size(); ++cut) {
        const std::size_t part = next_piece(e, std::string_view(text).substr(0, cut), false);
        ASSERT_TRUE(part == 0 || part == whole) << testing::PrintToString(text) << " cut at " << cut;
      }
    }
  }
}

TEST(Pretokenizer, ALongRunIsCutAtTheBoundAndNeedsNothingBeyond) {
  for (const char* unit : {"a", "A", " ", "\n", "!", "\u4F60", "\u0301", "\xFF"}) {
    std::string text;
    while (text.size() < kMaxPieceBytes + 16) text += unit;
    for (const Encoding e : {Encoding::o200k, Encoding::cl100k}) {
      const std::size_t n = next_piece(e, text, false);
      EXPECT_GE(n, kMaxPieceBytes) << unit;
      EXPECT_LT(n, kMaxPieceBytes + 4) << unit;
    }
  }
}

// ---- merging -------------------------------------------------------------------------------------------------------

/// As the method is described: merge the lowest pair, the first of equals, until there is none.
std::vector<std::uint32_t> slow_merge(const RankTable& table, std::string_view piece) {
  std::vector<std::string> parts;
  for (char c : piece) parts.emplace_back(1, c);
  for (;;) {
    std::uint32_t best = RankTable::kNone;
    std::size_t where = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const std::uint32_t r = table.rank(parts[i] + parts[i + 1]);
      if (r < best) {
        best = r;
        where = i;
      }
    }
    if (best == RankTable::kNone) break;
    parts[where] += parts[where + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(where) + 1);
  }
  std::vector<std::uint32_t> out;
  for (const std::string& p : parts) out.push_back(table.rank(p));
  return out;
}

TEST(Bpe, MergesAsTheSlowModelDoesAtEveryLength) {
  Random random(11);
  for (const Encoding e : {Encoding::o200k, Encoding::cl100k}) {
    const RankTable& table = tokenizers().get(e);
    for (int round = 0; round < 600; ++round) {
      const std::size_t size = 1 + random.below(round % 10 == 0 ? 400 : 70);
      const std::size_t letters = 1 + random.below(26);
      std::string piece;
      for (std::size_t i = 0; i < size; ++i)
        piece += round % 7 == 0 ? static_cast<char>(random.below(256)) : static_cast<char>('a' + random.below(letters));
      std::vector<std::uint32_t> ranks;
      const std::size_t count = table.encode_piece(piece, &ranks);
      EXPECT_EQ(count, ranks.size());
      ASSERT_TRUE(table.rank(piece) != RankTable::kNone || ranks == slow_merge(table, piece)) << piece;
    }
  }
}

TEST(Bpe, TokensPutTogetherGiveTheTextAlsoWhenItIsNoUtf8) {
  Random random(5);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (std::size_t n = random.below(300); n > 0; --n)
      text += static_cast<char>(random.below(round % 2 == 0 ? 256 : 128));
    for (const Encoding e : {Encoding::o200k, Encoding::cl100k}) {
      std::string back;
      for (const std::uint32_t t : tokens(e, text)) back += tokenizers().get(e).token(t);
      ASSERT_EQ(back, text);
    }
  }
}

TEST(Bpe, AMegabyteOfOneLetterIsCountedInPiecesOfTheBound) {
  const std::string text(1 << 20, 'a');
  const std::size_t count = encode(Encoding::o200k, tokenizers().get(Encoding::o200k), text);
  const std::size_t one = encode(Encoding::o200k, tokenizers().get(Encoding::o200k), std::string(kMaxPieceBytes, 'a'));
  EXPECT_GE(count, one * (text.size() / kMaxPieceBytes));
  EXPECT_LE(count, one * (text.size() / kMaxPieceBytes + 1));
}

TEST(Unicode, ClassesAreThoseOfTheDatabase) {
  EXPECT_EQ(char_class('A'), CharClass::upper);
  EXPECT_EQ(char_class(0x1C5), CharClass::upper) << "title case";
  EXPECT_EQ(char_class(0xE9), CharClass::lower);
  EXPECT_EQ(char_class(0x4F60), CharClass::letter);
  EXPECT_EQ(char_class(0x2B0), CharClass::letter) << "modifier letter";
  EXPECT_EQ(char_class(0x301), CharClass::mark);
  EXPECT_EQ(char_class(0xBD), CharClass::number);
  EXPECT_EQ(char_class(0x85), CharClass::space);
  EXPECT_EQ(char_class(0xFEFF), CharClass::other);
  EXPECT_EQ(char_class(0x1F34F), CharClass::other);
  EXPECT_EQ(char_class(0x10FFFF), CharClass::other);
  EXPECT_EQ(char_class(0x110000), CharClass::other);
}

TEST(Encodings, FollowTheModel) {
  for (const char* m : {"gpt-4o", "gpt-4o-mini-2024-07-18", "chatgpt-4o-latest", "gpt-4.1-nano", "gpt-4.5-preview",
                        "gpt-5", "gpt-5.1-codex", "gpt-6", "o1", "o3-mini", "o4-mini", "codex-mini-latest",
                        "claude-sonnet-4-5", "openai/gpt-4o", "ft:gpt-4o:acme", "", "grok-4", "GPT-4O"})
    EXPECT_EQ(encoding_of_model(m), Encoding::o200k) << m;
  for (const char* m : {"gpt-4", "gpt-4-0613", "gpt-4-turbo-2024-04-09", "gpt-4-32k", "gpt-3.5-turbo", "gpt-35-turbo",
                        "text-embedding-3-large", "text-embedding-ada-002", "openai/gpt-4-turbo",
                        "ft:gpt-3.5-turbo-0125:acme::x", "GPT-4"})
    EXPECT_EQ(encoding_of_model(m), Encoding::cl100k) << m;
}

}  // namespace
}  // namespace gw::provider
