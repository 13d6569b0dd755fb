#include "provider/scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "provider/provider_test_util.h"

namespace gw::provider::scan {
namespace {

using test::Random;

/// On a heap block of exactly this size, so that ASan sees a read beyond it.
std::ptrdiff_t find(const Kernel& k, std::string_view text) {
  const std::vector<char> block(text.begin(), text.end());
  return k.find_usage(block.data(), block.data() + block.size()) - block.data();
}

std::ptrdiff_t skip(const Kernel& k, std::string_view text, Nesting& n) {
  const std::vector<char> block(text.begin(), text.end());
  return k.skip_nested(block.data(), block.data() + block.size(), n) - block.data();
}

/// Text of the bytes that matter, so that every combination turns up.
std::string random_text(Random& random, std::string_view alphabet, std::size_t most) {
  std::string s(random.below(most), ' ');
  for (char& c : s) c = alphabet[random.below(alphabet.size())];
  return s;
}

TEST(FindUsage, FindsTheObjectAtEveryOffsetAndLength) {
  for (const Kernel* k : kernels()) {
    for (std::size_t before = 0; before < 200; ++before) {
      for (std::size_t after = 0; after < 80; after += 7) {
        const std::string text = std::string(before, 'u') + "\"usage\":{" + std::string(after, '"');
        ASSERT_EQ(find(*k, text), static_cast<std::ptrdiff_t>(before))
            << k->name << " before " << before << " after " << after;
      }
    }
  }
}

TEST(FindItemDone, EveryKernelFindsTheFirstAndAgreesWithThePortableOneOnRandomText) {
  Random random(5);
  for (const Kernel* k : kernels()) {
    const auto find_in = [](const Kernel& kernel, const std::vector<char>& block) {
      return kernel.find_usage_or_item_done(block.data(), block.data() + block.size()) - block.data();
    };
    for (std::size_t before = 0; before < 200; ++before) {
      for (std::size_t after = 0; after < 80; after += 7) {
        const std::string text = std::string(before, '_') + "_item.done\"" + std::string(after, '.');
        ASSERT_EQ(find_in(*k, {text.begin(), text.end()}), static_cast<std::ptrdiff_t>(before)) << k->name;
        ASSERT_EQ(find_in(*k, {text.begin(), text.begin() + static_cast<std::ptrdiff_t>(before) + 10}),
                  static_cast<std::ptrdiff_t>(before) + 10)
            << k->name << ": the quote lies beyond the end";
      }
    }
    for (int round = 0; round < 5000; ++round) {
      std::string text = random_text(random, "_item.done\"", 300);
      if (!text.empty() && random.one_in(2)) text.insert(random.below(text.size()), "_item.done\"");
      if (!text.empty() && random.one_in(3)) text.insert(random.below(text.size()), "\"usage\": {");
      const std::vector<char> block(text.begin(), text.end());
      ASSERT_EQ(find_in(*k, block), find_in(kPortable, block)) << k->name << " " << text;
    }
  }
}

TEST(FindUsage, AcceptsWhiteSpaceAndNothingElseAroundTheColon) {
  const std::string pad(150, 'x');
  for (const Kernel* k : kernels()) {
    for (const char* hit : {"\"usage\":{", "\"usage\": {", "\"usage\" :{", "\"usage\" \t: \t\r{"})
      EXPECT_EQ(find(*k, pad + hit + pad), 150) << k->name << " " << hit;
    for (const char* miss :
         {"\"usage\":null", "\"usage\":[", "\"usage\\\":{", "\\\"usage\\\":{", "\"usage\",{", "\"Usage\":{",
          "\"usage\":\n{", "'usage':{", "usage:{", "\"usages\":{", "\"usage\"", "\"usage\":", "\"usage\": "})
      EXPECT_EQ(find(*k, pad + miss + pad), static_cast<std::ptrdiff_t>(300 + std::string_view(miss).size()))
          << k->name << " " << miss;
    EXPECT_EQ(find(*k, pad + "\"usage\":"), 158) << k->name << ": the brace lies beyond the end";
  }
}

TEST(FindUsage, EveryKernelAgreesWithThePortableOneOnRandomText) {
  Random random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string text = random_text(random, "u\"sage:{n ", 400);
    if (!text.empty() && random.one_in(2))
      text.insert(random.below(text.size()), random.one_in(2) ? "\"usage\":{" : "\"usage\":null");
    const std::ptrdiff_t expected = find(kPortable, text);
    for (const Kernel* k : kernels()) ASSERT_EQ(find(*k, text), expected) << k->name << " in " << text;
  }
}

TEST(FindUsage, FindsTheFirstInLongRangesWhereverTheyBeginInACacheLine) {
  constexpr std::size_t kLine = 64;
  const std::string_view hit = "\"usage\":{";
  Random random(6);
  for (std::size_t begins = 0; begins < kLine; ++begins) {
    for (std::size_t size = 560; size < 1'700; size += 61) {
      // What looks like one at most places, and two: the second must not be taken for the first.
      std::string text;
      while (text.size() < size) text += random.one_in(8) ? "\"usage\":null" : "\"u";
      text.resize(size);
      const std::size_t second = random.below(size - hit.size() + 1), first = random.below(second + 1);
      text.replace(second, hit.size(), hit);
      text.replace(first, hit.size(), hit);
      text.resize(size);
      std::unique_ptr<char[]> room(new char[begins + size + kLine]);
      char* const p = room.get() + (kLine - reinterpret_cast<std::uintptr_t>(room.get()) % kLine) + begins;
      std::memcpy(p, text.data(), size);
      for (const Kernel* k : kernels()) {
        ASSERT_EQ(k->find_usage(p, p + size) - p, static_cast<std::ptrdiff_t>(first))
            << k->name << ", begins at " << begins << " of a line, " << size << " bytes";
        ASSERT_EQ(k->find_usage(p, p + first + hit.size() - 1), p + first + hit.size() - 1)
            << k->name << ": the brace lies beyond the end";
      }
    }
  }
}

TEST(Kernels, AreThoseThatTheProcessorRunsTheFastestLast) {
  std::vector<std::string> expected{"portable"};
#if defined(__SSE2__)
  expected.push_back("sse2");
  std::string word;
  std::set<std::string> flags;
  for (std::ifstream cpu("/proc/cpuinfo"); cpu >> word;) flags.insert(word);
  const auto has = [&flags](std::initializer_list<const char*> names) {
    return std::all_of(names.begin(), names.end(), [&flags](const char* name) { return flags.contains(name); });
  };
  if (has({"avx2", "pclmulqdq", "bmi1", "popcnt"})) {
    expected.push_back("avx2");
    if (has({"avx512f", "avx512bw", "avx512_vbmi2"})) expected.push_back("avx512");
  }
#endif
  std::vector<std::string> names;
  for (const Kernel* k : kernels()) names.emplace_back(k->name);
  EXPECT_EQ(names, expected);
  EXPECT_EQ(&best(), kernels().back());
}

TEST(SkipNested, EveryKernelAgreesWithThePortableOneHoweverItIsCut) {
  Random random(2);
  for (int round = 0; round < 20'000; ++round) {
    // Dense, only escapes, and prose: strings longer than any block.
    const std::string_view alphabets[] = {"{}[]\"\\a ,:", "\\\\\\\"{}x",
                                          "\"\\{}----------------------------------------------------------------"};
    const std::string text = random_text(random, alphabets[random.below(3)], round % 8 == 0 ? 2000 : 300);
    Nesting whole{.depth = 1 + random.below(4)};
    const Nesting start = whole;
    const std::ptrdiff_t expected = skip(kPortable, text, whole);
    for (const Kernel* k : kernels()) {
      Nesting n = start;
      std::ptrdiff_t at = 0;
      std::vector<std::size_t> cuts = test::random_cuts(random, text.size());
      cuts.push_back(text.size());
      for (std::size_t cut : cuts) {
        const auto from = static_cast<std::size_t>(at);
        if (n.depth == 0 || cut <= from) continue;
        at += skip(*k, std::string_view(text).substr(from, cut - from), n);
      }
      ASSERT_EQ(at, expected) << k->name << " in " << text;
      ASSERT_EQ(n.depth, whole.depth) << k->name << " in " << text;
      ASSERT_EQ(n.in_string, whole.in_string) << k->name << " in " << text;
      ASSERT_EQ(n.escaped, whole.escaped) << k->name << " in " << text;
    }
  }
}

TEST(SkipNested, BracketsAndEscapedQuotesInStringsDoNotCount) {
  const std::string_view text = R"({"a":"}]\"}","b":["\\",{"c":"\\\"]"}]} ,next)";
  for (const Kernel* k : kernels()) {
    Nesting n{.depth = 1};
    EXPECT_EQ(skip(*k, text.substr(1), n), static_cast<std::ptrdiff_t>(text.find(" ,next") - 1)) << k->name;
    EXPECT_EQ(n.depth, 0U) << k->name;
  }
}

TEST(SkipNested, DepthIsOnlyACounter) {
  const std::string open(1'000'000, '[');
  Nesting n{.depth = 1};
  EXPECT_EQ(skip(best(), open, n), 1'000'000);
  EXPECT_EQ(n.depth, 1'000'001U);
  const std::string close(1'000'001, ']');
  EXPECT_EQ(skip(best(), close, n), 1'000'001);
  EXPECT_EQ(n.depth, 0U);
}

}  // namespace
}  // namespace gw::provider::scan
