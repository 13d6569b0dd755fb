// Any bytes in place of a stored block, page or histogram: reading ends, touches nothing outside and nothing that the
// source has taken back, and what was accepted comes back the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "store/block_filter.h"
#include "store/group_sink.h"
#include "store/rollup.h"
#include "store/value_histogram.h"

namespace gw::store {
namespace {

/// Pieces with two bytes of length before each; what is missing is empty.
class Pieces {
 public:
  explicit Pieces(std::string_view in) : in_(in) {}
  std::string_view next() {
    if (in_.size() < 2) return {};
    const auto byte = [this](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(in_[i])); };
    const std::size_t n = std::min(byte(0) | byte(1) << 8, in_.size() - 2);
    const std::string_view piece = in_.substr(2, n);
    in_.remove_prefix(2 + n);
    return piece;
  }

 private:
  std::string_view in_;
};

/// Each column in memory of exactly its size, and only until the next call.
class Columns final : public ColumnSource {
 public:
  explicit Columns(Pieces pieces) {
    for (std::string_view& c : columns_) c = pieces.next();
  }
  Result<std::string_view> column(BlockColumn c) override {
    const std::string_view from = columns_[static_cast<std::size_t>(c)];
    bytes_ = std::make_unique<char[]>(from.size());
    std::copy(from.begin(), from.end(), bytes_.get());
    return std::string_view(bytes_.get(), from.size());
  }

 private:
  std::array<std::string_view, kBlockColumns> columns_;
  std::unique_ptr<char[]> bytes_;
};

void read_block(std::string_view in) {
  Pieces pieces(in);
  const auto header = decode_header(pieces.next());
  if (!header) return;
  Columns columns(pieces);
  AnalyticsQuery query;
  query.group_by = GroupBy::model;
  query.filter.gateway_key_id = "team-a";
  query.latency = query.time_to_first_token = true;
  query.edges = {0, header->timestamp.least, header->timestamp.greatest, INT64_MAX};
  std::sort(query.edges.begin(), query.edges.end());
  const TimeRange all[] = {{}};
  GroupSink sink(TenantScope::of("org-a", "ws-a"), query);
  (void)sink.add_block(*header, columns, all);
  (void)sink.finish();
  std::vector<BlockFilter::Match> found;
  (void)BlockFilter(TenantScope::all(), {.run_id = "run-1", .max_tokens = 60}).find(*header, columns, found);
  auto block = TraceBlock::decode(*header, columns);
  if (!block) return;
  (void)rollup_of(*block);
  const EncodedBlock again = block->encode();
  EncodedColumns source(again);
  const auto back = TraceBlock::decode(again.header, source);
  if (!back || back->encode().columns != again.columns) std::abort();
}

void read_page(std::string_view in) {
  Pieces pieces(in);
  const std::string_view sums = pieces.next(), latency = pieces.next(), ttft = pieces.next();
  AnalyticsQuery query;
  query.group_by = GroupBy::provider;
  query.latency = query.time_to_first_token = true;
  query.edges = {0, kDayNs};
  GroupSink sink(TenantScope::all(), query);
  (void)sink.add_page({.org = {}, .workspace = {}}, sums, latency, ttft, true);
  (void)sink.finish();
  auto page = RollupPage::decode(sums, latency, ttft);
  if (!page) return;
  page->merge(*page);
  std::string s, l, t;
  page->encode(s, l, t);
  if (!RollupPage::decode(s, l, t)) std::abort();
}

void read_histogram(std::string_view in) {
  ValueHistogram h;
  if (!h.merge_encoded(in)) return;
  std::string out;
  h.encode(out);
  ValueHistogram back;
  if (!back.merge_encoded(out) || back.percentile(0.9) != h.percentile(0.9)) std::abort();
}

}  // namespace
}  // namespace gw::store

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 3 == 0)
    gw::store::read_block(rest);
  else if (data[0] % 3 == 1)
    gw::store::read_page(rest);
  else
    gw::store::read_histogram(rest);
  return 0;
}
