#include "cli/terminal.h"

#include <gtest/gtest.h>

#include <sstream>

#include "cli/json_indent.h"
#include "cli/progress.h"
#include "cli/table.h"

namespace gw::cli {
namespace {

using Column = Table::Column;

TEST(Printable, WhatATerminalWouldActOnBecomesAQuestionMark) {
  EXPECT_EQ(printable("gpt-4o \xC3\xBC \xE6\xBC\xA2 \xF0\x9F\x98\x80"),
            "gpt-4o \xC3\xBC \xE6\xBC\xA2 \xF0\x9F\x98\x80");
  EXPECT_EQ(printable("a\x1b[31mb\rc\nd\te\x7f"), "a?[31mb?c?d?e?");
  EXPECT_EQ(printable("\xC2\x9B"
                      "2J"),
            "?2J")
      << "the one-character form of ESC [";
  EXPECT_EQ(printable("a\xE2\x80\xAE"
                      "b\xE2\x80\xA8"
                      "c"),
            "a?b?c")
      << "right-to-left override, line separator";
  EXPECT_EQ(printable("\xFF\xC3"), "??") << "no UTF-8";
  EXPECT_EQ(printable_lines("a\n\tb\x1b[c\r\n"), "a\n\tb?[c?\n");
}

TEST(DisplayWidth, CountsColumnsNotBytes) {
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("\xC3\xBC"), 1U);
  EXPECT_EQ(display_width("e\xCC\x81"), 1U);
  EXPECT_EQ(display_width("\xE6\xBC\xA2\xE5\xAD\x97"), 4U);
  EXPECT_EQ(cut_to_width("abcdef", 6), "abcdef");
  EXPECT_EQ(cut_to_width("abcdef", 4), "abc\xE2\x80\xA6");
  EXPECT_EQ(cut_to_width("\xE6\xBC\xA2\xE5\xAD\x97", 3), "\xE6\xBC\xA2\xE2\x80\xA6");
  EXPECT_EQ(cut_to_width("ab", 0), "");
}

Table table() {
  Table t({Column::text, Column::figure, Column::text});
  t.row({"MODEL", "N", "PATH"})
      .row({"a-rather-long-model-name", "1234567890", "/openai/v1/chat/completions"})
      .row({"m\n", "1", ""});
  return t;
}

TEST(TableText, IsAlignedToTheWidestCellAndTwoBlanks) {
  EXPECT_EQ(table().text({}),
            "MODEL                     N           PATH\n"
            "a-rather-long-model-name  1234567890  /openai/v1/chat/completions\n"
            "m?                        1           \n");
}

TEST(TableText, IsCutToANarrowTerminalInItsTextColumnsOnly) {
  const std::string cut = table().text({.interactive = true, .columns = 40, .colour = false});
  EXPECT_EQ(cut,
            "MODEL          N           PATH\n"
            "a-rather-lon\xE2\x80\xA6  1234567890  /openai/v1/c\xE2\x80\xA6\n"
            "m?             1           \n");
}

TEST(TableText, LeavesColumnsOutWhereCuttingIsNotEnough) {
  EXPECT_EQ(table().text({.interactive = true, .columns = 20, .colour = false}),
            "MODEL     N\n"
            "a-rathe\xE2\x80\xA6  1234567890\n"
            "m?        1\n"
            "(1 column does not \xE2\x80\xA6\n");
  EXPECT_EQ(table().text({.interactive = true, .columns = 5, .colour = false}),
            "MODEL\na-ra\xE2\x80\xA6\nm?\n(2 c\xE2\x80\xA6\n");
}

TEST(TableText, IsNeverWiderThanItsTerminal) {
  for (int columns = 1; columns < 80; ++columns) {
    std::istringstream text(table().text({.interactive = true, .columns = columns, .colour = false}));
    for (std::string line; std::getline(text, line);)
      EXPECT_LE(display_width(line), static_cast<std::size_t>(columns)) << line;
  }
}

TEST(TableText, LeavesOutFirstWhatMattersLeast) {
  Table t({Column::figure, Column::figure, Column::figure, Column::figure}, {2, 1});
  t.row({"11111", "22222", "33333", "44444"});
  const auto at = [&](int columns) {
    const std::string text = t.text({.interactive = true, .columns = columns, .colour = false});
    return text.substr(0, text.find('\n'));
  };
  EXPECT_EQ(at(26), "11111  22222  33333  44444");
  EXPECT_EQ(at(25), "11111  22222  44444");
  EXPECT_EQ(at(18), "11111  44444");
  EXPECT_EQ(at(11), "11111");
}

TEST(TableText, IsNeverCutWhenItIsNoTerminal) {
  EXPECT_EQ(table().text({.interactive = false, .columns = 20, .colour = false}), table().text({}));
  EXPECT_EQ(table().text({.interactive = true, .columns = 0, .colour = false}), table().text({}));
}

TEST(BlockText, AlignsTheValues) {
  Block b;
  b.row("a", "1\x1b").row("long label", "").styled("bb", "\x1b[1mx\x1b[0m");
  EXPECT_EQ(b.text(), "a           1?\nlong label  \nbb          \x1b[1mx\x1b[0m\n");
}

TEST(TerminalOf, AFileIsNoneAndHasNoColour) {
  const Terminal t = terminal_of(-1, [](std::string_view) { return std::optional<std::string>("xterm"); });
  EXPECT_FALSE(t.interactive);
  EXPECT_EQ(t.bold("x") + t.red("y"), "xy");
}

TEST(IndentedJson, FollowsTheContract) {
  EXPECT_EQ(indented_json(R"({"a":[],"b":{},"c":[1,{"d":"x{,}:\"y"}],"e":null})"),
            "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1,\n    {\n      \"d\": \"x{,}:\\\"y\"\n    }\n  ],\n"
            "  \"e\": null\n}\n");
}

TEST(ProgressLine, ShowsAShareWhereTheEndIsKnown) {
  EXPECT_EQ(Progress::line("copying", 1, 2, "", 2'000'000'000, 0),
            "copying [############............]  50 %  0:02 left");
  EXPECT_EQ(Progress::line("copying", 3, 2, "3 traces", 1, 0), "copying [########################] 100 %  3 traces");
  EXPECT_EQ(Progress::line("checking", 0, 0, "", 0, 0), "checking");
  EXPECT_EQ(Progress::line("copying", 1, 2, "", 0, 12), "copying [#\xE2\x80\xA6");
}

TEST(Numbers, AreReadable) {
  EXPECT_EQ(grouped(0) + " " + grouped(999) + " " + grouped(1000) + " " + grouped(-1234567), "0 999 1,000 -1,234,567");
  EXPECT_EQ(byte_size(1023) + " " + byte_size(1536) + " " + byte_size(5LL << 30), "1023 B 1.5 KiB 5.0 GiB");
}

}  // namespace
}  // namespace gw::cli
