#include "store/trace_block.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "store/block_column.h"
#include "store/name_digest.h"
#include "store/varint.h"

namespace gw::store {
namespace {

constexpr std::uint64_t kHeaderVersion = 1;
constexpr std::size_t kFirstName = static_cast<std::size_t>(BlockColumn::org);
constexpr std::size_t kLastName = static_cast<std::size_t>(BlockColumn::session);

constexpr std::size_t kStoredColumns = static_cast<std::size_t>(BlockColumn::name_digest);  ///< those before it

constexpr std::size_t index(BlockColumn c) { return static_cast<std::size_t>(c); }
constexpr bool has_names(std::size_t column) { return column >= kFirstName && column <= kLastName; }

constexpr std::int64_t kUnpriced = 1, kEstimated = 2;
constexpr unsigned kOutcomeShift = 2;  ///< highest in `flags`, so that each outcome is a range

std::uint64_t folded(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t hash64(std::string_view s) {
  constexpr std::uint64_t kA = 0x9E3779B97F4A7C15, kB = 0xD1B54A32D192ED03;
  std::uint64_t h = folded(s.size() + 1, kB);
  while (s.size() >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, s.data(), 8);
    h = folded(h ^ word, kA);
    s.remove_prefix(8);
  }
  std::uint64_t rest = 0;
  if (!s.empty()) std::memcpy(&rest, s.data(), s.size());
  return folded(folded(h ^ rest, kA) ^ kB, kB);
}

}  // namespace

Extent extent(std::span<const std::int64_t> values) {
  Extent out;
  if (!values.empty()) out = {values.front(), values.front()};
  for (const std::int64_t v : values) {  // without branches: a processor would guess them wrongly
    out.least = std::min(out.least, v);
    out.greatest = std::max(out.greatest, v);
  }
  return out;
}

std::string status_name(std::int64_t status) { return status == 0 ? std::string() : std::to_string(status); }

std::int64_t status_number(std::string_view name) {
  std::int64_t n = 0;
  std::from_chars(name.data(), name.data() + name.size(), n);
  return n;
}

std::uint32_t name_hash(std::string_view s) {
  if (s.empty()) return 0;
  const std::uint64_t h = hash64(s);
  const auto folded32 = static_cast<std::uint32_t>(h ^ h >> 32);
  return folded32 == 0 ? 1 : folded32;
}

/// From name to code, by open addressing. Twice as many places as a block has rows.
class TraceBlock::Lookup {
 public:
  explicit Lookup(NameColumn& column) : column_(column) {
    std::memset(places_.data(), 0xFF, sizeof places_);
    for (std::size_t code = 0; code < column.names.size(); ++code) {
      const std::uint64_t hash = hash64(column.names[code]);
      places_[place_of(hash, column.names[code])] = {tag(hash), static_cast<std::uint16_t>(code)};
    }
  }

  void add(std::string_view name) {
    auto& [names, codes] = column_;
    const std::uint64_t hash = hash64(name);
    Place& place = places_[place_of(hash, name)];
    if (place.code == kFree) {
      place = {tag(hash), static_cast<std::uint16_t>(names.size())};
      names.emplace_back(name.data(), name.size());
    }
    codes.push_back(place.code);
  }

 private:
  struct Place {
    std::uint16_t tag, code;
  };
  static constexpr std::size_t kPlaces = 2 * kBlockRows;
  static constexpr std::uint16_t kFree = 0xFFFF;

  static std::uint16_t tag(std::uint64_t hash) { return static_cast<std::uint16_t>(hash >> 48); }
  /// Of the name, or the free one where it belongs.
  std::size_t place_of(std::uint64_t hash, std::string_view name) const {
    std::size_t at = hash % kPlaces;
    while (places_[at].code != kFree && (places_[at].tag != tag(hash) || column_.names[places_[at].code] != name))
      at = (at + 1) % kPlaces;
    return at;
  }

  NameColumn& column_;
  std::array<Place, kPlaces> places_;
};

TraceBlock::TraceBlock() : columns_(std::make_unique<Columns>()) {}
TraceBlock::~TraceBlock() = default;
TraceBlock::TraceBlock(TraceBlock&&) noexcept = default;
TraceBlock& TraceBlock::operator=(TraceBlock&&) noexcept = default;

void TraceBlock::clear() {
  for (auto& lookup : lookups_) lookup.reset();
  for (NameColumn& c : columns_->names) {
    c.names.clear();
    c.codes.clear();
  }
  for (auto& c : columns_->numbers) c.clear();
}

std::size_t TraceBlock::rows() const { return numbers(BlockColumn::seq).size(); }

const NameColumn& TraceBlock::names(BlockColumn c) const { return columns_->names[index(c)]; }
const std::vector<std::int64_t>& TraceBlock::numbers(BlockColumn c) const { return columns_->numbers[index(c)]; }

void TraceBlock::add_name(BlockColumn c, std::string_view name) {
  NameColumn& column = columns_->names[index(c)];
  if (column.names.empty()) column.names.emplace_back(name.data(), name.size());  // the view need not lie in memory
  if (column.names.size() == 1 && column.names.front() == name) return column.codes.push_back(0);
  auto& lookup = lookups_[index(c)];
  if (!lookup) lookup = std::make_unique<Lookup>(column);
  lookup->add(name);
}

void TraceBlock::add(const AnalyticRow& row) {
  const auto put = [this](BlockColumn c, std::int64_t v) { columns_->numbers[index(c)].push_back(v); };
  const RowNumbers& n = row.numbers;
  add_name(BlockColumn::org, row.org);
  add_name(BlockColumn::workspace, row.workspace);
  add_name(BlockColumn::provider, row.provider);
  add_name(BlockColumn::model, row.model);
  add_name(BlockColumn::route, row.route);
  const auto& statuses = numbers(BlockColumn::status);
  NameColumn& status = columns_->names[index(BlockColumn::status)];
  if (!statuses.empty() && statuses.back() == n.status)
    status.codes.push_back(status.codes.back());
  else
    add_name(BlockColumn::status, status_name(n.status));
  add_name(BlockColumn::gateway_key, row.gateway_key);
  add_name(BlockColumn::api_key, row.api_key);
  add_name(BlockColumn::session, row.session);
  put(BlockColumn::seq, row.seq);
  put(BlockColumn::timestamp, row.timestamp_ns);
  put(BlockColumn::created_at, n.created_at_ns);
  put(BlockColumn::status, n.status);
  put(BlockColumn::trace_group, name_hash(row.trace_group));
  put(BlockColumn::thread, name_hash(row.thread));
  put(BlockColumn::run, name_hash(row.run));
  put(BlockColumn::input_tokens, n.input_tokens);
  put(BlockColumn::output_tokens, n.output_tokens);
  put(BlockColumn::total_tokens, n.total_tokens);
  put(BlockColumn::cost, n.cost_nano_usd);
  put(BlockColumn::latency_ms, n.latency_ms);
  put(BlockColumn::ttft_ms, n.ttft_ms);
  put(BlockColumn::cache_read_tokens, n.cache_read_tokens);
  put(BlockColumn::cache_write_tokens, n.cache_write_tokens);
  put(BlockColumn::cache_saved, n.cache_saved_nano_usd);
  put(BlockColumn::flags, block_flags(row.outcome, n.unpriced, n.estimated));
  put(BlockColumn::session_hash, name_hash(row.session));
}

void TraceBlock::add_from(const TraceBlock& other, std::size_t row, std::int64_t before) {
  for (std::size_t c = 0; c < kStoredColumns; ++c) {
    if (has_names(c)) {
      const NameColumn& from = other.columns_->names[c];
      add_name(static_cast<BlockColumn>(c), from.names[from.codes[row]]);
    }
    const auto& numbers = other.columns_->numbers[c];
    if (!numbers.empty()) columns_->numbers[c].push_back(numbers[row]);
  }
  columns_->numbers[index(BlockColumn::seq)].back() += before;
}

std::int64_t block_flags(TraceFacts::Outcome outcome, bool unpriced, bool estimated) {
  return (static_cast<std::int64_t>(outcome) << kOutcomeShift) | (unpriced ? kUnpriced : 0) |
         (estimated ? kEstimated : 0);
}
bool flags_unpriced(std::int64_t flags) { return (flags & kUnpriced) != 0; }
bool flags_estimated(std::int64_t flags) { return (flags & kEstimated) != 0; }
Extent flags_of(TraceFacts::Outcome outcome) {
  return {block_flags(outcome, false, false), block_flags(outcome, true, true)};
}

void TraceBlock::row_numbers(std::size_t row, RowNumbers& out) const {
  const auto at = [&](BlockColumn c) { return columns_->numbers[index(c)][row]; };
  out.created_at_ns = at(BlockColumn::created_at);
  out.status = at(BlockColumn::status);
  out.input_tokens = at(BlockColumn::input_tokens);
  out.output_tokens = at(BlockColumn::output_tokens);
  out.total_tokens = at(BlockColumn::total_tokens);
  out.cost_nano_usd = at(BlockColumn::cost);
  out.latency_ms = at(BlockColumn::latency_ms);
  out.ttft_ms = at(BlockColumn::ttft_ms);
  out.cache_read_tokens = at(BlockColumn::cache_read_tokens);
  out.cache_write_tokens = at(BlockColumn::cache_write_tokens);
  out.cache_saved_nano_usd = at(BlockColumn::cache_saved);
  out.unpriced = flags_unpriced(at(BlockColumn::flags));
  out.estimated = flags_estimated(at(BlockColumn::flags));
}

EncodedBlock TraceBlock::encode() const {
  EncodedBlock out;
  for (std::size_t c = 0; c < kStoredColumns; ++c) {
    if (has_names(c))
      encode_names(columns_->names[c].names, columns_->names[c].codes, out.columns[c]);
    else
      encode_numbers(columns_->numbers[c], out.columns[c]);
  }
  const Extent seq = extent(numbers(BlockColumn::seq));
  out.header = {.rows = static_cast<std::uint32_t>(rows()),
                .first_seq = seq.least,
                .last_seq = seq.greatest,
                .timestamp = extent(numbers(BlockColumn::timestamp)),
                .created_at = extent(numbers(BlockColumn::created_at)),
                .total_tokens = extent(numbers(BlockColumn::total_tokens)),
                .cost = extent(numbers(BlockColumn::cost)),
                .latency_ms = extent(numbers(BlockColumn::latency_ms))};
  encode_digest(out.header, *this, out.columns[index(BlockColumn::name_digest)]);
  return out;
}

Result<TraceBlock> TraceBlock::decode(const BlockHeader& header, ColumnSource& source) {
  TraceBlock out;
  const std::vector<std::uint16_t> every = [&] {
    RowSelection all(std::min<std::size_t>(header.rows, kBlockRows));
    const auto rows = all.rows();
    return std::vector<std::uint16_t>(rows.begin(), rows.end());
  }();
  std::vector<std::int64_t> codes;
  for (std::size_t c = 0; c < kStoredColumns; ++c) {
    const auto bytes = source.column(static_cast<BlockColumn>(c));
    if (!bytes) return tl::make_unexpected(bytes.error());
    if (!has_names(c)) {
      const auto view = NumberView::parse(*bytes, header.rows);
      if (!view) return malformed_block("a column of numbers");
      view->gather(every, out.columns_->numbers[c]);
      continue;
    }
    const auto view = NamesView::parse(*bytes, header.rows);
    if (!view) return malformed_block("a column of names");
    NameColumn& column = out.columns_->names[c];
    const auto names = view->names();
    view->codes().gather(every, codes);
    if (!names || *std::max_element(codes.begin(), codes.end()) >= static_cast<std::int64_t>(names->size()))
      return malformed_block("a column of names");
    column.names.assign(names->begin(), names->end());
    column.codes.assign(codes.begin(), codes.end());
  }
  const NameColumn& status = out.names(BlockColumn::status);
  auto& statuses = out.columns_->numbers[index(BlockColumn::status)];
  for (const std::uint16_t code : status.codes) statuses.push_back(status_number(status.names[code]));
  return out;
}

std::size_t TraceBlock::remove(std::span<const std::int64_t> seqs) {
  const auto& all = numbers(BlockColumn::seq);
  TraceBlock left;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (!std::binary_search(seqs.begin(), seqs.end(), all[i])) left.add_from(*this, i);
  const std::size_t removed = all.size() - left.rows();
  if (removed > 0) *this = std::move(left);
  return removed;
}

void encode_header(const BlockHeader& h, std::string& out) {
  put_varint(out, kHeaderVersion);
  put_varint(out, h.rows);
  put_signed(out, h.first_seq);
  put_signed(out, h.last_seq);
  for (const Extent& e : {h.timestamp, h.created_at, h.total_tokens, h.cost, h.latency_ms}) {
    put_signed(out, e.least);
    put_signed(out, e.greatest);
  }
}

Result<BlockHeader> decode_header(std::string_view in) {
  BlockHeader h;
  std::uint64_t version = 0, rows = 0;
  bool good = take_varint(in, version) && version == kHeaderVersion && take_varint(in, rows) && rows > 0 &&
              rows <= kBlockRows && take_signed(in, h.first_seq) && take_signed(in, h.last_seq);
  for (Extent* e : {&h.timestamp, &h.created_at, &h.total_tokens, &h.cost, &h.latency_ms})
    good = good && take_signed(in, e->least) && take_signed(in, e->greatest) && e->least <= e->greatest;
  if (!good || !in.empty() || h.first_seq > h.last_seq) return malformed_block("its header");
  h.rows = static_cast<std::uint32_t>(rows);
  return h;
}

}  // namespace gw::store
