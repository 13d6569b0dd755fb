#include "http/websocket.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gw::http {
namespace {

using From = WebsocketScanner::From;

std::string frame(unsigned first, std::string_view payload, From from, unsigned length_form = 0) {
  std::string out(1, static_cast<char>(first));
  const unsigned mask_bit = from == From::client ? 0x80 : 0;
  const auto put = [&](unsigned form, std::size_t bytes) {
    out += static_cast<char>(mask_bit | form);
    for (std::size_t i = bytes; i-- > 0;) out += static_cast<char>(payload.size() >> (8 * i) & 0xff);
  };
  if (length_form == 127 || (length_form == 0 && payload.size() > 0xffff)) {
    put(127, 8);
  } else if (length_form == 126 || (length_form == 0 && payload.size() > 125)) {
    put(126, 2);
  } else {
    out += static_cast<char>(mask_bit | payload.size());
  }
  if (from == From::server) return out.append(payload);
  constexpr std::string_view kMask("\x11\xfe\x00\x7a", 4);
  out.append(kMask);
  for (std::size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ kMask[i % kMask.size()]);
  return out;
}

struct Seen {
  std::vector<std::string> messages;  ///< "text:…", "binary:…", compressed ones with a z before
  std::string open;                   ///< of a message that has not ended
  bool good = true;
  friend bool operator==(const Seen&, const Seen&) = default;
};

void push(WebsocketScanner& scanner, std::string_view bytes, Seen& seen) {
  seen.good = scanner.scan(
      bytes,
      [&](bool text, bool compressed) {
        seen.open = std::string(compressed ? "z" : "") + (text ? "text:" : "binary:");
      },
      [&](std::string_view payload) { seen.open += payload; },
      [&] {
        seen.messages.push_back(seen.open);
        seen.open.clear();
      });
}

Seen read(std::string_view bytes, From from, bool deflate = false) {
  WebsocketScanner scanner(from, deflate);
  Seen seen;
  push(scanner, bytes, seen);
  return seen;
}

TEST(Websocket, MessagesAreToldWholeWithoutTheControlFramesBetweenTheirFrames) {
  for (const From from : {From::client, From::server}) {
    const std::string bytes = frame(0x81, "one", from) + frame(0x02, "tw", from) + frame(0x89, "ping", from) +
                              frame(0x00, "", from) + frame(0x80, "o", from) + frame(0x8a, "", from) +
                              frame(0x81, "", from) + frame(0x88, "\x03\xe8", from);
    const Seen seen = read(bytes, from);
    EXPECT_TRUE(seen.good);
    EXPECT_EQ(seen.messages, (std::vector<std::string>{"text:one", "binary:two", "text:"}));
  }
}

TEST(Websocket, NoSplitChangesWhatIsTold) {
  for (const From from : {From::client, From::server}) {
    const std::string bytes = frame(0xc1, "compressed", from) + frame(0x01, "aa", from) + frame(0x89, "p", from) +
                              frame(0x80, std::string(130, 'b'), from) + frame(0x82, "", from);
    const Seen whole = read(bytes, from, true);
    ASSERT_TRUE(whole.good);
    ASSERT_EQ(whole.messages.size(), 3U);
    for (std::size_t a = 0; a <= bytes.size(); ++a) {
      WebsocketScanner scanner(from, true);
      Seen seen;
      push(scanner, std::string_view(bytes).substr(0, a), seen);
      push(scanner, std::string_view(bytes).substr(a), seen);
      ASSERT_EQ(seen, whole) << "cut at " << a;
    }
    WebsocketScanner scanner(from, true);
    Seen seen;
    for (const char c : bytes) push(scanner, {&c, 1}, seen);
    EXPECT_EQ(seen, whole);
  }
}

TEST(Websocket, EveryLengthFormIsReadAtItsLimits) {
  for (const std::size_t size : {0UL, 125UL, 126UL, 127UL, 4095UL, 4096UL, 4097UL, 65535UL, 65536UL, 200000UL}) {
    std::string payload(size, '\0');
    for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(i * 7);
    for (const From from : {From::client, From::server}) {
      const Seen seen = read(frame(0x82, payload, from), from);
      ASSERT_TRUE(seen.good) << size;
      ASSERT_EQ(seen.messages.size(), 1U) << size;
      EXPECT_EQ(seen.messages[0], "binary:" + payload) << size;
    }
  }
}

TEST(Websocket, WhatBreaksTheProtocolIsRefusedAndNothingAfterItIsTold) {
  const std::string good = frame(0x81, "x", From::server);
  const struct {
    const char* what;
    std::string bytes;
  } kCases[] = {
      {"a masked frame of a server", frame(0x81, "x", From::client)},
      {"a reserved bit", frame(0xa1, "x", From::server)},
      {"a compressed frame that was not agreed on", frame(0xc1, "x", From::server)},
      {"an unknown data opcode", frame(0x83, "x", From::server)},
      {"an unknown control opcode", frame(0x8b, "x", From::server)},
      {"a continuation of nothing", frame(0x80, "x", From::server)},
      {"a message inside a message", frame(0x01, "x", From::server) + frame(0x81, "y", From::server)},
      {"a fragmented control frame", frame(0x09, "x", From::server)},
      {"a long control frame", frame(0x89, std::string(126, 'x'), From::server)},
      {"a 16 bit length that fits in 7", frame(0x81, "x", From::server, 126)},
      {"a 64 bit length that fits in 16", frame(0x81, std::string(300, 'x'), From::server, 127)},
      {"a length over 63 bits", std::string("\x81\x7f\x80\0\0\0\0\0\0\1", 10)},
  };
  for (const auto& c : kCases) {
    const Seen seen = read(c.bytes + good, From::server);
    EXPECT_FALSE(seen.good) << c.what;
    EXPECT_TRUE(seen.messages.empty()) << c.what;
  }
  EXPECT_FALSE(read(good, From::client).good) << "an unmasked frame of a client";
  const std::string compressed_part = frame(0x01, "x", From::server) + frame(0xc0, "y", From::server);
  EXPECT_FALSE(read(compressed_part, From::server, true).good) << "the compression bit belongs to the first frame";
}

TEST(Websocket, ACloseFrameIsNoticed) {
  WebsocketScanner scanner(From::server, false);
  Seen seen;
  push(scanner, frame(0x81, "last words", From::server), seen);
  EXPECT_FALSE(scanner.closed());
  push(scanner, frame(0x88, "\x03\xe8", From::server), seen);
  EXPECT_TRUE(scanner.closed());
  EXPECT_TRUE(seen.good);
}

TEST(Websocket, ABadFrameIsBadAtEverySplit) {
  const std::string bytes = frame(0x81, "fine", From::server) + frame(0x83, "x", From::server);
  for (std::size_t a = 0; a <= bytes.size(); ++a) {
    WebsocketScanner scanner(From::server, false);
    Seen seen;
    push(scanner, std::string_view(bytes).substr(0, a), seen);
    push(scanner, std::string_view(bytes).substr(a), seen);
    push(scanner, frame(0x81, "later", From::server), seen);
    EXPECT_FALSE(seen.good) << a;
    EXPECT_EQ(seen.messages, std::vector<std::string>{"text:fine"}) << a;
  }
}

}  // namespace
}  // namespace gw::http
