#include "telemetry/otlp_access.h"

#include <gtest/gtest.h>

#include <fcntl.h>

#include <array>
#include <random>

#include "base/unique_fd.h"
#include "telemetry/log.h"
#include "telemetry/otlp_json.h"
#include "telemetry/otlp_logs.h"
#include "telemetry/otlp_test_read.h"
#include "telemetry/scrub.h"

namespace gw::telemetry::otlp {
namespace {

constexpr std::string_view kSecret = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789";

/// What stands in a line, as JSON.
struct Fields {
  std::string time = "2026-02-12T03:00:01.583067647+01:00";
  std::string id = "corr-0123456789abcdef0123456789abcdef";
  std::string method = "POST", path = "/openai/v1/chat/completions", status = "200", latency = "12";
  std::string trace_id = "4bf92f3577b34da6a3ce929d0e0e4736", span_id = "00f067aa0ba902b7";  ///< empty: left out

  std::string line() const {
    std::string out = R"({"time":")" + time + R"(","level":"INFO","msg":"request complete","correlation_id":")" + id +
                      R"(","method":")" + method + R"(","path":")" + path + R"(","status":)" + status +
                      R"(,"latency_ms":)" + latency;
    if (!trace_id.empty()) out += R"(,"trace_id":")" + trace_id + R"(","span_id":")" + span_id + '"';
    return out + '}';
  }
};

/// A blank more, and it is read as JSON.
std::string as_json(std::string line) { return line.empty() ? line : line.insert(1, " "); }

/// Both ways to a record, side by side.
class Both {
 public:
  explicit Both(std::size_t most_value_bytes = 2048)
      : copied_({{"service.name", "s"}}, scrub, most_value_bytes),
        read_({{"service.name", "s"}}, scrub, most_value_bytes) {}

  void add(const std::string& line) {
    copied_.add(line);
    read_.add(as_json(line));
  }
  /// What was added says the same both ways.
  void expect_same(const std::string& what) {
    ASSERT_EQ(copied_.records(), read_.records()) << what;
    const std::string copied = taken(copied_), read = taken(read_);
    ASSERT_EQ(copied == read, true) << what << "\ncopied: " << to_json(Signal::logs, copied)
                                    << "\nread:   " << to_json(Signal::logs, read);
    ASSERT_EQ(copied.find("sk-ant"), std::string::npos) << what;
  }

 private:
  LogEncoder copied_, read_;
};

std::vector<std::string> lines_of(const std::vector<AccessLine>& all) {
  const UniqueFd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  LogOptions options;
  options.fd = nowhere.get();
  LogWriter log(options);
  std::string text;
  log.set_tap([&](std::string_view lines) { text += lines; });
  LogLane& lane = log.add_lane();
  for (const AccessLine& a : all) lane.access(a);
  EXPECT_TRUE(log.flush(std::chrono::seconds(60)));
  log.set_tap({});
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
    out.push_back(text.substr(at, text.find('\n', at) - at));
  return out;
}

TEST(OtlpAccess, WhatTheLogWritesIsNotReadAsJson) {
  AccessLine a{.at_ns = 1'770'861'601'500'000'000,
               .correlation_id = "corr-0123456789abcdef0123456789abcdef",
               .method = "POST",
               .path = "/v1/chat",
               .own_id = true,
               .status = 200,
               .latency_ms = 12};
  AccessLine chosen = a, traced = a, refused = a, cleaned = a;
  chosen.correlation_id = "of-the-client";
  traced.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
  traced.span_id = "00f067aa0ba902b7";
  refused.method = refused.path = "";
  refused.status = 400;
  cleaned.path = "/v1/sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789";
  const std::vector<std::string> lines = lines_of({a, chosen, traced, refused, cleaned});
  ASSERT_EQ(lines.size(), 5U);
  AccessRecords records(scrub, 2048);
  WireBuffer out;
  for (const std::string& line : lines) {
    EXPECT_TRUE(records.add(line, out)) << line;
    Both both;
    for (int i = 0; i < 2; ++i) both.add(line);
    both.expect_same(line);
  }
}

/// What lines are made of: first what is usual.
struct Texts {
  std::vector<std::string> times = {"2026-02-12T03:00:01.583067647+01:00",
                                    "2026-02-12T03:00:01.5+01:00",
                                    "2026-02-12T03:00:01+01:00",
                                    "2026-02-12T03:00:01Z",
                                    "2026-02-12T03:00:01.12345678Z",
                                    "2026-02-12T03:00:02.000000001Z",
                                    "2026-02-12T03:00:01.1234567890Z",
                                    "2026-02-12T03:00:01.Z",
                                    "2026-10-25T02:30:00.25-05:30",
                                    "1970-01-01T00:00:00Z",
                                    "9999-12-31T23:59:59.5Z",
                                    "2026-02-30T03:00:01Z",
                                    "2026-02-12T03:00:01.5",
                                    "yesterday",
                                    ""};
  std::vector<std::string> ids = {"corr-0123456789abcdef0123456789abcdef",
                                  "corr-fedcba9876543210fedcba9876543210",
                                  "corr-fedcba9876543210fedcba987654321G",
                                  "corr-FEDCBA9876543210fedcba9876543210",
                                  "of-the-client",
                                  "of the client",
                                  " ",
                                  "",
                                  R"(say \"x\")",
                                  R"(\u00e4)",
                                  "ä",
                                  "token=" + std::string(kSecret),
                                  std::string(kSecret),
                                  std::string(300, 'i')};
  std::vector<std::string> paths = {"/openai/v1/chat/completions",
                                    "/openai/v1/chat/completion",
                                    "/openai/v1/embeddings12345",
                                    "/",
                                    "",
                                    R"(/\u00e4)",
                                    "/ä",
                                    R"(/\",\"status\":1,\"latency_ms\":)",
                                    "/" + std::string(kSecret),
                                    "/%73k-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789",
                                    "/" + std::string(120, 'p'),
                                    "/" + std::string(3'000, 'p')};
  std::vector<std::string> methods = {"POST", "GET", "", "PUT!", "M"};
  std::vector<std::string> statuses = {"200", "404", "0", "1000", "-1", "2.5", "007", "\"200\"", "null"};
  std::vector<std::string> latencies = {"0",
                                        "7",
                                        "127",
                                        "128",
                                        "16383",
                                        "16384",
                                        "2097151",
                                        "2097152",
                                        "268435455",
                                        "268435456",
                                        "9007199254740993",
                                        "9223372036854775807",
                                        "99999999999999999999",
                                        "-5",
                                        "1.5",
                                        "00",
                                        "",
                                        "true"};
  std::vector<std::string> traces = {"4bf92f3577b34da6a3ce929d0e0e4736",
                                     "00000000000000000000000000000001",
                                     "4BF92F3577B34DA6A3CE929D0E0E4736",
                                     "4bf92f3577b34da6a3ce929d0e0e473g",
                                     "chosen",
                                     "",
                                     "",
                                     ""};
};

TEST(OtlpAccess, EveryRecordIsWhatItsLineReadAsJsonMakes) {
  const Texts texts;
  std::mt19937 random(20'260'212);
  const auto one_of = [&](const std::vector<std::string>& all, unsigned usual) -> const std::string& {
    // Most exchanges are alike.
    return all[random() % 100 < usual ? random() % std::min<std::size_t>(all.size(), 2) : random() % all.size()];
  };
  Both both;
  for (int i = 0; i < 20'000; ++i) {
    Fields f;
    const unsigned usual = i % 3 == 0 ? 50 : 97;
    f.time = one_of(texts.times, usual);
    f.id = one_of(texts.ids, usual);
    f.method = one_of(texts.methods, usual);
    f.path = one_of(texts.paths, usual);
    f.status = one_of(texts.statuses, usual);
    f.latency = random() % 100 < usual ? std::to_string(random() % 40'000) : one_of(texts.latencies, 0);
    f.trace_id = one_of(texts.traces, usual);
    both.add(f.line());
    // Requests of one record and of many.
    if (random() % 4 == 0) {
      ASSERT_NO_FATAL_FAILURE(both.expect_same(f.line()));
    }
  }
  both.expect_same("the rest");
}

TEST(OtlpAccess, NoByteOfALineIsTakenForAnother) {
  const std::string all = Fields().line();
  const std::string other = [] {
    Fields f;
    f.id = "client-0123456789";
    f.trace_id.clear();
    return f.line();
  }();
  for (const std::string& line : {all, other}) {
    Both both;
    for (std::size_t at = 0; at < line.size(); ++at) {
      for (const char c : std::string_view("\"\\0a9Z{}:,.- \x80\x01")) {
        std::string changed = line;
        changed[at] = c;
        both.add(line);  // so that there is something to be copied
        both.add(changed);
      }
      std::string shorter = line, longer = line;
      both.add(shorter.erase(at, 1));
      both.add(longer.insert(at, 1, line[at]));
      both.add(line.substr(0, at));
      ASSERT_NO_FATAL_FAILURE(both.expect_same(std::to_string(at) + " of " + line));
    }
  }
}

TEST(OtlpAccess, TextsAreCutAsElsewhere) {
  for (const std::size_t most : {std::size_t{1}, std::size_t{5}, std::size_t{36}, std::size_t{37}}) {
    Both both(most);
    for (int i = 0; i < 3; ++i) both.add(Fields().line());
    both.expect_same(std::to_string(most));
  }
}

TEST(OtlpAccess, ARequestBeginsAndEndsWithWholeRecordsWhateverIsAmongThem) {
  const std::string warning = R"({"time":"2026-02-12T03:00:01Z","level":"WARN","msg":"m","password":"a"})";
  const std::string access = Fields().line();
  for (const auto& lines : std::initializer_list<std::vector<std::string>>{{access},
                                                                           {access, access},
                                                                           {warning, access},
                                                                           {access, warning},
                                                                           {warning},
                                                                           {warning, access, "", access, warning}}) {
    Both both;
    for (int request = 0; request < 3; ++request) {
      for (const std::string& line : lines) both.add(line);
      both.expect_same(std::to_string(lines.size()));
    }
  }
}

TEST(OtlpAccess, TimesAreReadAsTheyWereWritten) {
  std::mt19937_64 random(1);
  TimeText writer;
  TimeReader reader;
  std::int64_t at = 1'770'861'601'999'999'000;
  for (int i = 0; i < 20'000; ++i) {
    constexpr std::array<std::int64_t, 6> kSteps{
        1, 1'000, 1'000'000, 1'000'000'000, 3'600'000'000'000, 800'000'000'000'000};
    at += static_cast<std::int64_t>(random() % 3) * kSteps[random() % kSteps.size()];
    std::array<char, TimeText::kMax + 48> text{};
    char* const end = writer.write(text.data(), at);
    *end = '"';
    const char* p = text.data();
    std::int64_t read = 0;
    ASSERT_TRUE(reader.read(p, text.data() + text.size(), read)) << text.data();
    ASSERT_EQ(read, at) << text.data();
    ASSERT_EQ(p, end) << text.data();
  }
}

TEST(OtlpAccess, LongLinesAreReadAsJson) {
  Fields f;
  f.path = "/" + std::string(2'100, 'p');
  AccessRecords records(scrub, 2048);
  WireBuffer out;
  EXPECT_FALSE(records.add(f.line(), out));
  EXPECT_TRUE(out.empty());
}

}  // namespace
}  // namespace gw::telemetry::otlp
