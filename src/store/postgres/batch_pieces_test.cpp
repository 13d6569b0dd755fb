// What writers that share a database leave for each other's blocks.
#include "store/postgres/erase.h"
#include "store/postgres/scratch.h"

namespace gw::store::postgres {
namespace {

class PostgresPieces : public PostgresTraces {
 protected:
  void SetUp() override {
    open();
    second_ = writer(options());
    // Each has seen the other's numbers then.
    take_turns(4, 10);
  }
  /// Batches of the two writers one after the other.
  void take_turns(int batches, std::size_t size) {
    for (int i = 0; i < batches && !HasFatalFailure(); ++i) write(i % 2 == 0 ? *writer_ : *second_, rows(size));
  }
  std::string pieces() { return ask("SELECT count(*) FROM trace_block_columns WHERE col = -1"); }
  std::string rolled() { return ask("SELECT value FROM store_meta WHERE key = 'rolled_seq'"); }
  /// Nobody is told of it: who reads the rows back finds another model.
  void change_unseen() {
    ask("SET session_replication_role = 'replica'; UPDATE traces SET model = 'unseen'; SET session_replication_role = "
        "'origin'");
  }

  std::unique_ptr<TraceWriter> second_;
};

TEST_F(PostgresPieces, AreWhatBlocksAreMadeOfWhoeverMakesThem) {
  take_turns(10, 400);
  EXPECT_EQ(pieces(), "10");
  change_unseen();
  take_turns(1, 400);
  EXPECT_EQ(rolled(), "4096");
  auto r = reader();
  AnalyticsQuery q;
  q.group_by = GroupBy::model;
  q.edges = {0, 4'000'000'000'000'000'000};
  const auto groups = r->analyze(TenantScope::all(), q);
  ASSERT_TRUE(groups) << groups.error().message;
  std::int64_t read_back = 0;
  for (const auto& g : *groups)
    if (g.group == "unseen") read_back = g.figures.requests;
  EXPECT_EQ(read_back, 40) << "the rows before there were pieces";
}

TEST_F(PostgresPieces, ThatCannotBeLeftKeepNoRowFromBeingStored) {
  ask("DELETE FROM trace_block_columns WHERE col = -1; ALTER TABLE trace_block_columns ADD CONSTRAINT whole CHECK (col "
      ">= 0)");
  take_turns(10, 400);
  EXPECT_EQ(ask("SELECT count(*) FROM traces"), "4040");
  EXPECT_EQ(pieces(), "0");
  take_turns(1, 400);
  EXPECT_EQ(rolled(), "4096");
  check();
}

TEST_F(PostgresPieces, GiveTheAnswersThatTheRowsDo) {
  take_turns(24, 430);
  // Of the last block some rows are missing: the rest of a piece is for the next.
  EXPECT_EQ(rolled(), "8192");
  check();
  take_turns(1, 10);  // too few for a piece
  take_turns(6, 430);
  EXPECT_EQ(rolled(), "12288");
  check();
}

TEST_F(PostgresPieces, GoWithTheBlockThatHasTheirRows) {
  take_turns(11, 400);
  EXPECT_EQ(pieces(), "1") << "the last one's rows are not all in a block";
}

TEST_F(PostgresPieces, AreNotLeftByWhoIsAlone) {
  for (int i = 0; i < 40; ++i) write(*writer_, rows(70));
  const std::string before = pieces();
  write(*writer_, rows(400));
  EXPECT_EQ(pieces(), before);
  fill(5'000, 900);
  settle();
  EXPECT_EQ(pieces(), "0");
  check();
}

TEST_F(PostgresPieces, CountForNothingOnceOthersHaveChangedRows) {
  take_turns(9, 400);
  std::vector<std::string> ids;
  ask("UPDATE traces SET model = 'm6' WHERE id IN " + some_ids(30, ids));
  for (const std::string& id : ids) expected_.rows().at(id).model = "m6";
  take_turns(2, 400);
  settle();
  EXPECT_EQ(rolled(), "4096");
  check();
  ids.clear();
  ask("DELETE FROM traces WHERE id IN " + some_ids(30, ids));
  for (const std::string& id : ids) expected_.rows().erase(id);
  settle();
  EXPECT_EQ(pieces(), "0");
  check();
}

TEST_F(PostgresPieces, ThatAreDamagedOrOfAnotherVersionAreReadFromTheRows) {
  take_turns(10, 400);
  ask("UPDATE trace_block_columns SET data = set_byte(data, 8 + (last_seq % 100)::int, 77) WHERE col = -1 AND last_seq "
      "% 3 = 0");
  take_turns(1, 400);
  EXPECT_EQ(rolled(), "4096");
  check();
}

TEST_F(PostgresPieces, OfAnErasedRowAreErasedToo) {
  take_turns(6, 400);
  EXPECT_EQ(pieces(), "6");
  const auto done = erase_postgres(options(), {.before_ns = INT64_MAX}, false);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->traces, 2'440);
  EXPECT_EQ(pieces(), "0");
}

}  // namespace
}  // namespace gw::store::postgres
