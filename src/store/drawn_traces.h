#pragma once
// For tests of a store: traces drawn at random, and what is expected of those that were written.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "store/questions.h"

namespace gw::store {

/// Traces over some hours, the store's writer, which the fixture of a store opens, and the rows that the store should
/// have.
class DrawnTraces : public testing::Test {
 protected:
  /// `precision_ns`: the store keeps times to a multiple of it.
  explicit DrawnTraces(std::int64_t hours, std::int64_t precision_ns = 1)
      : hours_(hours), precision_ns_(precision_ns) {}

  std::vector<Trace> rows(std::size_t n) {
    std::vector<Trace> out;
    out.reserve(n);
    for (std::size_t i = 0; i < n; ++i) {
      Trace t = draw_row(draw_, next_++, hours_);
      t.timestamp_ns -= t.timestamp_ns % precision_ns_;
      t.created_at_ns -= t.created_at_ns % precision_ns_;
      out.push_back(std::move(t));
    }
    return out;
  }
  void write(TraceWriter& to, const std::vector<Trace>& batch) {
    const auto r = to.write(batch);
    ASSERT_TRUE(r) << r.error().message;
    for (const Trace& t : batch) expected_.add(t);
  }
  void write(const std::vector<Trace>& batch) { write(*writer_, batch); }
  /// `n` rows in batches of up to `most`.
  void fill(std::size_t n, std::int64_t most = 1'000) {
    while (n > 0 && !HasFatalFailure()) {
      const std::size_t now = std::min(n, static_cast<std::size_t>(draw_.number(1, most)));
      write(rows(now));
      n -= now;
    }
  }
  void settle() {
    for (int i = 0; i < 10'000 && writer_->idle(); ++i) {
    }
  }
  void check(TraceReader& reader, int questions) { expect_answers(reader, draw_, expected_, hours_, questions); }
  /// Some rows' ids, as an SQL list.
  std::string some_ids(int n, std::vector<std::string>& ids) {
    std::string out;
    for (int i = 0; i < n; ++i) {
      auto at = expected_.rows().begin();
      std::advance(at, draw_.number(0, static_cast<std::int64_t>(expected_.rows().size()) - 1));
      ids.push_back(at->first);
      out += (out.empty() ? "('" : ",'") + at->first + "'";
    }
    return out + ")";
  }

  const std::int64_t hours_, precision_ns_;
  std::uint64_t seed_ = first_seed();
  TraceDraw draw_{seed_};
  ExpectedRows expected_;
  std::int64_t next_ = 1;
  std::unique_ptr<TraceWriter> writer_;
  testing::ScopedTrace trace_{__FILE__, __LINE__, "GW_SEED=" + std::to_string(seed_)};
};

}  // namespace gw::store
