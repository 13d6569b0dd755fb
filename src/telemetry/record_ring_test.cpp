#include "telemetry/record_ring.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <thread>

namespace gw::telemetry {
namespace {

bool put(RecordRing& ring, const std::string& text) {
  char* out = ring.reserve(text.size());
  if (out == nullptr) return false;
  text.copy(out, text.size());
  ring.commit();
  return true;
}

TEST(RecordRing, KeepsRecordsWholeAndInOrderAcrossItsEndForEverySize) {
  for (std::size_t size = 0; size < 200; ++size) {
    RecordRing ring(4096);
    std::size_t written = 0, read = 0;
    for (int round = 0; round < 200; ++round) {
      const std::string text(size + written % 13, static_cast<char>('a' + written % 26));
      if (put(ring, text)) ++written;
      if (round % 3 == 0) continue;
      const std::string_view front = ring.front();
      ASSERT_NE(front.data(), nullptr);
      ASSERT_EQ(front, std::string(size + read % 13, static_cast<char>('a' + read % 26)));
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(front.data()) % 8, 0U);
      ring.pop();
      ++read;
    }
    EXPECT_GT(read, 100U);
  }
}

TEST(RecordRing, RefusesWhatDoesNotFitAndTakesItOnceThereIsRoom) {
  RecordRing ring(4096);
  EXPECT_EQ(ring.reserve(4096), nullptr) << "more than half a ring never fits";
  int n = 0;
  while (put(ring, std::string(100, 'x'))) ++n;
  EXPECT_EQ(n, 4096 / 112);
  EXPECT_FALSE(put(ring, std::string(100, 'x')));
  EXPECT_EQ(ring.front(), std::string(100, 'x'));
  ring.pop();
  EXPECT_TRUE(put(ring, std::string(80, 'y')));
  EXPECT_TRUE(ring.holds_more_than(3000));
  while (ring.front().data() != nullptr) ring.pop();
  EXPECT_EQ(ring.used(), 0U);
  EXPECT_FALSE(ring.holds_more_than(0));
}

TEST(RecordRing, HandsRecordsFromOneThreadToAnother) {
  RecordRing ring(4096);
  constexpr std::uint64_t kRecords = 20'000;
  std::thread producer([&] {
    for (std::uint64_t i = 0; i < kRecords;) {
      char* out = ring.reserve(8 + i % 57);
      if (out == nullptr) {
        std::this_thread::yield();
        continue;
      }
      std::memcpy(out, &i, 8);
      ring.commit();
      ++i;
    }
  });
  for (std::uint64_t expected = 0; expected < kRecords;) {
    const std::string_view front = ring.front();
    if (front.data() == nullptr) {
      std::this_thread::yield();
      continue;
    }
    std::uint64_t got = 0;
    std::memcpy(&got, front.data(), 8);
    EXPECT_EQ(got, expected);
    EXPECT_EQ(front.size(), 8 + expected % 57);
    ring.pop();
    ++expected;
  }
  producer.join();
}

}  // namespace
}  // namespace gw::telemetry
