#include "pipeline/request_metrics.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace gw::pipeline {
namespace {

using metrics::Family;
using metrics::Sample;

class RequestMetricsTest : public ::testing::Test {
 protected:
  const Family& family(std::string_view name) {
    snapshot_ = {};
    metrics_.append_to(snapshot_);
    for (const Family& f : snapshot_.families)
      if (f.name == name) return f;
    static const Family none{};
    ADD_FAILURE() << "no family " << name;
    return none;
  }
  static std::string label(const Sample& sample, std::string_view name) {
    for (const metrics::Label& l : sample.labels)
      if (l.name == name) return l.value;
    return "";
  }
  void ask(const std::string& host, int status = 200, const std::string& method = "GET") {
    metrics_.request(0, {.method = method, .host = host, .status = status, .duration_ns = 1'000'000});
  }

  RequestMetrics metrics_{{.workers = 1}};
  metrics::Snapshot snapshot_;
};

TEST_F(RequestMetricsTest, AHostsPortIsALabelOnlyWhereItCanBeOne) {
  for (const char* host : {"a:80", "b:0", "c:99999", "d:-5", "user:secret@e", "[::1]:8080", "[::1]", "f"}) ask(host);
  std::set<std::pair<std::string, std::string>> found;
  for (const Sample& s : family("http.server.duration").samples)
    found.emplace(label(s, "net.host.name"), label(s, "net.host.port"));
  const std::set<std::pair<std::string, std::string>> expected{{"a", "80"},  {"b", ""},       {"c", ""},   {"d", ""},
                                                               {"user", ""}, {"::1", "8080"}, {"::1", ""}, {"f", ""}};
  EXPECT_EQ(found, expected);
}

TEST_F(RequestMetricsTest, HostsAndPortsThatAreMadeUpHideNoMethodAndNoStatus) {
  for (int port = 1; port <= 4'000; ++port) ask("h:" + std::to_string(port));
  ask("late:1", 502, "POST");
  std::uint64_t all = 0;
  bool found = false;
  for (const Sample& s : family("http.server.duration").samples) {
    all += s.histogram.count();
    found = found || (label(s, "http.status_code") == "502" && label(s, "http.method") == "POST" &&
                      label(s, "net.host.name") == "other" && label(s, "net.host.port") == "other");
  }
  EXPECT_EQ(all, 4'001U);
  EXPECT_TRUE(found);
}

TEST_F(RequestMetricsTest, WhatDiffersInOneLabelIsCountedApartEachTime) {
  for (int round = 0; round < 3; ++round) {
    ask("a:1");
    ask("a:1", 404);
    ask("a:1", 200, "POST");
    ask("a:2");
    metrics_.request(0, {.method = "GET", .host = "a:1", .minor = 0, .status = 200});
  }
  const Family& durations = family("http.server.duration");
  EXPECT_EQ(durations.samples.size(), 5U);
  for (const Sample& s : durations.samples) EXPECT_EQ(s.histogram.count(), 3U);
}

TEST_F(RequestMetricsTest, CallsAreToldApartByProviderAndAnswer) {
  route::Route one, two;
  one.upstream.host = two.upstream.host = "up.example";
  one.upstream.port = 443;
  two.upstream.port = 444;
  for (int round = 0; round < 3; ++round)
    for (const route::Route* r : {&one, &two})
      for (const int status : {0, 200, 500}) metrics_.upstream(0, *r, {.method = "POST", .host = {}, .status = status});
  const Family& durations = family("http.client.duration");
  EXPECT_EQ(durations.samples.size(), 6U);
  for (const Sample& s : durations.samples) EXPECT_EQ(s.histogram.count(), 3U);
}

TEST_F(RequestMetricsTest, MethodsThatClientsMakeUpAreOne) {
  ask("a", 400, "BREW");
  ask("a", 400, "WHEN");
  ASSERT_EQ(family("http.server.duration").samples.size(), 1U);
  EXPECT_EQ(label(family("http.server.duration").samples[0], "http.method"), "_OTHER");
}

TEST(StatusCounts, BeyondSoManyDifferentOnesTheRestIsOne) {
  StatusCounts counts;
  for (int status = 200; status < 230; ++status) counts.add(status);
  counts.add(200);
  std::int64_t all = 0;
  std::int64_t others = 0;
  counts.each([&](int status, std::int64_t n) {
    all += n;
    if (status == 0) others = n;
    if (status == 200) {
      EXPECT_EQ(n, 2);
    }
  });
  EXPECT_EQ(all, 31);
  EXPECT_EQ(others, 30 - static_cast<std::int64_t>(StatusCounts::kMost));
}

}  // namespace
}  // namespace gw::pipeline
