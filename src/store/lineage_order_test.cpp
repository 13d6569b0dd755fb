#include "store/lineage_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

namespace gw::store {
namespace {

/// The ids in lineage order, joined by spaces. Metadata is written as in JSON, with ' for ".
struct Given {
  std::string id, metadata;
  std::int64_t time = 0;
};
std::string ordered(std::vector<Given> given) {
  for (Given& g : given) std::replace(g.metadata.begin(), g.metadata.end(), '\'', '"');
  std::vector<LineageNode> nodes;
  nodes.reserve(given.size());
  for (const Given& g : given) nodes.push_back({.id = g.id, .metadata = g.metadata, .order_time_ns = g.time});
  std::string out;
  for (const std::size_t i : lineage_order(nodes)) out += (out.empty() ? "" : " ") + given[i].id;
  return out;
}
std::string parent(const std::string& id) { return "{'lineage_parent_checkpoint_id':'" + id + "'}"; }
std::string seq(const std::string& n) { return "{'lineage_checkpoint_seq':" + n + "}"; }

TEST(LineageOrder, WithoutLineageTheOlderComesFirstThenTheSmallerId) {
  EXPECT_EQ(ordered({{"c", "", 3}, {"b", "{}", 1}, {"a", "not json", 1}, {"d", "[1]", 2}}), "a b d c");
  EXPECT_EQ(ordered({}), "");
}

TEST(LineageOrder, NumberedOnesComeFirstInTheirOrder) {
  EXPECT_EQ(ordered({{"old", "", 1}, {"two", seq("2"), 9}, {"one", seq("1"), 10}}), "one two old");
  EXPECT_EQ(ordered({{"a", seq("'10'"), 1}, {"b", seq("' 9 '"), 2}, {"c", seq("3.0"), 3}}), "c b a");
}

TEST(LineageOrder, ZeroNegativeAndUnreadableNumbersAreNone) {
  EXPECT_EQ(
      ordered(
          {{"d", seq("0"), 1}, {"c", seq("-4"), 2}, {"b", seq("'x'"), 3}, {"a", seq("1e40"), 4}, {"s", seq("7"), 5}}),
      "s d c b a");
}

TEST(LineageOrder, AParentComesBeforeItsChildWhateverTheTimes) {
  EXPECT_EQ(ordered({{"child", parent("root"), 1}, {"root", "", 5}, {"other", "", 3}}), "other root child");
}

TEST(LineageOrder, TheCheckpointIdOfTheMetadataStandsForTheTrace) {
  EXPECT_EQ(ordered({{"x", parent("cp"), 1}, {"y", "{'lineage_checkpoint_id':' cp '}", 2}}), "y x");
}

TEST(LineageOrder, OfTwoWithTheSameCheckpointIdTheFirstIsTheParent) {
  const std::string same = "{'lineage_checkpoint_id':'cp'}";
  EXPECT_EQ(ordered({{"kid", parent("cp"), 1}, {"first", same, 9}, {"second", same, 2}}), "second first kid");
}

TEST(LineageOrder, AParentThatIsNotThereOrTheTraceItselfIsNoParent) {
  EXPECT_EQ(ordered({{"b", parent("gone"), 2}, {"a", parent("a"), 1}}), "a b");
}

TEST(LineageOrder, MissingNumbersFollowTheParents) {
  // b becomes 6 and c 7, before the one that says 8.
  EXPECT_EQ(ordered({{"c", parent("b"), 30}, {"b", parent("a"), 20}, {"a", seq("5"), 40}, {"z", seq("8"), 1}}),
            "a b c z");
}

TEST(LineageOrder, MissingNumbersPrecedeTheSmallestChild) {
  const std::string nine = "{'lineage_checkpoint_seq':9,'lineage_parent_checkpoint_id':'p'}";
  const std::string four = "{'lineage_checkpoint_seq':4,'lineage_parent_checkpoint_id':'p'}";
  EXPECT_EQ(ordered({{"k9", nine, 1}, {"k4", four, 2}, {"p", "", 9}, {"x", seq("2"), 3}, {"y", seq("3"), 10}}),
            "x p y k4 k9");
  // A child that is the first leaves nothing before it.
  const std::string one = "{'lineage_checkpoint_seq':1,'lineage_parent_checkpoint_id':'p'}";
  EXPECT_EQ(ordered({{"k", one, 1}, {"p", "", 9}, {"x", seq("5"), 3}}), "x p k");
}

TEST(LineageOrder, CyclesAreAppendedInTheSameOrder) {
  EXPECT_EQ(ordered({{"b", parent("a"), 1}, {"a", parent("b"), 2}, {"kid", parent("a"), 0}, {"free", "", 9}}),
            "free kid b a");
}

TEST(LineageOrder, TheGreatestNumberHasNoSuccessor) {
  EXPECT_EQ(ordered({{"kid", parent("p"), 1}, {"p", seq("9223372036854775807"), 2}}), "p kid");
}

TEST(LineageOrder, EveryTraceComesOnceAndBehindItsParentUnlessInACycle) {
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    const std::size_t n = 1 + random() % 12;
    std::vector<Given> given;
    std::vector<std::size_t> parents;
    for (std::size_t i = 0; i < n; ++i) {
      parents.push_back(random() % (n + 2));
      std::string metadata = "{\"lineage_parent_checkpoint_id\":\"t" + std::to_string(parents[i]) + "\"";
      if (random() % 3 == 0) metadata += ",\"lineage_checkpoint_seq\":" + std::to_string(random() % 6);
      given.push_back({"t" + std::to_string(i), metadata + "}", static_cast<std::int64_t>(random() % 4)});
    }
    std::vector<LineageNode> nodes;
    for (const Given& g : given) nodes.push_back({g.id, g.metadata, g.time});
    const std::vector<std::size_t> order = lineage_order(nodes);
    std::vector<std::size_t> place(n, n);
    ASSERT_EQ(order.size(), n) << "seed " << seed;
    for (std::size_t i = 0; i < n; ++i) place[order[i]] = i;
    for (std::size_t i = 0; i < n; ++i) {
      ASSERT_LT(place[i], n) << "seed " << seed << ": node " << i << " is missing";
      std::size_t up = i;
      for (std::size_t k = 0; k < n && up < n && parents[up] != up; ++k) up = parents[up];
      const bool rooted = up >= n || parents[up] == up;
      if (rooted && parents[i] < n && parents[i] != i) {
        EXPECT_LT(place[parents[i]], place[i]) << "seed " << seed << ", node " << i;
      }
    }
  }
}

TEST(LineageOrder, TracesAreOrderedByTheirEndAndWithoutOneByTheirStart) {
  std::vector<Trace> traces(3);
  traces[0].id = "late";
  traces[0].created_at_ns = 30;
  traces[1].id = "started";
  traces[1].timestamp_ns = 20;
  traces[2].id = "ended";
  traces[2].timestamp_ns = 99;
  traces[2].created_at_ns = 10;
  order_by_lineage(traces);
  EXPECT_EQ(traces[0].id + traces[1].id + traces[2].id, "endedstartedlate");
}

}  // namespace
}  // namespace gw::store
