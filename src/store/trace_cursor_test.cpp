#include "store/trace_cursor.h"

#include <gtest/gtest.h>

#include "base/time_format.h"

namespace gw::store {
namespace {

TEST(TraceCursor, EncodesAsInTheContractExample) {
  EXPECT_EQ(encode_cursor({*parse_rfc3339("2026-02-12T01:00:03Z"), "trace-c"}),
            "MjAyNi0wMi0xMlQwMTowMDowM1p8dHJhY2UtYw");
}

TEST(TraceCursor, ComesBackForEveryLengthOfIdAndFraction) {
  for (std::int64_t ns : {0LL, 1LL, 1'770'000'000'123'456'789LL, 1'770'000'000'500'000'000LL}) {
    std::string id;
    for (int n = 1; n < 12; ++n) {
      id += n % 3 == 0 ? '|' : '\xE9';
      const auto back = decode_cursor(encode_cursor({ns, id}));
      ASSERT_TRUE(back) << back.error().message;
      EXPECT_EQ(back->created_at_ns, ns);
      EXPECT_EQ(back->id, id);
    }
  }
}

TEST(TraceCursor, NamesWhatIsWrong) {
  struct Case {
    const char* text;
    const char* error;
  };
  const Case cases[] = {
      {"***", "trace cursor is invalid: decode base64 cursor"},
      {"MjAyNi0wMi0xMlQwMTowMDowM1p8dHJhY2UtYw==", "trace cursor is invalid: decode base64 cursor"},  // padded
      {"M", "trace cursor is invalid: decode base64 cursor"},
      {"MjAyNg", "trace cursor is invalid: missing id"},                        // 2026
      {"MjAyNi0wMi0xMlQwMTowMDowM1p8", "trace cursor is invalid: missing id"},  // …Z|
      {"eHwg", "trace cursor is invalid: missing id"},                          // x| and a blank
      {"eHxh", "trace cursor is invalid: parse created_at"},                    // x|a
  };
  for (const Case& c : cases) {
    const auto got = decode_cursor(c.text);
    ASSERT_FALSE(got) << c.text;
    EXPECT_EQ(got.error().message, c.error) << c.text;
  }
}

}  // namespace
}  // namespace gw::store
