#include "telemetry/otlp_exporter.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>

#include "telemetry/otlp_test_read.h"

namespace gw::telemetry::otlp {
namespace {

constexpr std::int64_t kMs = 1'000'000, kSecond = 1'000 * kMs;

/// A receiver whose answers are scripted; what is not scripted is taken.
class Receiver {
 public:
  struct Got {
    std::string url, body;
  };

  PostResult post(const Destination& to, const Body& body, std::int64_t timeout_ms) {
    std::unique_lock lock(mutex_);
    got_.push_back({to.url, body.text()});
    last_timeout_ms_ = timeout_ms;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !held_; });
    if (script_.empty()) return {.delivery = rest_, .error = "scripted"};
    PostResult r = std::move(script_.front());
    script_.pop_front();
    return r;
  }
  void script(std::deque<PostResult> answers, Delivery rest = Delivery::taken) {
    const std::lock_guard lock(mutex_);
    script_ = std::move(answers);
    rest_ = rest;
  }
  void hold(bool held) {
    const std::lock_guard lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }
  /// The first `n` requests, once they came.
  std::vector<Got> requests(std::size_t n) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60), [&] { return got_.size() >= n; }))
        << got_.size() << " requests came, not " << n;
    return got_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Got> got_;
  std::deque<PostResult> script_;
  Delivery rest_ = Delivery::taken;
  bool held_ = false;
  std::int64_t last_timeout_ms_ = 0;
};

class OtlpExporterTest : public testing::Test {
 protected:
  OtlpExporterTest() {
    settings_.of(Signal::traces) = destination("http://c/v1/traces");
    settings_.span_delay_ms = 5;
    settings_.metric_interval_ms = 5;
  }
  static Destination destination(std::string url) {
    Destination d;
    d.enabled = true;
    d.url = std::move(url);
    d.json = true;
    return d;
  }
  void with_logs() {
    settings_.of(Signal::logs) = destination("http://c/v1/logs");
    settings_.log_delay_ms = 5;
  }
  void with_metrics() { settings_.of(Signal::metrics) = destination("http://c/v1/metrics"); }

  Exporter& make() {
    ExporterHooks hooks;
    hooks.post = [this](const Destination& to, const Body& body, std::int64_t timeout_ms) {
      return receiver_.post(to, body, timeout_ms);
    };
    hooks.snapshot = [this] {
      metrics::Snapshot s{.started_at_ns = 1, .at_ns = 2, .families = {}};
      s.families.push_back({.name = "n",
                            .kind = metrics::Kind::counter,
                            .unit = "",
                            .help = "",
                            .samples = {{.labels = {}, .value = static_cast<double>(++snapshots_), .histogram = {}}}});
      return s;
    };
    hooks.failing = [this](Signal, const std::string& error, std::uint64_t dropped) {
      said_.push_back("fails: " + error + " " + std::to_string(dropped));
    };
    hooks.overflowed = [this](Signal, std::uint64_t records) { overflowed_ += records; };
    hooks.works_again = [this](Signal, std::uint64_t dropped) { said_.push_back("works " + std::to_string(dropped)); };
    hooks.retry = {.first_ns = kMs, .most_ns = 2 * kMs, .total_ns = retry_total_ns_};
    exporter_ = std::make_unique<Exporter>(settings_, SpanOptions{}, 1, std::move(hooks));
    lane_ = &exporter_->add_lane();
    return *exporter_;
  }
  /// A record that makes one span.
  void push(std::uint32_t batch_size = 1) {
    SpanHead head;
    head.kind = RecordKind::write;
    head.batch_size = batch_size;
    lane_->push(head, {});
  }
  void log(int n = 1) {
    for (; n > 0; --n)
      exporter_->log_queue()->take("{\"time\":\"2026-02-12T02:00:01Z\",\"level\":\"WARN\",\"msg\":\"m\"}\n");
  }
  static std::size_t logs_in(const Receiver::Got& got) {
    std::size_t n = 0;
    while (at(got.body, "/resourceLogs/0/scopeLogs/0/logRecords/" + std::to_string(n)) != "absent") ++n;
    return n;
  }
  static std::size_t spans_in(const Receiver::Got& got) { return spans_of(got.body).size(); }
  bool stop(std::int64_t ns = 60 * kSecond) { return exporter_->stop(mono_now_ns() + ns); }

  Settings settings_;
  Receiver receiver_;
  std::int64_t retry_total_ns_ = 600 * kSecond;
  int snapshots_ = 0;
  std::vector<std::string> said_;
  std::uint64_t overflowed_ = 0;
  SpanLane* lane_ = nullptr;
  std::unique_ptr<Exporter> exporter_;
};

TEST_F(OtlpExporterTest, SpansGoOutInRequestsOfABatchAtMost) {
  settings_.span_batch = 3;
  make();
  for (int i = 0; i < 7; ++i) push();
  exporter_->start();
  const auto got = receiver_.requests(3);
  EXPECT_EQ(got[0].url, "http://c/v1/traces");
  EXPECT_EQ(spans_in(got[0]) + spans_in(got[1]) + spans_in(got[2]), 7U);
  EXPECT_EQ(spans_in(got[0]), 3U);
  EXPECT_TRUE(stop());
  const ExporterStats s = exporter_->stats();
  EXPECT_EQ(s.signals[0].requests, 3U);
  EXPECT_EQ(s.signals[0].sent, 7U);
  EXPECT_EQ(s.signals[0].dropped + s.queue_dropped, 0U);
  EXPECT_TRUE(said_.empty());
}

TEST_F(OtlpExporterTest, MuchThatWaitsIsSentBeforeItsTime) {
  settings_.span_delay_ms = 3'600'000;
  settings_.queue_bytes = 64 * 1024;
  make();
  exporter_->start();
  for (int i = 0; i < 200; ++i) push();
  receiver_.requests(1);
  EXPECT_TRUE(stop());
  EXPECT_EQ(exporter_->stats().signals[0].sent, 200U);
}

TEST_F(OtlpExporterTest, WhatWasNotTakenIsSentAgainUntilItIs) {
  make();
  receiver_.script({{.delivery = Delivery::again, .error = "away"}, {.delivery = Delivery::again, .error = "busy"}});
  push(42);
  exporter_->start();
  const auto got = receiver_.requests(3);
  EXPECT_EQ(got[0].body, got[1].body);
  EXPECT_EQ(got[0].body, got[2].body);
  EXPECT_TRUE(stop());
  EXPECT_EQ(exporter_->stats().signals[0].failures, 2U);
  EXPECT_EQ(exporter_->stats().signals[0].sent, 1U);
  EXPECT_EQ(said_, (std::vector<std::string>{"fails: away 0", "works 0"}));
}

TEST_F(OtlpExporterTest, ARequestThatIsRefusedIsNotRepeated) {
  make();
  receiver_.script({{.delivery = Delivery::refused, .error = "400"}});
  push(1);
  exporter_->start();
  receiver_.requests(1);
  push(2);
  const auto got = receiver_.requests(2);
  EXPECT_NE(got[0].body, got[1].body);
  EXPECT_TRUE(stop());
  EXPECT_EQ(exporter_->stats().signals[0].dropped, 1U);
  EXPECT_EQ(exporter_->stats().signals[0].sent, 1U);
  EXPECT_EQ(said_, (std::vector<std::string>{"fails: 400 1", "works 1"}));
}

TEST_F(OtlpExporterTest, ARequestIsGivenUpInTheEndAndTheNextOneTried) {
  retry_total_ns_ = 0;
  make();
  receiver_.script({{.delivery = Delivery::again, .error = "away"}});
  push(1);
  exporter_->start();
  receiver_.requests(1);
  push(2);
  const auto got = receiver_.requests(2);
  EXPECT_NE(got[0].body, got[1].body);
  EXPECT_TRUE(stop());
  EXPECT_EQ(exporter_->stats().signals[0].dropped, 1U);
}

TEST_F(OtlpExporterTest, WhileTheReceiverHangsTheQueueFillsAndTheRestIsDroppedAndCounted) {
  settings_.queue_bytes = 64 * 1024;
  make();
  receiver_.hold(true);
  push();
  exporter_->start();
  receiver_.requests(1);
  for (int i = 0; i < 2'000; ++i) push();
  const ExporterStats full = exporter_->stats();
  EXPECT_GT(full.queue_dropped, 1'000U);
  EXPECT_LE(full.queue_bytes, full.queue_capacity);
  receiver_.hold(false);
  EXPECT_TRUE(stop());
  const ExporterStats s = exporter_->stats();
  EXPECT_EQ(s.signals[0].sent + s.queue_dropped, 2'001U);
  EXPECT_EQ(s.queue_bytes, 0U);
  EXPECT_EQ(overflowed_, s.queue_dropped);
}

TEST_F(OtlpExporterTest, LogRecordsGoOutInRequestsOfABatchAtMost) {
  with_logs();
  settings_.log_batch = 3;
  make();
  log(7);
  exporter_->start();
  const auto got = receiver_.requests(3);
  EXPECT_EQ(got[0].url, "http://c/v1/logs");
  EXPECT_EQ(logs_in(got[0]), 3U);
  EXPECT_EQ(logs_in(got[0]) + logs_in(got[1]) + logs_in(got[2]), 7U);
  EXPECT_TRUE(stop());
  EXPECT_EQ(exporter_->stats().signals[2].sent, 7U);
}

TEST_F(OtlpExporterTest, WithoutLogsNothingTakesLines) {
  make();
  EXPECT_EQ(exporter_->log_queue(), nullptr);
}

TEST_F(OtlpExporterTest, LogRecordsGoOutBesideSpansThatAreNotTaken) {
  with_logs();
  make();
  receiver_.script({{.delivery = Delivery::again, .error = "busy", .retry_after_ms = 3'600'000}});
  push();
  exporter_->start();
  receiver_.requests(1);
  log();
  const auto got = receiver_.requests(2);
  EXPECT_EQ(got[1].url, "http://c/v1/logs");
  log();
  receiver_.requests(3);
  EXPECT_TRUE(stop()) << "at the end a span is tried once more";
}

TEST_F(OtlpExporterTest, LinesThatFindNoRoomAreDroppedAndCounted) {
  with_logs();
  settings_.log_queue_bytes = 64 * 1024;
  make();
  receiver_.hold(true);
  log();
  exporter_->start();
  receiver_.requests(1);
  log(5'000);
  const std::uint64_t dropped = exporter_->stats().log_queue_dropped;
  EXPECT_GT(dropped, 3'000U);
  receiver_.hold(false);
  EXPECT_TRUE(stop());
  EXPECT_EQ(exporter_->stats().signals[2].sent + dropped, 5'001U);
  EXPECT_EQ(overflowed_, dropped);
}

TEST_F(OtlpExporterTest, TheEndSendsEveryLogRecord) {
  with_logs();
  settings_.log_delay_ms = settings_.span_delay_ms = 3'600'000;
  make();
  push();
  log(3);
  exporter_->start();
  EXPECT_TRUE(stop());
  const auto got = receiver_.requests(2);
  EXPECT_EQ(got[0].url, "http://c/v1/traces");
  EXPECT_EQ(logs_in(got[1]), 3U);
}

TEST_F(OtlpExporterTest, APartThatTheReceiverRejectsCountsAsDropped) {
  settings_.of(Signal::traces).json = false;
  make();
  receiver_.script({{.delivery = Delivery::taken, .answer = {"\x0a\x02\x08\x02", 4}},
                    {.delivery = Delivery::taken, .answer = "<html>garbage"}});
  for (int i = 0; i < 3; ++i) push();
  exporter_->start();
  receiver_.requests(1);
  push();
  receiver_.requests(2);
  EXPECT_TRUE(stop());
  EXPECT_EQ(exporter_->stats().signals[0].sent, 2U);
  EXPECT_EQ(exporter_->stats().signals[0].dropped, 2U);
}

TEST_F(OtlpExporterTest, APartThatTheReceiverRejectsInJsonIsToldInItsWords) {
  make();
  receiver_.script({{.delivery = Delivery::taken,
                     .answer = R"({"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}})"}});
  for (int i = 0; i < 3; ++i) push();
  exporter_->start();
  receiver_.requests(1);
  EXPECT_TRUE(stop());
  EXPECT_EQ(exporter_->stats().signals[0].sent, 2U);
  EXPECT_EQ(exporter_->stats().signals[0].dropped, 1U);
  EXPECT_EQ(said_, (std::vector<std::string>{"fails: the receiver rejected a part: too old 1"}));
}

TEST_F(OtlpExporterTest, AfterARequestThatWasGivenUpTheNextOneWaitsAsLongAsTheReceiverAskedFor) {
  retry_total_ns_ = 60 * kSecond;
  settings_.span_batch = 1;
  with_logs();
  settings_.log_delay_ms = 3'600'000;
  settings_.log_queue_bytes = 64 * 1024;
  make();
  receiver_.script({{.delivery = Delivery::again, .error = "busy"},
                    {.delivery = Delivery::again, .error = "busy", .retry_after_ms = 3'600'000}});
  push(1);
  push(2);
  exporter_->start();
  receiver_.requests(2);
  log(300);  // enough for a request of its own, by the same thread
  const auto got = receiver_.requests(3);
  EXPECT_EQ(got[2].url, "http://c/v1/logs");
  EXPECT_EQ(exporter_->stats().signals[0].dropped, 1U);
  EXPECT_TRUE(stop()) << "only the end does not wait";
}

TEST_F(OtlpExporterTest, MetricsGoOutAtTheirIntervalAndALaterSnapshotTakesTheirPlace) {
  with_metrics();
  make();
  receiver_.script({{.delivery = Delivery::again, .error = "away"}});
  exporter_->start();
  const auto got = receiver_.requests(3);
  const std::string point = "/resourceMetrics/0/scopeMetrics/0/metrics/0/sum/dataPoints/0/asInt";
  EXPECT_EQ(got[0].url, "http://c/v1/metrics");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(at(got[static_cast<std::size_t>(i)].body, point), std::to_string(i + 1));
  EXPECT_TRUE(stop());
  EXPECT_EQ(exporter_->stats().signals[1].dropped, 0U);
}

TEST_F(OtlpExporterTest, TheEndSendsMetricsFirstAndThenEverySpan) {
  with_metrics();
  settings_.span_delay_ms = settings_.metric_interval_ms = 3'600'000;
  settings_.span_batch = 2;
  make();
  for (int i = 0; i < 3; ++i) push();
  exporter_->start();
  EXPECT_TRUE(stop());
  const auto got = receiver_.requests(3);
  ASSERT_EQ(got.size(), 3U);
  EXPECT_EQ(got[0].url, "http://c/v1/metrics");
  EXPECT_EQ(spans_in(got[1]) + spans_in(got[2]), 3U);
  EXPECT_TRUE(stop()) << "only once";
}

TEST_F(OtlpExporterTest, TheEndGivesUpOnAReceiverThatIsAway) {
  settings_.span_delay_ms = 3'600'000;
  settings_.span_batch = 2;
  make();
  receiver_.script({}, Delivery::again);
  for (int i = 0; i < 7; ++i) push();
  exporter_->start();
  EXPECT_FALSE(stop());
  EXPECT_EQ(receiver_.requests(1).size(), 1U) << "one attempt says enough";
  EXPECT_EQ(exporter_->stats().signals[0].dropped, 7U);
  EXPECT_EQ(said_, (std::vector<std::string>{"fails: scripted 2"})) << "and why";
}

TEST(RetryClock, WaitsLongerEachTimeUpToABound) {
  RetryClock c({.first_ns = 5, .most_ns = 30, .total_ns = 1'000});
  std::vector<std::int64_t> waits;
  for (std::int64_t now = 100; c.failed(now, 0, 0.5); now = c.not_before_ns()) waits.push_back(c.not_before_ns() - now);
  EXPECT_EQ(std::vector<std::int64_t>(waits.begin(), waits.begin() + 7),
            (std::vector<std::int64_t>{5, 7, 10, 15, 22, 30, 30}));
  EXPECT_EQ(waits.back(), 30);
  EXPECT_GT(c.not_before_ns(), 0) << "the next request waits too";
  c.taken();
  EXPECT_EQ(c.not_before_ns(), 0);
}

TEST(RetryClock, WaitsAsLongAsTheReceiverAsksFor) {
  RetryClock c({.first_ns = 5, .most_ns = 30, .total_ns = 1'000});
  EXPECT_TRUE(c.failed(100, 400, 0));
  EXPECT_EQ(c.not_before_ns(), 500);
  EXPECT_FALSE(c.failed(500, 5'000, 0)) << "this request is too old then";
  EXPECT_EQ(c.not_before_ns(), 5'500) << "but the next one waits";
  EXPECT_TRUE(c.failed(5'500, 0, 0)) << "and has all its time";
}

TEST(RetryClock, SpreadsGatewaysOverTime) {
  RetryClock early({.first_ns = 100, .most_ns = 300, .total_ns = 1'000});
  RetryClock late = early;
  early.failed(0, 0, 0);
  late.failed(0, 0, 0.999);
  EXPECT_EQ(early.not_before_ns(), 50);
  EXPECT_EQ(late.not_before_ns(), 149);
}

}  // namespace
}  // namespace gw::telemetry::otlp
