#pragma once
// Empties bodies of rows that started in whole UTC hours too long ago, in whatever order they came. A pass goes over
// the sequence once; blocks tell by their times which of them have rows that are due, the newest rows are looked at one
// by one. Storage thread. store_meta says what is done:
//
//   bodies_done_up_to, bodies_done_before_ns   rows up to this sequence that started before have none
//   bodies_blank_up_to, bodies_before_ns       the pass under way is done up to here, for rows that started before
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "store/row_changes.h"

namespace gw::store {

class BodyRetention {
 public:
  /// 0 days: for ever.
  BodyRetention(int days, Clock clock) : days_(days), clock_(clock) {}
  /// Of the next pass.
  void set_days(int days) { days_ = days; }
  /// The next step may begin a pass. Without it only one that is under way goes on, so that passes over rows that keep
  /// coming have an end.
  void look_again() { may_begin_ = true; }
  /// One bounded step; `emptied` are the rows whose bodies it took. kOk or the failure.
  int step(const RetentionParts& parts, const StoreMeta& meta, std::int64_t& emptied, bool& did);

 private:
  struct Pass {
    std::int64_t before_ns = 0, up_to = 0;
    std::int64_t done_before_ns = 0, done_up_to = 0;

    bool due(std::int64_t seq, std::int64_t timestamp_ns) const {
      return seq > up_to && timestamp_ns < before_ns && (seq > done_up_to || timestamp_ns >= done_before_ns);
    }
    bool may_have_due(const StoredBlock& b) const {
      return b.header->timestamp.least < before_ns &&
             (b.last_seq > done_up_to || b.header->timestamp.greatest >= done_before_ns);
    }
  };
  bool begin(const StoreMeta& meta, std::int64_t last);
  int of_blocks(const RetentionParts& parts, std::int64_t& emptied, bool& did);
  int of_newest(const RetentionParts& parts, std::int64_t& emptied, bool& end);
  int empty(const RetentionParts& parts, std::int64_t& emptied, std::size_t& done);
  int keep(BlockTables& tables, bool end);

  int days_;
  const Clock clock_;
  bool may_begin_ = true;
  Pass pass_;
  std::vector<StoredBlock> blocks_;
  std::vector<std::int64_t> seqs_, times_, due_;
};

}  // namespace gw::store
