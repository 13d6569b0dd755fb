#include "telemetry/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/time_format.h"
#include "base/unique_fd.h"

namespace gw::telemetry {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kLong{20'000};  // a bound for broken code, not a time any test waits for

std::int64_t fixed_time() { return 1'770'861'601'500'000'000; }  // 2026-02-12T02:00:01.5Z
constexpr Clock kFixed{.wall_ns = fixed_time, .mono_ns = mono_now_ns};

struct Pipe {
  UniqueFd read, write;
  Pipe() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) std::abort();
    read.reset(fds[0]);
    write.reset(fds[1]);
  }
};

/// What can be read right now without waiting.
std::string read_available(int fd) {
  std::string out;
  char buffer[65536];
  pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
  while (::poll(&p, 1, 0) > 0 && (p.revents & POLLIN) != 0) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n <= 0) break;
    out.append(buffer, static_cast<std::size_t>(n));
  }
  return out;
}

std::string read_to_end(int fd) {
  std::string out;
  char buffer[65536];
  for (ssize_t n; (n = ::read(fd, buffer, sizeof buffer)) > 0;) out.append(buffer, static_cast<std::size_t>(n));
  return out;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t at = 0;
  for (std::size_t end; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
    lines.push_back(text.substr(at, end - at));
  EXPECT_EQ(at, text.size()) << "the output ends inside a line: " << text.substr(at);
  return lines;
}

/// One object and nothing of another.
bool is_whole(const std::string& line) {
  return line.starts_with("{\"time\":\"") && line.ends_with("}") && line.find("{\"time\"", 1) == std::string::npos;
}

bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 20'000; ++i) {
    if (condition()) return true;
    std::this_thread::yield();
    ::poll(nullptr, 0, i < 1000 ? 0 : 1);
  }
  return false;
}

/// Until every line is accounted for: a writer that was not done in time may end after stop() has returned.
bool adds_up(const LogWriter& log, LogStats& s) {
  return eventually([&] {
    s = log.stats();
    return s.submitted == s.written + s.dropped;
  });
}

std::string written_by(const std::function<void(LogWriter&)>& use) {
  Pipe pipe;
  LogWriter log({.fd = pipe.write.get(), .clock = kFixed});
  use(log);
  EXPECT_TRUE(log.stop(kLong));
  return read_available(pipe.read.get());
}

/// The zone is a property of the process, so set it for one test only.
struct Zone {
  std::string before;
  explicit Zone(const char* name) {
    if (const char* old = ::getenv("TZ")) before = old;
    ::setenv("TZ", name, 1);
    ::tzset();
  }
  ~Zone() {
    if (before.empty())
      ::unsetenv("TZ");
    else
      ::setenv("TZ", before.c_str(), 1);
    ::tzset();
  }
};

TEST(Log, WritesTheKeysInTheOrderOfTheContract) {
  const Zone utc("UTC0");
  const std::string out = written_by([](LogWriter& log) {
    log.info("startup banner")
        .field("version", "dev (none, unknown)")
        .field("port", 8080)
        .field("auth_enabled", false)
        .field("otel_sampling_ratio", 0.25)
        .field("providers", {"openai:/openai->https://a", "anthropic:/anthropic->https://b"})
        .field("big", std::uint64_t{18'446'744'073'709'551'615ULL});
  });
  const std::string expected =
      R"j({"time":"2026-02-12T02:00:01.5Z","level":"INFO","msg":"startup banner",)j"
      R"j("version":"dev (none, unknown)","port":8080,)j"
      R"("auth_enabled":false,"otel_sampling_ratio":0.25,)"
      R"("providers":["openai:/openai->https://a","anthropic:/anthropic->https://b"],"big":18446744073709551615})";
  EXPECT_EQ(out, expected + "\n");
}

TEST(Log, NamesTheLevels) {
  const Zone utc("UTC0");
  const std::string out = written_by([](LogWriter& log) {
    LogLane& lane = log.add_lane();
    lane.warn("w");
    lane.error("e").field("error", std::string("no"));
  });
  EXPECT_EQ(out,
            "{\"time\":\"2026-02-12T02:00:01.5Z\",\"level\":\"WARN\",\"msg\":\"w\"}\n"
            "{\"time\":\"2026-02-12T02:00:01.5Z\",\"level\":\"ERROR\",\"msg\":\"e\",\"error\":\"no\"}\n");
}

std::string with_settings(const LogSettings& settings, const std::function<void(LogWriter&)>& use) {
  return written_by([&](LogWriter& log) {
    log.set(settings);
    use(log);
  });
}

TEST(Log, LinesBelowTheLevelAreNotMade) {
  const auto all = [](LogWriter& log) {
    LogLane& lane = log.add_lane();
    for (const LogLevel level : {LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error}) {
      log.line(level, "rare")
          .field("a", "b")
          .field("c", 1)
          .field("d", 1.5)
          .field("e", true)
          .field("f", {std::string("g"), std::string("h")});
      lane.line(level, "own").field("h", std::uint64_t{1});
    }
    lane.access({.correlation_id = "id", .method = "GET", .path = "/", .status = 500});
  };
  EXPECT_EQ(lines_of(with_settings({.level = LogLevel::debug}, all)).size(), 9U);
  EXPECT_EQ(lines_of(written_by(all)).size(), 7U) << "info is the default";
  EXPECT_EQ(lines_of(with_settings({.level = LogLevel::warn}, all)).size(), 4U);
  EXPECT_EQ(lines_of(with_settings({.level = LogLevel::error}, all)).size(), 2U);
}

TEST(Log, TakesCredentialsOutOfEveryString) {
  const std::string secret = "sk-ant-0123456789abcdef";
  const std::string out = written_by([&](LogWriter& log) {
    LogLane& lane = log.add_lane();
    log.error("x").field("error", "key " + secret + " is wrong").field("list", {"a", secret});
    for (const std::string& id : {secret, std::string("id")})
      for (const std::string& path : {"/" + secret, std::string("/")})
        for (const std::string& method : {secret, std::string("GET")})
          lane.access({.correlation_id = id, .method = method, .path = path, .status = 200});
  });
  EXPECT_EQ(lines_of(out).size(), 9U);
  EXPECT_EQ(out.find(secret), std::string::npos) << out;
  EXPECT_NE(out.find(R"("error":"key [CREDENTIAL_REDACTED] is wrong","list":["a","[CREDENTIAL_REDACTED]"])"),
            std::string::npos)
      << out;
}

TEST(AccessLine, AnIdThatWasMadeHereIsWrittenAsItIs) {
  const std::string out = with_settings({}, [](LogWriter& log) {
    log.add_lane().access(
        {.correlation_id = "corr-0123456789abcdef", .method = "GET", .path = "/", .own_id = true, .status = 200});
  });
  EXPECT_NE(out.find(R"("correlation_id":"corr-0123456789abcdef")"), std::string::npos) << out;
}

TEST(AccessLine, OfSuccessesAShareIsWrittenThatTheCorrelationIdDecides) {
  constexpr int kRequests = 400;  // of which a pipe holds all lines
  const auto ids = [&](double ratio, int status) {
    return lines_of(with_settings({.access_sample_ratio = ratio}, [&](LogWriter& log) {
      LogLane& lane = log.add_lane();
      for (int i = 0; i < kRequests; ++i)
        lane.access({.at_ns = 1,
                     .correlation_id = "corr-" + std::to_string(i),
                     .method = "GET",
                     .path = "/",
                     .status = status});
    }));
  };
  EXPECT_EQ(ids(1, 200).size(), static_cast<std::size_t>(kRequests));
  EXPECT_EQ(ids(0, 200).size(), 0U);
  for (const int failure : {400, 404, 429, 500, 502})
    EXPECT_EQ(ids(0, failure).size(), static_cast<std::size_t>(kRequests));
  const std::vector<std::string> tenth = ids(0.1, 200);
  EXPECT_NEAR(static_cast<double>(tenth.size()), kRequests * 0.1, kRequests * 0.05);
  EXPECT_EQ(tenth, ids(0.1, 200)) << "the same ones every time";
  const std::vector<std::string> half = ids(0.5, 200);
  for (const std::string& line : tenth)
    EXPECT_NE(std::find(half.begin(), half.end(), line), half.end()) << "a larger share has the smaller one";
}

TEST(Log, WritesTextForPeople) {
  const Zone utc("UTC0");
  const std::string out = with_settings({.format = LogFormat::text}, [](LogWriter& log) {
    log.info("startup banner")
        .field("version", "dev")
        .field("empty", "")
        .field("n", -3)
        .field("on", true)
        .field("providers", {"a b", "c"});
    log.error("a message that is longer than its column")
        .field("error", "line\nbreak \"q\" \x1b[31m \xc2\x9b \xe2\x80\xae \x7f");
    log.flush(std::chrono::seconds(20));  // lines of one lane only have an order
    log.add_lane().access({.at_ns = 1'770'861'601'000'000'000,
                           .correlation_id = "id=1",
                           .method = "POST",
                           .path = "/v1/x",
                           .status = 200,
                           .latency_ms = 12});
  });
  EXPECT_EQ(out,
            "2026-02-12 02:00:01.500  INFO   startup banner            version=dev empty=\"\" n=-3 on=true "
            "providers=[\"a b\",\"c\"]\n"
            "2026-02-12 02:00:01.500  ERROR  a message that is longer than its column  error=\"line\\nbreak \\\"q\\\" "
            "\\u001b[31m \\u009b \\u202e \\u007f\"\n"
            "2026-02-12 02:00:01.000  INFO   request complete          correlation_id=\"id=1\" method=POST path=/v1/x "
            "status=200 latency_ms=12\n");
}

TEST(Log, WritesTimeInTheLocalZone) {
  for (const auto& [zone, text] :
       std::vector<std::pair<const char*, const char*>>{{"XST-5:45", "2026-02-12T07:45:01.5+05:45"},
                                                        {"YST3:30", "2026-02-11T22:30:01.5-03:30"},
                                                        {"UTC0", "2026-02-12T02:00:01.5Z"}}) {
    const Zone set(zone);
    const std::string out = written_by([](LogWriter& log) { log.info("m"); });
    EXPECT_EQ(out, std::string("{\"time\":\"") + text + "\",\"level\":\"INFO\",\"msg\":\"m\"}\n") << zone;
  }
}

TEST(TimeText, AgreesWithTheSlowFormatterAtEveryFractionAndAcrossSeconds) {
  for (const char* zone : {"UTC0", "XST-5:45", "CET-1CEST,M3.5.0,M10.5.0/3"}) {
    const Zone set(zone);
    TimeText fast;
    for (const std::int64_t base :
         {std::int64_t{0}, std::int64_t{1'774'745'999}, std::int64_t{1'792'889'999}})  // DST changes in 2026
      for (const std::int64_t step : {0, 1, 2, 3600})
        for (const std::int64_t ns : {0, 1, 10, 500'000'000, 123'456'789, 999'999'999, 120'000'000}) {
          const std::int64_t t = (base + step) * 1'000'000'000 + ns;
          char buffer[TimeText::kMax];
          const char* end = fast.write(buffer, t);
          EXPECT_EQ(std::string(static_cast<const char*>(buffer), end), format_rfc3339_local(t)) << zone;
        }
  }
}

TEST(Log, EscapesOnlyWhatJsonNeeds) {
  const Zone utc("UTC0");
  const std::string out = written_by([](LogWriter& log) {
    log.info("a<b>&\"c\"\\").field("k\n", std::string_view("\x01\t\xFF gr\xC3\xBC\xC3\x9F", 10));
  });
  const std::string expected =
      "{\"time\":\"2026-02-12T02:00:01.5Z\",\"level\":\"INFO\",\"msg\":\"a<b>&\\\"c\\\"\\\\\","
      "\"k\\n\":\"\\u0001\\t\\ufffd gr\xC3\xBC\xC3\x9F\"}\n";
  EXPECT_EQ(out, expected);
}

TEST(PlainJson, IsWhatNeedsNoEscapeAtEveryPosition) {
  for (std::size_t size : {1U, 7U, 8U, 9U, 16U, 23U})
    for (std::size_t at = 0; at < size; ++at)
      for (int c = 0; c < 256; ++c) {
        std::string s(size, 'x');
        s[at] = static_cast<char>(c);
        const bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
        ASSERT_EQ(is_plain_json(s), plain) << "byte " << c << " at " << at << " of " << size;
      }
  EXPECT_TRUE(is_plain_json(""));
}

TEST(AccessLine, FastAndSlowFormsAgreeExceptForEscapes) {
  const Zone utc("UTC0");
  const std::string long_path = "/openai/" + std::string(5000, 'p');
  const std::string out = written_by([&](LogWriter& log) {
    LogLane& lane = log.add_lane();
    lane.access(
        {.correlation_id = "corr-1", .method = "POST", .path = "/openai/v1/x", .status = 200, .latency_ms = 1234});
    lane.access({.correlation_id = "corr-1", .method = "POST", .path = "/openai/\"x", .status = 502, .latency_ms = 0});
    lane.access({.correlation_id = "c", .method = "GET", .path = long_path, .status = 200, .latency_ms = 1});
    lane.access({.at_ns = 1'000'000'000,
                 .correlation_id = "c",
                 .method = "GET",
                 .path = "/",
                 .status = 200,
                 .latency_ms = 1,
                 .trace_id = "0af7651916cd43dd8448eb211c80319c",
                 .span_id = "b7ad6b7169203331"});
  });
  const std::vector<std::string> lines = lines_of(out);
  ASSERT_EQ(lines.size(), 4U);
  const std::string head =
      R"({"time":"2026-02-12T02:00:01.5Z","level":"INFO","msg":"request complete","correlation_id":")";
  EXPECT_EQ(lines[0], head + R"(corr-1","method":"POST","path":"/openai/v1/x","status":200,"latency_ms":1234})");
  EXPECT_EQ(lines[1], head + R"(corr-1","method":"POST","path":"/openai/\"x","status":502,"latency_ms":0})");
  EXPECT_EQ(lines[2], head + R"(c","method":"GET","path":")" + long_path + R"(","status":200,"latency_ms":1})");
  EXPECT_EQ(
      lines[3],
      R"({"time":"1970-01-01T00:00:01Z","level":"INFO","msg":"request complete","correlation_id":"c","method":"GET",)"
      R"("path":"/","status":200,"latency_ms":1,)"
      R"("trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331"})");
}

TEST(Log, LinesOfOneLaneKeepTheirOrderAndNoneIsTornAmongManyProducers) {
  constexpr int kThreads = 4;
  constexpr int kLines = 20'000;
  Pipe pipe;
  LogWriter log({.fd = pipe.write.get(), .lane_bytes = 8 << 20});
  std::string out;
  std::thread reader([&] { out = read_to_end(pipe.read.get()); });
  std::vector<std::thread> producers;
  for (int t = 0; t < kThreads; ++t) {
    LogLane& lane = log.add_lane();
    producers.emplace_back([&lane, t] {
      for (int i = 0; i < kLines; ++i)
        lane.access({.at_ns = 1,
                     .correlation_id = std::to_string(t),
                     .method = "GET",
                     .path = "/",
                     .status = 200,
                     .latency_ms = i});
    });
  }
  for (int i = 0; i < 100; ++i) log.info("control").field("n", i);
  for (std::thread& p : producers) p.join();
  EXPECT_TRUE(log.stop(kLong));
  pipe.write.reset();
  reader.join();

  int next[kThreads] = {};
  int control = 0;
  for (const std::string& line : lines_of(out)) {
    ASSERT_TRUE(is_whole(line)) << line;
    if (line.find("\"msg\":\"control\"") != std::string::npos) {
      EXPECT_NE(line.find("\"n\":" + std::to_string(control++) + "}"), std::string::npos) << line;
      continue;
    }
    const std::size_t id = line.find("\"correlation_id\":\"");
    ASSERT_NE(id, std::string::npos) << line;
    const int t = line[id + 18] - '0';
    ASSERT_TRUE(line.ends_with("\"latency_ms\":" + std::to_string(next[t]++) + "}")) << line;
  }
  for (const int n : next) EXPECT_EQ(n, kLines);
  EXPECT_EQ(control, 100);
  const LogStats s = log.stats();
  EXPECT_EQ(s.submitted, static_cast<std::uint64_t>(kThreads) * kLines + 100);
  EXPECT_EQ(s.written, s.submitted);
  EXPECT_EQ(s.dropped, 0U);
}

TEST(Log, AFullPipeDropsLinesWithoutStallingTheProducerAndTellsHowManyOnceItIsReadAgain) {
  Pipe pipe;
  LogWriter log({.fd = pipe.write.get(), .lane_bytes = 64 << 10, .clock = kFixed});
  LogLane& lane = log.add_lane();
  std::uint64_t handed_in = 0;
  // Nobody reads: pipe, batch and lane fill, and this loop still comes to its end.
  const auto pipe_is_full = [&] {
    pollfd p{.fd = pipe.write.get(), .events = POLLOUT, .revents = 0};
    return ::poll(&p, 1, 0) == 0;
  };
  const auto hand_in = [&] {
    lane.access({.correlation_id = "c",
                 .method = "GET",
                 .path = "/",
                 .status = 200,
                 .latency_ms = static_cast<std::int64_t>(handed_in)});
    ++handed_in;
  };
  while (!pipe_is_full()) hand_in();
  // From here on nothing moves, so drops mean that batch and lane are full as well.
  for (const std::uint64_t before = log.stats().dropped; log.stats().dropped < before + 1000;) hand_in();
  EXPECT_FALSE(log.flush(milliseconds(1)));

  std::string out;
  std::thread reader([&] { out = read_to_end(pipe.read.get()); });
  EXPECT_TRUE(log.stop(kLong));
  pipe.write.reset();
  reader.join();

  std::uint64_t access = 0;
  std::uint64_t told = 0;
  std::string last_total;
  for (const std::string& line : lines_of(out)) {
    ASSERT_TRUE(is_whole(line)) << line;
    const std::size_t notice = line.find("\"level\":\"WARN\",\"msg\":\"log lines dropped\",\"dropped_total\":");
    if (notice == std::string::npos) {
      ++access;
      continue;
    }
    const std::size_t at = line.find("\"dropped\":");
    told += std::stoull(line.substr(at + 10));
    last_total = line.substr(line.find("\"dropped_total\":") + 16);
  }
  const LogStats s = log.stats();
  EXPECT_EQ(s.submitted, handed_in);
  EXPECT_EQ(s.written, access);
  EXPECT_EQ(s.submitted, s.written + s.dropped);
  EXPECT_EQ(told, s.dropped);
  EXPECT_EQ(std::stoull(last_total), s.dropped);
}

TEST(Log, GivesUpOnABlockedPipeAtTheDeadlineAndCountsWhatIsLeft) {
  Pipe pipe;
  LogWriter log({.fd = pipe.write.get(), .lane_bytes = 256 << 10});
  LogLane& lane = log.add_lane();
  std::uint64_t handed_in = 0;
  for (; handed_in < 2000; ++handed_in)
    lane.access({.correlation_id = "c", .method = "GET", .path = "/", .status = 200, .latency_ms = 1});
  EXPECT_FALSE(log.stop(milliseconds(30)));
  LogStats s;
  EXPECT_TRUE(adds_up(log, s)) << s.written << " written, " << s.dropped << " dropped";
  EXPECT_EQ(s.submitted, handed_in);
  EXPECT_GT(s.dropped, 0U);
}

TEST(Log, LinesAfterStopAreDroppedAndCounted) {
  Pipe pipe;
  LogWriter log({.fd = pipe.write.get()});
  log.info("one");
  EXPECT_TRUE(log.stop(kLong));
  log.info("two");
  EXPECT_TRUE(log.stop(kLong)) << "stopping twice is harmless";
  const LogStats s = log.stats();
  EXPECT_EQ(s.written, 1U);
  EXPECT_EQ(s.dropped, 1U);
}

TEST(Log, APipeWithoutReaderCostsLinesButNeitherTheProcessNorTheLog) {
  Pipe pipe;
  LogWriter log({.fd = pipe.write.get()});
  pipe.read.reset();
  log.info("lost");
  EXPECT_TRUE(log.flush(kLong));
  EXPECT_EQ(log.stats().dropped, 1U);
  log.info("lost too");
  EXPECT_TRUE(log.flush(kLong));
  const LogStats s = log.stats();
  EXPECT_EQ(s.dropped, 2U);
  EXPECT_EQ(s.written, 0U);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(log.flush(kLong));
  EXPECT_EQ(log.stats().writes, s.writes) << "the notice alone is not tried again and again";
}

TEST(Log, ASleepingWriterIsWokenByALine) {
  Pipe pipe;
  LogWriter log({.fd = pipe.write.get(), .gather = milliseconds(0)});
  LogLane& lane = log.add_lane();
  for (std::uint64_t i = 1; i <= 20; ++i) {
    ASSERT_TRUE(eventually([&] { return log.asleep(); })) << "an idle log must not keep the processor awake";
    lane.info("x");
    ASSERT_TRUE(eventually([&] { return log.stats().written == i; })) << "line " << i;
  }
}

TEST(Log, LinesThatComeTogetherAreWrittenTogether) {
  Pipe pipe;
  LogWriter log({.fd = pipe.write.get(), .gather = kLong});
  LogLane& lane = log.add_lane();
  for (int i = 0; i < 200; ++i)
    lane.access({.correlation_id = "c", .method = "GET", .path = "/", .status = 200, .latency_ms = i});
  EXPECT_TRUE(log.flush(kLong));
  EXPECT_EQ(log.stats().written, 200U);
  EXPECT_LE(log.stats().writes, 3U);
}

TEST(Log, AClosedDescriptorCostsLinesOnly) {
  LogWriter log({.fd = -1});
  log.info("lost");
  EXPECT_TRUE(log.flush(kLong));
  EXPECT_EQ(log.stats().dropped, 1U);
}

TEST(Log, AFifoThatIsOpenedAgainGetsWholeLinesAndTheNumberOfLostOnes) {
  std::string dir = (std::filesystem::temp_directory_path() / "gwlogXXXXXX").string();
  ASSERT_NE(::mkdtemp(dir.data()), nullptr);
  const std::string path = dir + "/fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  UniqueFd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  const UniqueFd writer(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(reader && writer);
  {
    LogWriter log({.fd = writer.get(), .clock = kFixed});
    LogLane& lane = log.add_lane();
    lane.info("before");
    ASSERT_TRUE(log.flush(kLong));
    EXPECT_EQ(lines_of(read_available(reader.get())).size(), 1U);
    // Fill the pipe so that a line goes out in part, then take the reader away.
    const std::string filler(5000, 'f');
    std::uint64_t filled = 0;
    for (; filled < 40; ++filled) lane.info("filler").field("text", filler);
    EXPECT_FALSE(log.flush(milliseconds(1)));
    ASSERT_TRUE(eventually([&] {
      pollfd p{.fd = writer.get(), .events = POLLOUT, .revents = 0};
      return ::poll(&p, 1, 0) == 0;
    })) << "the pipe never filled";
    reader.reset();
    lane.info("lost");
    ASSERT_TRUE(log.flush(kLong));
    lane.info("lost too");
    ASSERT_TRUE(log.flush(kLong));
    const std::uint64_t lost = log.stats().dropped;
    EXPECT_GT(lost, 1U);

    reader.reset(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    std::string out = read_available(reader.get());
    lane.info("after");
    ASSERT_TRUE(log.flush(kLong));
    out += read_available(reader.get());
    const std::vector<std::string> lines = lines_of(out);
    ASSERT_GE(lines.size(), 2U) << out;
    for (const std::string& line : lines) EXPECT_TRUE(is_whole(line)) << line;
    EXPECT_NE(lines[lines.size() - 2].find("\"msg\":\"after\""), std::string::npos) << lines[lines.size() - 2];
    EXPECT_NE(lines.back().find("\"log lines dropped\",\"dropped_total\":" + std::to_string(lost)), std::string::npos)
        << lines.back();
    const LogStats s = log.stats();
    EXPECT_EQ(s.submitted, filled + 4);
    EXPECT_EQ(s.submitted, s.written + s.dropped);
    EXPECT_EQ(s.dropped, lost);
  }
  std::filesystem::remove_all(dir);
}

TEST(Log, ADescriptorThatCannotBeOpenedASecondTimeIsStillNotWaitedFor) {
  std::string dir = (std::filesystem::temp_directory_path() / "gwlogXXXXXX").string();
  ASSERT_NE(::mkdtemp(dir.data()), nullptr);
  const std::string path = dir + "/fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  UniqueFd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  const UniqueFd writer(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(reader && writer);
  reader.reset();  // a FIFO without reader refuses to be opened for writing without waiting
  LogWriter log({.fd = writer.get(), .lane_bytes = 1 << 20});
  LogLane& lane = log.add_lane();
  reader.reset(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  lane.info("x");
  EXPECT_TRUE(log.flush(kLong));
  EXPECT_EQ(lines_of(read_available(reader.get())).size(), 1U);

  const std::string filler(1000, 'f');
  for (int i = 0; i < 500; ++i) lane.info("filler").field("text", filler);
  EXPECT_FALSE(log.stop(milliseconds(30))) << "nobody reads";
  LogStats s;
  EXPECT_TRUE(adds_up(log, s)) << "the thread ends and counts what is left";
  EXPECT_EQ(s.submitted, 501U);
  std::filesystem::remove_all(dir);
}

TEST(Log, ASocketThatIsFullBlocksOnlyTheWriter) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  UniqueFd mine(fds[0]);
  UniqueFd theirs(fds[1]);
  LogWriter log({.fd = mine.get(), .lane_bytes = 64 << 10});
  LogLane& lane = log.add_lane();
  while (log.stats().dropped == 0) lane.info("filler").field("text", std::string(1000, 'x'));
  std::string out;
  std::thread reader([&] { out = read_to_end(theirs.get()); });
  EXPECT_TRUE(log.stop(kLong));
  ::shutdown(mine.get(), SHUT_WR);
  reader.join();
  const LogStats s = log.stats();
  EXPECT_EQ(s.submitted, s.written + s.dropped);
  for (const std::string& line : lines_of(out)) EXPECT_TRUE(is_whole(line)) << line;
}

TEST(Log, TheDescriptorsFlagsStayAsTheyWere) {
  Pipe pipe;
  const int before = ::fcntl(pipe.write.get(), F_GETFL);
  LogWriter log({.fd = pipe.write.get()});
  log.info("x");
  EXPECT_TRUE(log.stop(kLong));
  EXPECT_EQ(::fcntl(pipe.write.get(), F_GETFL), before);
  EXPECT_EQ(before & O_NONBLOCK, 0);
}

TEST(Log, AFileIsAppendedToAtItsSharedOffset) {
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  const int fd = ::fileno(file);
  ASSERT_EQ(::write(fd, "head\n", 5), 5);
  {
    LogWriter log({.fd = fd});
    log.info("x");
    EXPECT_TRUE(log.stop(kLong));
  }
  ASSERT_EQ(::write(fd, "tail\n", 5), 5);
  ASSERT_EQ(::lseek(fd, 0, SEEK_SET), 0);
  const std::vector<std::string> lines = lines_of(read_to_end(fd));
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0], "head");
  EXPECT_NE(lines[1].find("\"msg\":\"x\""), std::string::npos);
  EXPECT_EQ(lines[2], "tail");
  std::fclose(file);
}

TEST(Log, ALineThatIsLargerThanItsLaneIsDroppedAndTold) {
  Pipe pipe;
  LogWriter log({.fd = pipe.write.get(), .lane_bytes = 4096});
  LogLane& lane = log.add_lane();
  lane.info("x").field("text", std::string(10'000, 'x'));
  lane.info("y");
  EXPECT_TRUE(log.stop(kLong));
  const std::string out = read_available(pipe.read.get());
  const std::vector<std::string> lines = lines_of(out);
  ASSERT_EQ(lines.size(), 2U) << out;
  EXPECT_NE(lines[0].find("\"msg\":\"y\""), std::string::npos);
  EXPECT_NE(lines[1].find("\"dropped_total\":1,\"dropped\":1}"), std::string::npos);
}

TEST(LogRing, KeepsBytesAcrossItsEndForEveryLineLength) {
  for (std::size_t length = 1; length <= 300; length += 7) {
    LogRing ring(4096);
    std::string out, expected;
    for (int i = 0; i < 200; ++i) {
      const std::string line(length, static_cast<char>('a' + i % 26));
      while (!ring.push(line)) ASSERT_GT(ring.pop_all(out), 0U);
      expected += line;
    }
    ring.pop_all(out);
    ASSERT_EQ(out, expected) << length;
    ASSERT_TRUE(ring.empty());
  }
}

TEST(LogTap, GetsWholeLinesAsJsonWhateverFormIsWritten) {
  for (const LogFormat format : {LogFormat::json, LogFormat::text}) {
    Pipe pipe;
    LogWriter log({.fd = pipe.write.get(), .clock = kFixed, .settings = {.format = format}});
    std::string seen;
    log.set_tap([&](std::string_view lines) { seen.append(lines); });
    log.info("first").field("n", 1);
    log.add_lane().info("second");
    ASSERT_TRUE(log.flush(kLong));
    log.set_tap({});
    log.info("third");
    ASSERT_TRUE(log.flush(kLong));
    EXPECT_TRUE(seen.ends_with("}\n"));
    EXPECT_EQ(std::count(seen.begin(), seen.end(), '\n'), 2);
    EXPECT_NE(seen.find(R"("level":"INFO","msg":"first","n":1})"), std::string::npos) << seen;
    EXPECT_NE(seen.find(R"("level":"INFO","msg":"second"})"), std::string::npos) << seen;
    EXPECT_EQ(seen.find("third"), std::string::npos) << "the tap is gone";
    EXPECT_NE(read_available(pipe.read.get()).find("third"), std::string::npos);
  }
}

}  // namespace
}  // namespace gw::telemetry
