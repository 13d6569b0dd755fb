#include "store/trace_block.h"

#include <gtest/gtest.h>

#include "store/answer_model.h"
#include "store/block_column.h"
#include "store/block_filter.h"

namespace gw::store {
namespace {

TraceBlock block_of(const std::vector<Trace>& traces) {
  TraceBlock block;
  for (const Trace& t : traces) MemoryStore::add_to(block, t);
  return block;
}

std::vector<Trace> drawn(TraceDraw& draw, int n) {
  std::vector<Trace> out;
  out.reserve(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) out.push_back(draw.trace(3 * i + draw.number(0, 2), 20));
  return out;
}

TraceBlock decoded(const EncodedBlock& encoded) {
  EncodedColumns columns(encoded);
  return TraceBlock::decode(encoded.header, columns).value();
}

TEST(TraceBlock, ComesBackAsItWas) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    TraceDraw draw(seed);
    const TraceBlock block = block_of(drawn(draw, static_cast<int>(draw.number(1, 300))));
    const EncodedBlock encoded = block.encode();
    const TraceBlock back = decoded(encoded);
    ASSERT_EQ(back.rows(), block.rows());
    for (std::size_t i = 0; i < kBlockColumns; ++i) {
      const auto c = static_cast<BlockColumn>(i);
      EXPECT_EQ(back.names(c).names, block.names(c).names) << i;
      EXPECT_EQ(back.names(c).codes, block.names(c).codes) << i;
      EXPECT_EQ(back.numbers(c), block.numbers(c)) << i;
    }
    EXPECT_EQ(back.encode().columns, encoded.columns);
  }
}

TEST(TraceBlock, RemovedRowsLeaveNothingBehind) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    TraceDraw draw(seed);
    const auto traces = drawn(draw, 80);
    std::vector<Trace> left;
    std::vector<std::int64_t> gone{-5};
    for (const Trace& t : traces)
      if (draw.chance(60))
        gone.push_back(t.seq);
      else
        left.push_back(t);
    TraceBlock block = block_of(traces);
    if (draw.chance(50)) block = decoded(block.encode());
    EXPECT_EQ(block.remove(gone), gone.size() - 1);
    EXPECT_EQ(block.encode().columns, block_of(left).encode().columns);
    Trace later = draw.trace(1000, 20);
    MemoryStore::add_to(block, later);
    left.push_back(later);
    EXPECT_EQ(block.encode().columns, block_of(left).encode().columns);
  }
}

TEST(TraceBlock, NumbersOfEveryWidthComeBack) {
  std::vector<std::int64_t> parity;
  parity.reserve(200);
  for (std::int64_t i = 0; i < 200; ++i) parity.push_back(i % 2);
  std::string parity_bytes;
  encode_numbers(parity, parity_bytes);
  const auto evens = NumberView::parse(parity_bytes, parity.size());
  for (unsigned bits = 0; bits <= 64; ++bits) {
    for (const std::int64_t base : {std::int64_t{0}, std::int64_t{-7}, INT64_MIN}) {
      std::vector<std::int64_t> values;
      for (std::uint64_t i = 0; i < 200; ++i) {
        const std::uint64_t most = bits == 64 ? UINT64_MAX : (std::uint64_t{1} << bits) - 1;
        const std::uint64_t offset = i == 100 ? most : most / 199 * (i % 3);
        const std::uint64_t room = static_cast<std::uint64_t>(INT64_MAX) - static_cast<std::uint64_t>(base);
        values.push_back(static_cast<std::int64_t>(static_cast<std::uint64_t>(base) + std::min(offset, room)));
      }
      std::string out;
      encode_numbers(values, out);
      const auto view = NumberView::parse(out, values.size());
      ASSERT_TRUE(view) << bits;
      RowSelection all(values.size());
      std::vector<std::int64_t> back;
      view->gather(all.rows(), back);
      ASSERT_EQ(back, values) << bits;
      // Ranges that end at, beside and between values, on all rows and on some.
      for (const std::int64_t least : {INT64_MIN, base, values[1], values[100], INT64_MAX}) {
        for (const std::int64_t greatest : {INT64_MIN, base, values[1], values[2], values[100], INT64_MAX}) {
          RowSelection some(values.size()), half(values.size());
          view->keep(least, greatest, some);
          evens->keep(0, 0, half);
          view->keep(least, greatest, half);
          std::vector<std::uint16_t> want, want_half;
          for (std::size_t i = 0; i < values.size(); ++i) {
            if (values[i] < least || values[i] > greatest) continue;
            want.push_back(static_cast<std::uint16_t>(i));
            if (i % 2 == 0) want_half.push_back(static_cast<std::uint16_t>(i));
          }
          ASSERT_EQ(std::vector(some.rows().begin(), some.rows().end()), want) << bits;
          ASSERT_EQ(std::vector(half.rows().begin(), half.rows().end()), want_half) << bits;
        }
      }
    }
  }
}

TEST(TraceBlock, ConstantColumnsAndConsecutiveNumbersCostAFewBytes) {
  TraceBlock block;
  for (int i = 0; i < 4096; ++i) {
    Trace t = test_trace(1);
    t.seq = 1'000'000 + i;
    MemoryStore::add_to(block, t);
  }
  EXPECT_TRUE(block.full());
  std::size_t bytes = 0;
  for (const std::string& column : block.encode().columns) bytes += column.size();
  EXPECT_LT(bytes, 500U);
}

TEST(TraceBlock, DamagedColumnsAreRefusedOrReadableButNeverReadBeyondTheirEnd) {
  TraceDraw draw(7);
  const EncodedBlock good = block_of(drawn(draw, 300)).encode();
  for (int n = 0; n < 600; ++n) {
    EncodedBlock bad = good;
    for (int hits = 0; hits < 3; ++hits) {
      std::string& column = bad.columns[static_cast<std::size_t>(draw.number(0, kBlockColumns - 1))];
      if (column.empty()) continue;
      const auto at = static_cast<std::size_t>(draw.number(0, static_cast<std::int64_t>(column.size()) - 1));
      if (draw.chance(30))
        column.resize(at);
      else
        column[draw.chance(50) ? at % 8 % column.size() : at] = static_cast<char>(draw.number(0, 255));
    }
    if (draw.chance(10)) bad.header.rows = static_cast<std::uint32_t>(draw.number(0, 5000));
    EncodedColumns columns(bad);
    if (auto block = TraceBlock::decode(bad.header, columns)) rollup_of(*block);
    GroupSink sink(draw.scope(), draw.query(20));
    const TimeRange range[] = {{}};
    (void)sink.add_block(bad.header, columns, range);
    std::vector<BlockFilter::Match> found;
    (void)BlockFilter(draw.scope(), {.thread_id = "th1", .min_tokens = 5}).find(bad.header, columns, found);
  }
}

TEST(TraceBlock, HeadersComeBackAndDamagedOnesAreRefused) {
  TraceDraw draw(3);
  const BlockHeader h = block_of(drawn(draw, 30)).encode().header;
  std::string text;
  encode_header(h, text);
  const auto back = decode_header(text);
  ASSERT_TRUE(back);
  std::string again;
  encode_header(*back, again);
  EXPECT_EQ(again, text);
  for (std::size_t n = 0; n < text.size(); ++n) EXPECT_FALSE(decode_header(text.substr(0, n)));
  EXPECT_FALSE(decode_header(text + '\0'));
  EXPECT_FALSE(decode_header('\x02' + text.substr(1)));
}

TEST(TraceBlock, TheHashOfANameStaysTheSame) {
  EXPECT_EQ(name_hash(""), 0U);
  EXPECT_EQ(name_hash("thread-1"), name_hash(std::string("thread-1")));
  EXPECT_EQ(name_hash("a"), 2861763101U);
  EXPECT_EQ(name_hash("0123456789abcdef0123456789abcdef"), 2338707792U);
}

TraceFilter drawn_filter(TraceDraw& draw) {
  TraceFilter f;
  const auto maybe = [&](std::string& to, const char* prefix, int kinds) {
    if (draw.chance(12)) to = draw.name(prefix, kinds);
  };
  maybe(f.trace_group_id, "tg", 51);
  maybe(f.thread_id, "th", 31);
  maybe(f.run_id, "run", 31);
  maybe(f.provider, "p", 4);
  maybe(f.model, "m", 6);
  maybe(f.api_key_hash, "a", 5);
  maybe(f.session_id, "s", 21);
  maybe(f.path, "/r", 4);
  maybe(f.gateway_key_id, "g", 5);
  if (draw.chance(12)) f.status = 200;
  if (draw.chance(20)) f.from_ns = draw.time(20);
  if (draw.chance(20)) f.to_ns = draw.time(20);
  if (draw.chance(20)) f.min_tokens = draw.number(0, 100'000);
  if (draw.chance(20)) f.max_tokens = draw.number(0, 100'000);
  if (draw.chance(20)) f.min_cost_nano_usd = draw.number(0, 1'000'000'000);
  if (draw.chance(20)) f.min_latency_ms = draw.number(0, 30);
  if (draw.chance(20)) f.outcome = static_cast<TraceFacts::Outcome>(draw.number(0, 5));
  return f;
}

bool model_wants(const Trace& t, const TenantScope& s, const TraceFilter& f) {
  const auto is = [](const std::string& wanted, const std::string& has) { return wanted.empty() || wanted == has; };
  const std::int64_t tokens = t.total_tokens == 0 ? t.input_tokens + t.output_tokens : t.total_tokens;
  return (s.everything || (t.org_id == s.org_id && t.workspace_id == s.workspace_id)) &&
         is(f.trace_group_id, t.trace_group_id) && is(f.thread_id, t.facts.thread_id) && is(f.run_id, t.facts.run_id) &&
         is(f.provider, t.provider) && is(f.model, t.model) && is(f.api_key_hash, t.api_key_hash) &&
         is(f.session_id, t.session_id) && is(f.path, t.request_path) && is(f.gateway_key_id, t.gateway_key_id) &&
         (f.status == 0 || f.status == t.response_status) && (!f.from_ns || t.timestamp_ns >= *f.from_ns) &&
         (!f.to_ns || t.timestamp_ns <= *f.to_ns) && (f.min_tokens == 0 || tokens >= f.min_tokens) &&
         (f.max_tokens == 0 || tokens <= f.max_tokens) &&
         (f.min_cost_nano_usd == 0 || t.cost_nano_usd >= f.min_cost_nano_usd) &&
         (f.min_latency_ms == 0 || t.latency_ms >= f.min_latency_ms) &&
         (f.outcome == TraceFacts::Outcome::unknown || t.facts.outcome == f.outcome);
}

TEST(BlockFilter, FindsWhatAFullScanFinds) {
  std::size_t found_rows = 0;
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    TraceDraw draw(seed);
    const auto traces = drawn(draw, static_cast<int>(draw.number(1, 300)));
    const EncodedBlock block = block_of(traces).encode();
    for (int n = 0; n < 20; ++n) {
      const TraceFilter f = drawn_filter(draw);
      const TenantScope scope = draw.scope();
      EncodedColumns columns(block);
      std::vector<BlockFilter::Match> found{{-1, -1}};
      const BlockFilter filter(scope, f);
      ASSERT_TRUE(filter.find(block.header, columns, found));
      std::vector<std::pair<std::int64_t, std::int64_t>> got, want{{-1, -1}};
      for (const auto& m : found) got.emplace_back(m.seq, m.created_at_ns);
      for (const Trace& t : traces)
        if (model_wants(t, scope, f)) want.emplace_back(t.seq, t.created_at_ns);
      ASSERT_EQ(got, want) << "seed " << seed;
      if (want.size() > 1) {
        EXPECT_TRUE(filter.may_match(block.header));
      }
      found_rows += want.size() - 1;
    }
  }
  EXPECT_GT(found_rows, 1000U);
}

/// Counts what is read of a block.
class CountedColumns final : public ColumnSource {
 public:
  explicit CountedColumns(const EncodedBlock& block) : block_(block) {}
  Result<std::string_view> column(BlockColumn c) override {
    ++reads[static_cast<std::size_t>(c)];
    if (c == BlockColumn::name_digest && lacks_digest) return malformed_block("a digest");
    return std::string_view(block_.column(c));
  }
  int read(BlockColumn c) const { return reads[static_cast<std::size_t>(c)]; }
  bool lacks_digest = false;
  std::array<int, kBlockColumns> reads{};

 private:
  const EncodedBlock& block_;
};

std::vector<Trace> with_keys(int distinct) {
  std::vector<Trace> out;
  TraceDraw draw(1);
  for (int i = 0; i < 4'000; ++i) {
    Trace t = draw.trace(i + 1, 20);
    t.api_key_hash = "key-" + std::to_string(i % distinct);
    out.push_back(std::move(t));
  }
  return out;
}

std::size_t found_by_key(const EncodedBlock& block, ColumnSource& columns, const std::string& key) {
  std::vector<BlockFilter::Match> found;
  EXPECT_TRUE(BlockFilter(TenantScope::all(), {.api_key_hash = key}).find(block.header, columns, found));
  return found.size();
}

TEST(BlockFilter, PassesOverABlockWithoutTheKeyByItsDigestAlone) {
  const EncodedBlock block = block_of(with_keys(500)).encode();
  CountedColumns has(block), lacks(block);
  EXPECT_EQ(found_by_key(block, has, "key-7"), 8U);
  EXPECT_EQ(has.read(BlockColumn::api_key), 1);
  int ruled_out = 0;
  for (int i = 0; i < 100; ++i) {
    CountedColumns columns(block);
    EXPECT_EQ(found_by_key(block, columns, "other-" + std::to_string(i)), 0U);
    ruled_out += columns.read(BlockColumn::api_key) == 0 ? 1 : 0;
  }
  EXPECT_GT(ruled_out, 90);
  EXPECT_LT(block.column(BlockColumn::name_digest).size(), 2'100U);
}

TEST(BlockFilter, FindsTheKeyWhereTheDigestIsMissingDamagedOrOfAnotherBlock) {
  const EncodedBlock other = block_of(with_keys(3)).encode();
  EncodedBlock block = block_of(with_keys(500)).encode();
  CountedColumns missing(block);
  missing.lacks_digest = true;
  EXPECT_EQ(found_by_key(block, missing, "key-7"), 8U);
  std::string& digest = block.columns[static_cast<std::size_t>(BlockColumn::name_digest)];
  const std::string whole = digest;
  for (std::size_t size = 0; size < whole.size(); size += 3) {
    digest = whole.substr(0, size);
    EncodedColumns columns(block);
    EXPECT_EQ(found_by_key(block, columns, "key-7"), 8U) << size;
  }
  block.header.created_at.greatest += 1;
  digest = other.column(BlockColumn::name_digest);
  EncodedColumns columns(block);
  EXPECT_EQ(found_by_key(block, columns, "key-499"), 8U);
}

TEST(BlockFilter, FindsTheKeyAmongMoreThanADigestHolds) {
  const EncodedBlock block = block_of(with_keys(4'000)).encode();
  EncodedColumns columns(block);
  EXPECT_EQ(found_by_key(block, columns, "key-3999"), 1U);
  EXPECT_LT(block.column(BlockColumn::name_digest).size(), 500U);
}

TEST(BlockFilter, SaysWhenTheCallerMustLookAtTheRows) {
  EXPECT_TRUE(BlockFilter(TenantScope::all(), {.model = "m", .session_id = "s", .min_tokens = 1}).exact());
  EXPECT_FALSE(BlockFilter(TenantScope::all(), {.thread_id = "t"}).exact());
  EXPECT_FALSE(BlockFilter(TenantScope::all(), {.text = "t"}).exact());
  EXPECT_FALSE(BlockFilter(TenantScope::all(), {.model = std::string(kMaxNameBytes, 'm')}).exact());
}

}  // namespace
}  // namespace gw::store
