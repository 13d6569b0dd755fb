#include "trace/adoption.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <random>
#include <set>
#include <string>

#include "trace/frame.h"
#include "trace/test_record.h"
#include "trace/test_store.h"
#include "trace/trace_pipeline.h"

namespace gw::trace {
namespace {

constexpr std::int64_t kNever = INT64_MAX;

struct Rig {
  Rig() {
    options.ring_dir = dir.path();
    options.ring_bytes = kMinRingBytes;
    options.poll_ms = 1;
    options.spill_poll_ms = 1;
    options.spill_stall_ms = 1;
    options.spill_file_bytes = 256 * 1024;
  }
  std::unique_ptr<TracePipeline> open(PipelineOptions with) {
    PipelineEvents events;
    events.adopted = [this](const AdoptedFile& f) {
      told.push_back((f.left_alone ? std::string(f.reason) : std::to_string(f.records)) +
                     (f.corrupt ? " corrupt" : ""));
    };
    auto made = TracePipeline::open(std::move(with), store, std::move(events));
    EXPECT_TRUE(made) << made.error().message;
    return std::move(*made);
  }
  std::unique_ptr<TracePipeline> open() { return open(options); }
  /// Opens, stores all that is found, stops.
  PipelineDiagnostics replay() {
    auto pipeline = open();
    pipeline->start();
    EXPECT_TRUE(pipeline->drain_and_stop(kNever).complete);
    return pipeline->diagnostics();
  }
  static std::uint64_t fill(TraceRing& ring, std::uint64_t from, std::uint64_t to) {
    std::uint64_t n = from;
    for (; n < to; ++n) {
      TestRecord t(n);
      ring.admitted();
      if (ring.append(t.record) != TraceRing::Append::stored_in_ring) break;
    }
    return n;
  }

  ScratchDir dir;
  PipelineOptions options;
  FakeStore store;
  std::vector<std::string> told;
};

/// Writes over some bytes of a file.
void patch(const std::string& path, std::uint64_t offset, const void* bytes, std::size_t n) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY));
  ASSERT_EQ(::pwrite(fd.get(), bytes, n, static_cast<off_t>(offset)), static_cast<ssize_t>(n));
}

TEST(Adoption, GoesOnInARingOfTheSameSize) {
  Rig rig;
  {
    auto first = rig.open();
    Rig::fill(first->ring(0), 0, 20);
  }
  auto second = rig.open();
  EXPECT_EQ(rig.told, std::vector<std::string>{"20"});
  Rig::fill(second->ring(0), 20, 30);
  EXPECT_EQ(rig.dir.files(".ring").size(), 1U) << "no second file";
  second->start();
  second->drain_and_stop(kNever);
  EXPECT_EQ(rig.store.size(), 30U);
  EXPECT_EQ(second->diagnostics().replayed_total, 20);
  EXPECT_EQ(second->diagnostics().accepted_total, 30);
}

TEST(Adoption, TakesAnyNumberAndSizeOfRings) {
  Rig rig;
  std::uint64_t n = 0;
  for (const std::size_t bytes : {std::size_t{256} << 10, std::size_t{512} << 10, std::size_t{kMinRingBytes}}) {
    PipelineOptions other = rig.options;
    other.ring_dir = rig.dir.path() + "/" + std::to_string(bytes);
    other.ring_bytes = bytes;
    other.workers = 3;
    {
      auto pipeline = rig.open(other);
      for (int w = 0; w < 3; ++w) n = Rig::fill(pipeline->ring(w), n, n + 10);
    }
    for (const auto& e : std::filesystem::directory_iterator(other.ring_dir))
      if (e.path().extension() == ".ring")
        std::filesystem::rename(e.path(), rig.dir.path() + "/" + e.path().filename().string());
  }
  const PipelineDiagnostics d = rig.replay();
  EXPECT_EQ(rig.store.size(), 90U);
  EXPECT_EQ(d.replayed_total, 90);
  EXPECT_EQ(d.stored_total, 90);
  EXPECT_TRUE(rig.dir.files(".ring").empty()) << "drained files are removed";
}

TEST(Adoption, LeavesTheRingsOfALivingProcessAlone) {
  Rig rig;
  auto alive = rig.open();
  Rig::fill(alive->ring(0), 0, 5);
  rig.told.clear();
  EXPECT_EQ(rig.replay().replayed_total, 0);
  EXPECT_EQ(rig.told, std::vector<std::string>{"another process uses it"});
  alive->start();
  alive->drain_and_stop(kNever);
  EXPECT_EQ(rig.store.size(), 5U);
}

TEST(Adoption, ReplaysUpToADamagedRecordAndKeepsTheFile) {
  Rig rig;
  std::string path;
  {
    auto first = rig.open();
    Rig::fill(first->ring(0), 0, 20);
    path = rig.dir.files(".ring").at(0);
  }
  TestRecord t(0);
  const std::uint64_t frame = frame_bytes(encoded_bytes(t.record, Cut::none));
  patch(path, kRingHeaderBytes + 12 * frame + 100, "damage", 6);
  const PipelineDiagnostics d = rig.replay();
  EXPECT_EQ(rig.told, std::vector<std::string>{"12 corrupt"});
  EXPECT_EQ(rig.store.size(), 12U);
  EXPECT_EQ(d.dropped_by_reason.at("corrupt"), 1);
  EXPECT_EQ(d.accepted_total, 13);
  EXPECT_EQ(rig.dir.files(".corrupt").size(), 1U);
  EXPECT_TRUE(rig.dir.files(".ring").empty());
  EXPECT_EQ(rig.replay().replayed_total, 0) << "once";
}

TEST(Adoption, SetsAsideWhatIsNoRing) {
  Rig rig;
  std::ofstream(rig.dir.path() + "/a.ring") << "this is no ring";
  std::ofstream(rig.dir.path() + "/b.ring");
  std::ofstream(rig.dir.path() + "/c.spill") << "nor is this a spill file";
  std::ofstream(rig.dir.path() + "/d.ring.tmp") << "half a ring";
  const PipelineDiagnostics d = rig.replay();
  EXPECT_EQ(d.dropped_by_reason.at("corrupt"), 3);
  EXPECT_EQ(rig.dir.files(".corrupt").size(), 3U);
  EXPECT_TRUE(rig.dir.files(".tmp").empty());
}

TEST(Adoption, LeavesFilesOfANewerVersionAlone) {
  Rig rig;
  {
    auto first = rig.open();
    Rig::fill(first->ring(0), 0, 5);
  }
  const std::string path = rig.dir.files(".ring").at(0);
  const std::uint32_t newer = kRingFormat + 1;
  patch(path, offsetof(RingHeader, format), &newer, sizeof newer);
  SpillHeader spill{};
  std::memcpy(spill.magic, kSpillMagic, sizeof spill.magic);
  spill.format = kSpillFormat + 1;
  std::ofstream(rig.dir.path() + "/x.spill") << std::string_view(reinterpret_cast<const char*>(&spill), sizeof spill);
  EXPECT_EQ(rig.replay().replayed_total, 0);
  EXPECT_EQ(rig.told, (std::vector<std::string>{"a newer version wrote it", "a newer version wrote it"}));
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_TRUE(std::filesystem::exists(rig.dir.path() + "/x.spill"));
}

/// A ring as another version might lay it out: larger header, positions elsewhere, records with fewer fields.
void write_older_ring(const std::string& path, std::uint64_t records) {
  constexpr std::uint32_t header_bytes = 128 * 1024;
  constexpr std::uint64_t capacity = 192 * 1024;
  RingHeader header{};
  std::memcpy(header.magic, kRingMagic, sizeof header.magic);
  header.format = 1;
  header.header_bytes = header_bytes;
  header.capacity = capacity;
  header.head_offset = 4096;
  header.tail_offset = 8192;
  header.checksum = ring_header_checksum(header);
  std::string file(header_bytes + capacity, '\0');
  std::memcpy(file.data(), &header, sizeof header);
  const std::uint64_t start = 5 * capacity - 400;  // the second record wraps
  std::uint64_t at = start;
  for (std::uint64_t n = 0; n < records; ++n) {
    std::string payload("\x40\x00", 2);
    payload += std::string(64, '\0');
    std::memcpy(payload.data() + 2, &n, sizeof n);
    payload += std::string("\x02\x06openai\x05gpt-4", 14);
    std::string frame(frame_bytes(payload.size()), '\0');
    std::memcpy(frame.data() + kFrameHeaderBytes, payload.data(), payload.size());
    seal_frame(frame.data(), at, static_cast<std::uint32_t>(payload.size()), 1, 0);
    for (const char c : frame) file[header_bytes + at++ % capacity] = c;
  }
  std::memcpy(file.data() + 4096, &at, sizeof at);
  std::memcpy(file.data() + 8192, &start, sizeof start);
  std::ofstream(path, std::ios::binary) << file;
}

TEST(Adoption, ReadsARingOfAnOlderVersion) {
  Rig rig;
  write_older_ring(rig.dir.path() + "/old.ring", 50);
  const PipelineDiagnostics d = rig.replay();
  EXPECT_EQ(d.stored_total, 50);
  EXPECT_EQ(d.dropped_by_reason.size(), 0U);
  for (const auto& [id, row] : rig.store.rows()) {
    EXPECT_EQ(row.model, "gpt-4");
    EXPECT_EQ(row.request_path, "/");
  }
  EXPECT_TRUE(rig.dir.files(".ring").empty());
}

TEST(Adoption, ReplaysOverflowFilesUpToADamagedRecord) {
  Rig rig;
  rig.store.block(true);
  std::int64_t spilled = 0;
  {
    auto first = rig.open();
    first->start();
    for (std::uint64_t n = 0; n < 500; ++n) {
      TestRecord t(n);
      ASSERT_TRUE(eventually([&] { return first->ring(0).append(t.record) == TraceRing::Append::stored_in_ring; }));
    }
    rig.store.rule([](auto) { return FakeStore::away(); });
    rig.store.block(false);
    EXPECT_EQ(first->drain_and_stop(mono_now_ns()).left, 500);
    spilled = first->diagnostics().spilled;
  }
  ASSERT_GT(spilled, 300);
  rig.store.rule(nullptr);
  const std::vector<std::string> files = rig.dir.files(".spill");
  ASSERT_GT(files.size(), 1U);
  const std::string damaged = *std::min_element(files.begin(), files.end());
  TestRecord t(0);
  const std::uint64_t frame = frame_bytes(encoded_bytes(t.record, Cut::none));
  patch(damaged, kSpillHeaderBytes + 10 * frame + 200, "damage", 6);
  const PipelineDiagnostics d = rig.replay();
  EXPECT_EQ(d.dropped_by_reason.at("corrupt"), 1);
  EXPECT_EQ(d.stored_total, static_cast<std::int64_t>(rig.store.size()));
  EXPECT_EQ(d.replayed_total, d.stored_total);
  EXPECT_LT(rig.store.size(), 500U);
  EXPECT_GT(rig.store.size(), 250U);
  EXPECT_TRUE(rig.dir.files(".spill").empty());
  EXPECT_EQ(rig.dir.files(".corrupt").size(), 1U);
}

/// Appends for ever, telling through the pipe how many records are in the ring. Never returns.
[[noreturn]] void append_until_killed(const PipelineOptions& options, int told_to, std::uint64_t first) {
  FakeStore store;
  auto made = TracePipeline::open(options, store, {});
  if (!made) ::_exit(2);
  TraceRing& ring = (*made)->ring(0);
  for (std::uint64_t n = first;; ++n) {
    TestRecord t(n);
    t.response_body(std::string(n % 700, 'x'));
    ring.admitted();
    if (ring.append(t.record) != TraceRing::Append::stored_in_ring) {
      pause();
    } else if (::write(told_to, &n, sizeof n) != sizeof n) {
      ::_exit(3);
    }
  }
}

TEST(Adoption, FindsEveryRecordOfAKilledProcess) {
  std::mt19937 random(17);
  for (int round = 0; round < 12; ++round) {
    Rig rig;
    rig.options.ring_bytes = std::size_t{8} << 20;
    std::uint64_t next = 0;
    for (int life = 0; life < 3; ++life) {  // a starter adopts, goes on, and is killed in its turn
      int told[2];
      ASSERT_EQ(::pipe(told), 0);
      ::fcntl(told[1], F_SETPIPE_SZ, 4096);  // the child cannot run far ahead and fill its ring
      const pid_t child = ::fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        ::close(told[0]);
        append_until_killed(rig.options, told[1], next);
      }
      ::close(told[1]);
      const std::uint64_t stop_at = next + 1 + random() % 150;
      std::uint64_t number = 0;
      while (::read(told[0], &number, sizeof number) == sizeof number && number < stop_at) {
      }
      ::kill(child, SIGKILL);
      // What it told between our last read and its death counts as well.
      while (::read(told[0], &number, sizeof number) == sizeof number) {
      }
      ::close(told[0]);
      int status = 0;
      ::waitpid(child, &status, 0);
      ASSERT_TRUE(WIFSIGNALED(status)) << "it must have lived until the kill";
      next = number + 1;
    }
    const PipelineDiagnostics d = rig.replay();
    EXPECT_EQ(d.dropped_by_reason.size(), 0U) << "nothing half-written is ever seen";
    // The record in the making at a kill may have been published without being told of; its number was then used again.
    EXPECT_EQ(rig.store.size() >= next && rig.store.size() <= next + 1, true) << rig.store.size() << " of " << next;
    const auto rows = rig.store.rows();
    for (std::uint64_t n = 0; n < next; ++n) {
      TestRecord t(n);
      std::string id;
      for (const unsigned char c : t.record.id) {
        id += "0123456789abcdef"[c >> 4];
        id += "0123456789abcdef"[c & 15];
      }
      ASSERT_TRUE(rows.contains(id)) << "record " << n << " is missing";
      ASSERT_EQ(rows.at(id).response_body.size(), n % 700);
    }
  }
}

TEST(Adoption, SurvivesAKillDuringItsOwnStart) {
  Rig rig;
  for (int i = 0; i < 20; ++i) {
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      PipelineOptions options = rig.options;
      // Killed in the middle of making its ring: allocated, not yet named.
      options.preallocate = [&](int fd, std::int64_t bytes) {
        preallocate_file(fd, bytes);
        ::kill(::getpid(), SIGKILL);
        return 0;
      };
      FakeStore store;
      (void)TracePipeline::open(options, store, {});
      ::_exit(0);
    }
    ::close(ready[0]);
    ::close(ready[1]);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
  }
  EXPECT_EQ(rig.dir.files(".tmp").size(), 1U) << "each start removes what the one before left";
  const PipelineDiagnostics d = rig.replay();
  EXPECT_EQ(d.accepted_total, 0);
  EXPECT_TRUE(rig.dir.files(".tmp").empty());
}

TEST(Adoption, GivesAClearErrorWhenTheDiskIsFull) {
  Rig rig;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {  // the limit on file sizes plays a full disk for the real posix_fallocate
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{.rlim_cur = 64 * 1024, .rlim_max = 64 * 1024};
    ::setrlimit(RLIMIT_FSIZE, &small);
    FakeStore store;
    const auto made = TracePipeline::open(rig.options, store, {});
    ::_exit(!made && made.error().message.find("no room for the trace ring") != std::string::npos ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
}

}  // namespace
}  // namespace gw::trace
