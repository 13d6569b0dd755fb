#include "trace/trace_ring.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <deque>
#include <random>
#include <string>

#include "trace/frame.h"
#include "trace/pipeline_options.h"
#include "trace/test_record.h"
#include "trace/test_store.h"

namespace gw::trace {
namespace {

using Append = TraceRing::Append;

struct RingRig {
  explicit RingRig(std::uint64_t capacity = kMinRingBytes) {
    auto made = RingFile::create(dir.path(), "test.ring", capacity, preallocate_file);
    EXPECT_TRUE(made) << (made ? "" : made.error().message);
    file = std::move(*made);
    ring = std::make_unique<TraceRing>(file, signals, Clock{});
  }
  /// Reads the next record at the tail and frees it; its number, or -1 when there is none.
  std::int64_t take() {
    while (file.tail().load() != file.head().load()) {
      Frame f;
      const std::uint64_t at = file.tail().load();
      EXPECT_TRUE(read_frame(file.at(at), file.head().load() - at, Verify::checksum, f));
      EXPECT_EQ(f.position, at);
      if (!f.skip()) {
        EXPECT_TRUE(decode_record({f.payload, f.length}, f.version, decoded));
        flags = f.flags;
        body = decoded.record.response_body;
      }
      file.tail().store(at + f.bytes);
      if (f.skip()) continue;
      std::uint64_t n = 0;
      std::memcpy(&n, decoded.record.id.data(), sizeof n);
      return static_cast<std::int64_t>(n);
    }
    return -1;
  }

  ScratchDir dir;
  RingFile file;
  Signals signals;
  std::unique_ptr<TraceRing> ring;
  DecodedRecord decoded;
  std::uint16_t flags = 0;
  std::string body;
};

std::string body_of(std::uint64_t number, std::size_t size) {
  std::string s(size, '.');
  for (std::size_t i = 0; i < size; ++i) s[i] = static_cast<char>('a' + (number + i) % 26);
  return s;
}

TEST(TraceRing, IsAQueueLikeAnyOther) {
  for (const std::uint64_t capacity : {std::uint64_t{kMinRingBytes}, std::uint64_t{512 * 1024}}) {
    RingRig rig(capacity);
    std::mt19937_64 random(capacity);
    std::deque<std::pair<std::uint64_t, std::string>> model;
    std::uint64_t number = 0, refused = 0;
    // Phases of slow and fast reading, so that the ring is full at times and nearly empty at others.
    for (int step = 0; step < 60'000; ++step) {
      const bool slow_reader = step / 5000 % 2 == 0;
      if (random() % 4 < (slow_reader ? 3U : 2U)) {
        TestRecord t(++number);
        t.response_body(body_of(number, random() % 8 == 0 ? random() % 9000 : random() % 300));
        const Append result = rig.ring->append(t.record);
        if (result == Append::stored_in_ring) {
          model.emplace_back(number, std::string(t.record.response_body));
        } else {
          ASSERT_EQ(result, Append::no_space);
          const std::uint64_t free = capacity - (rig.file.head().load() - rig.file.tail().load());
          ASSERT_LT(free, frame_bytes(encoded_bytes(t.record, Cut::none)) + kEncodeSlack + kFrameAlign)
              << "refused though it fits";
          ++refused;
        }
      } else {
        const std::int64_t got = rig.take();
        if (model.empty()) {
          ASSERT_EQ(got, -1);
        } else {
          ASSERT_EQ(got, static_cast<std::int64_t>(model.front().first));
          ASSERT_EQ(rig.body, model.front().second);
          model.pop_front();
        }
      }
    }
    EXPECT_GT(refused, 0U);
    EXPECT_GT(rig.file.head().load(), 20 * capacity) << "wrapped many times";
    while (!model.empty()) {
      ASSERT_EQ(rig.take(), static_cast<std::int64_t>(model.front().first));
      model.pop_front();
    }
    EXPECT_EQ(rig.take(), -1);
  }
}

TEST(TraceRing, TakesARecordAgainOnceThereIsRoom) {
  RingRig rig;
  std::uint64_t n = 0;
  while (true) {
    TestRecord t(n);
    rig.ring->admitted();
    if (rig.ring->append(t.record) == Append::no_space) break;
    ++n;
  }
  EXPECT_GT(n, 50U);
  EXPECT_TRUE(rig.signals.pressure.load());
  EXPECT_EQ(rig.ring->counts().admitted - rig.ring->counts().accepted(), 1U) << "still in flight";
  for (int i = 0; i < 40; ++i) EXPECT_EQ(rig.take(), i);
  TestRecord t(n);
  EXPECT_EQ(rig.ring->append(t.record), Append::stored_in_ring);
  EXPECT_EQ(rig.ring->counts().admitted, rig.ring->counts().accepted());
}

TEST(TraceRing, CountsARecordThatIsGivenUp) {
  RingRig rig;
  TestRecord t;
  rig.ring->admitted();
  rig.ring->drop(t.record);
  const ProducerCounts c = rig.ring->counts();
  EXPECT_EQ(c.dropped_full, 1U);
  EXPECT_EQ(c.accepted(), 1U);
  EXPECT_GT(c.last_drop_ns, 0);
}

TEST(TraceRing, DropsWhenThePipelineHasStopped) {
  RingRig rig;
  rig.signals.closed = true;
  TestRecord t;
  rig.ring->admitted();
  EXPECT_EQ(rig.ring->append(t.record), Append::dropped);
  EXPECT_EQ(rig.ring->counts().dropped_stopped, 1U);
}

TEST(TraceRing, TakesTheBodiesOfATooLargeRecord) {
  RingRig rig;
  TestRecord t(5);
  t.request_body(std::string(200'000, 'q'));
  t.response_body("small");
  EXPECT_EQ(rig.ring->append(t.record), Append::stored_in_ring);
  EXPECT_EQ(rig.take(), 5);
  EXPECT_EQ(rig.flags, kFrameBodiesDropped);
  EXPECT_EQ(rig.decoded.request_headers.count, 15U);
  EXPECT_EQ(rig.ring->counts().bodies_dropped, 1U);
}

TEST(TraceRing, TakesTheBodiesOfARecordOverAQuarterOfTheRing) {
  RingRig rig;
  TestRecord base;
  const std::size_t rest = encoded_bytes(base.record, Cut::none);
  const std::size_t quarter = kMinRingBytes / 4;
  for (const std::size_t size : {quarter - rest - 256, quarter - rest, quarter}) {
    TestRecord t(size);
    t.response_body(body_of(1, size));
    EXPECT_EQ(rig.ring->append(t.record), Append::stored_in_ring);
    EXPECT_EQ(rig.take(), static_cast<std::int64_t>(size));
    EXPECT_EQ(rig.flags, size == quarter - rest - 256 ? 0 : kFrameBodiesDropped) << size;
  }
}

TEST(TraceRing, TakesTheHeadersTooWhenTheyAreTooLarge) {
  RingRig rig;
  const std::string value(60'000, 'v');
  TestRecord t(6);
  t.request_headers().push_back({"x-large", value});
  t.request_body("body");
  t.refresh();
  EXPECT_EQ(rig.ring->append(t.record), Append::stored_in_ring);
  EXPECT_EQ(rig.take(), 6);
  EXPECT_EQ(rig.flags, kFrameBodiesDropped | kFrameHeadersDropped);
}

TEST(TraceRing, KeepsARecordWhateverIsTooLargeInIt) {
  RingRig rig;
  const std::string huge(500'000, 'h');
  TestRecord t(8);
  ExchangeRecord& r = t.record;
  for (std::string_view* s :
       {&r.provider, &r.model, &r.method, &r.path, &r.correlation_id, &r.api_key_hash, &r.api_key_last4,
        &r.identity.key_id, &r.identity.org_id, &r.identity.workspace_id, &r.identity.team, &r.identity.role,
        &r.lineage.group_id, &r.lineage.thread_id, &r.lineage.run_id, &r.lineage.parent_checkpoint_id, &r.price_version,
        &r.redaction_mode, &r.redaction_policy_id})
    *s = huge;
  t.redaction_counts().assign(1000, {huge, 1});
  t.request_headers().push_back({huge, huge});
  t.refresh();
  t.request_body(huge);
  EXPECT_EQ(rig.ring->append(r), Append::stored_in_ring);
  EXPECT_EQ(rig.take(), 8);
  EXPECT_EQ(rig.decoded.record.path.size(), kCutTextBytes);
}

TEST(TraceRing, UsesOnlyTheStartOfALargeRingWhileTheReaderKeepsUp) {
  RingRig rig(std::uint64_t{32} << 20);
  std::uint64_t furthest = 0;
  for (std::uint64_t n = 1; n < 60'000; ++n) {
    TestRecord t(n);
    ASSERT_EQ(rig.ring->append(t.record), Append::stored_in_ring);
    if (n % 3 == 0) {
      for (std::uint64_t i = n - 2; i <= n; ++i) ASSERT_EQ(rig.take(), static_cast<std::int64_t>(i));
    }
    furthest = std::max(furthest, rig.file.head().load() % rig.file.capacity());
  }
  EXPECT_LT(furthest, std::uint64_t{2} << 20);
  EXPECT_GT(rig.file.head().load(), std::uint64_t{200} << 20) << "it wrapped";
}

TEST(TraceRing, UsesTheWholeRingWhenTheReaderDoesNot) {
  const std::uint64_t capacity = std::uint64_t{32} << 20;
  RingRig rig(capacity);
  std::uint64_t n = 0;
  for (;; ++n) {
    TestRecord t(n);
    if (rig.ring->append(t.record) == Append::no_space) break;
  }
  const std::uint64_t used = rig.ring->used_bytes(rig.file.tail().load(), rig.file.head().load());
  EXPECT_GT(used, capacity / 10 * 9);
  for (std::uint64_t i = 0; i < n; ++i) ASSERT_EQ(rig.take(), static_cast<std::int64_t>(i));
}

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GW_TSAN 1  // its own thread keeps the child alive
#endif
#endif
#ifndef GW_TSAN
TEST(TraceRing, MakesNoSystemCallToAppend) {
  RingRig rig(std::uint64_t{8} << 20);
  TestRecord t;
  t.response_body(std::string(100, 'x'));
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {  // from here on the kernel kills it for any call but read, write and exit
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) ::_exit(77);
    int stored = 0;
    for (int i = 0; i < 4000; ++i) {
      rig.ring->admitted();
      stored += rig.ring->append(t.record) == Append::stored_in_ring ? 1 : 0;
    }
    ::syscall(SYS_exit, stored == 4000 ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    std::puts("no seccomp here: not tested");
    return;
  }
  EXPECT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}
#endif

TEST(RingFile, SaysWhenTheDiskHasNoRoom) {
  ScratchDir dir;
  const auto made = RingFile::create(dir.path(), "test.ring", kMinRingBytes, [](int, std::int64_t) { return ENOSPC; });
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("trace.ring_bytes"), std::string::npos) << made.error().message;
  EXPECT_TRUE(std::filesystem::is_empty(dir.path())) << "nothing is left behind";
}

TEST(RingFile, IsPrivateAndFullyAllocated) {
  RingRig rig;
  struct stat st{};
  ASSERT_EQ(::stat(rig.file.path().c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600U);
  EXPECT_GE(static_cast<std::uint64_t>(st.st_blocks) * 512, kMinRingBytes + kRingHeaderBytes);
  EXPECT_NE(::fcntl(rig.file.fd(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(RingFile, IsLockedWhileItIsOpen) {
  RingRig rig;
  EXPECT_EQ(RingFile::adopt(rig.file.path()).status, RingFile::Adopted::locked);
  const std::string path = rig.file.path();
  rig.ring.reset();
  rig.file = RingFile();
  EXPECT_EQ(RingFile::adopt(path).status, RingFile::Adopted::ok);
}

}  // namespace
}  // namespace gw::trace
