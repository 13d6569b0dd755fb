#include "trace/record_codec.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/copy_bytes.h"

namespace gw::trace {
namespace {

constexpr std::uint8_t kStreaming = 1, kRedactionTruncated = 2, kRedactionStorageDrop = 4, kUsageSeen = 8,
                       kUsageEstimated = 16, kUsageAnomalous = 32, kHeldCredential = 64;

/// Copied as it is: no padding inside, fields are only ever added at the end.
struct Fixed {
  std::array<unsigned char, 16> id;
  std::int64_t started_at_ns, ended_at_ns, latency_us, time_to_first_token_us;
  std::int64_t input_tokens, output_tokens, total_tokens;
  std::int64_t cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, reasoning_tokens;
  std::int64_t cost_nano_usd;
  std::int64_t checkpoint_seq;
  std::uint32_t stream_chunks;
  std::uint16_t status;
  std::uint8_t outcome;
  std::uint8_t cost_source;
  std::uint8_t bits;
  std::uint8_t text_parts;     ///< which of part_texts_of() stand behind the bodies
  std::uint16_t number_parts;  ///< which of the Parts
  std::uint8_t reserved[4];
};
static_assert(sizeof(Fixed) == 136 && std::is_trivially_copyable_v<Fixed>);

constexpr std::size_t kTextCount = 19;
using Texts = std::array<std::string_view*, kTextCount>;

/// The order of texts on disk: only ever extended at the end.
Texts texts_of(ExchangeRecord& r) {
  return {&r.provider,
          &r.model,
          &r.method,
          &r.path,
          &r.correlation_id,
          &r.api_key_hash,
          &r.api_key_last4,
          &r.identity.key_id,
          &r.identity.org_id,
          &r.identity.workspace_id,
          &r.identity.team,
          &r.identity.role,
          &r.lineage.group_id,
          &r.lineage.thread_id,
          &r.lineage.run_id,
          &r.lineage.parent_checkpoint_id,
          &r.price_version,
          &r.redaction_mode,
          &r.redaction_policy_id};
}

/// What most records lack stands behind the bodies and only where Fixed has its bit, so that a plain record neither
/// holds nor writes any of it: first the numbers, then the texts, in the order of their bits. Both only ever extended
/// at the end; a reader skips what it does not know.
using Parts = std::array<std::uint64_t, 13>;
constexpr std::size_t kPartTextCount = 5;
static_assert(std::tuple_size_v<Parts> <= 16 && kPartTextCount <= 8);

/// Each as its distance from what it is when absent.
[[gnu::always_inline]] inline Parts parts_of(const ExchangeRecord& r) {
  const auto from = [](std::int64_t v, std::int64_t when_absent) {
    return static_cast<std::uint64_t>(v) - static_cast<std::uint64_t>(when_absent);
  };
  const Usage& u = r.usage;
  return {from(u.cache_read_audio_tokens, 0),
          from(u.cache_read_image_tokens, 0),
          from(u.input_audio_tokens, 0),
          from(u.input_image_tokens, 0),
          from(u.output_audio_tokens, 0),
          from(u.output_image_tokens, 0),
          from(u.web_searches, 0),
          from(u.file_searches, 0),
          from(u.code_executions, 0),
          from(u.audio_ms, 0),
          from(u.provider_cost_nano_usd, Usage::kNoCost),
          r.cost.source == CostSource::provider ? from(r.cost.computed_nano_usd, r.cost.nano_usd) : 0,
          from(r.cost.cache_saved_nano_usd, 0)};
}

void set_parts(const Parts& parts, ExchangeRecord& r) {
  const auto at = [](std::uint64_t distance, std::int64_t when_absent) {
    return static_cast<std::int64_t>(distance + static_cast<std::uint64_t>(when_absent));
  };
  Usage& u = r.usage;
  u.cache_read_audio_tokens = at(parts[0], 0);
  u.cache_read_image_tokens = at(parts[1], 0);
  u.input_audio_tokens = at(parts[2], 0);
  u.input_image_tokens = at(parts[3], 0);
  u.output_audio_tokens = at(parts[4], 0);
  u.output_image_tokens = at(parts[5], 0);
  u.web_searches = at(parts[6], 0);
  u.file_searches = at(parts[7], 0);
  u.code_executions = at(parts[8], 0);
  u.audio_ms = at(parts[9], 0);
  u.provider_cost_nano_usd = at(parts[10], Usage::kNoCost);
  r.cost.computed_nano_usd = at(parts[11], r.cost.nano_usd);
  r.cost.cache_saved_nano_usd = at(parts[12], 0);
}

std::array<std::string_view*, kPartTextCount> part_texts_of(ExchangeRecord& r) {
  return {&r.session_id, &r.response_model, &r.service_tier_asked, &r.service_tier, &r.inference_geo};
}

struct PartBits {
  std::uint16_t numbers;
  std::uint8_t texts;
  bool any() const { return (numbers | texts) != 0; }
};

/// Bits of the numbers that are not what they are when absent.
[[gnu::always_inline]] inline std::uint16_t number_parts(const ExchangeRecord& r) {
  const Parts parts = parts_of(r);
  std::uint64_t any = 0;
  for (const std::uint64_t n : parts) any |= n;
  if (any == 0) [[likely]]
    return 0;
  unsigned bits = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) bits |= static_cast<unsigned>(parts[i] != 0) << i;
  return static_cast<std::uint16_t>(bits);
}

[[gnu::always_inline]] inline std::uint8_t text_parts(const ExchangeRecord& r) {
  unsigned bits = 0;
  unsigned i = 0;
  for (const std::string_view* text : part_texts_of(const_cast<ExchangeRecord&>(r)))
    bits |= static_cast<unsigned>(!text->empty()) << i++;
  return static_cast<std::uint8_t>(bits);
}

constexpr std::size_t kMaxVarint = 10;
static_assert(kMaxVarint <= kEncodeSlack);

constexpr std::size_t varint_bytes(std::uint64_t v) {
  std::size_t n = 1;
  while (v >= 0x80) {
    v >>= 7;
    ++n;
  }
  return n;
}

/// Counts what Writer would write.
class Counter {
 public:
  void varint(std::uint64_t v) { bytes_ += varint_bytes(v); }
  void raw(const void*, std::size_t n) { bytes_ += n; }
  void string(std::string_view s) { bytes_ += varint_bytes(s.size()) + s.size(); }
  std::size_t open() {
    bytes_ += 4;
    return 0;
  }
  void close(std::size_t) {}
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_ = 0;
};

/// Bounded: after the first thing that does not fit nothing more is written.
class Writer {
 public:
  Writer(char* out, const char* limit) : p_(out), limit_(limit) {}

  void varint(std::uint64_t v) {
    if (!room(kMaxVarint)) return;
    put_varint(v);
  }
  void raw(const void* data, std::size_t n) {
    if (!room(n)) return;
    if (n != 0) std::memcpy(p_, data, n);
    p_ += n;
  }
  [[gnu::always_inline]] void string(std::string_view s) {
    if (!room(s.size() + kMaxVarint)) return;
    put_varint(s.size());
    copy_bytes(p_, s.data(), s.size());
    p_ += s.size();
  }
  /// Leaves room for the length of a block, filled in by close().
  char* open() {
    char* mark = p_;
    if (!room(4)) return nullptr;
    p_ += 4;
    return mark;
  }
  void close(char* mark) {
    if (full_) return;
    const auto n = static_cast<std::uint32_t>(p_ - mark - 4);
    std::memcpy(mark, &n, 4);
  }
  char* end() const { return full_ ? nullptr : p_; }

 private:
  /// `n` is not 0, so that nothing fits after what did not.
  bool room(std::size_t n) {
    if (static_cast<std::size_t>(limit_ - p_) >= n) [[likely]]
      return true;
    full_ = true;
    limit_ = p_;
    return false;
  }
  void put_varint(std::uint64_t v) {
    while (v >= 0x80) [[unlikely]] {
      *p_++ = static_cast<char>(v | 0x80);
      v >>= 7;
    }
    *p_++ = static_cast<char>(v);
  }

  char* p_;
  const char* limit_;
  bool full_ = false;
};

[[gnu::always_inline]] inline Fixed fixed_of(const ExchangeRecord& r) {
  Fixed f{};
  f.id = r.id;
  f.started_at_ns = r.started_at_ns;
  f.ended_at_ns = r.ended_at_ns;
  f.latency_us = r.latency_us;
  f.time_to_first_token_us = r.time_to_first_token_us;
  f.input_tokens = r.usage.input_tokens;
  f.output_tokens = r.usage.output_tokens;
  f.total_tokens = r.usage.total_tokens;
  f.cache_read_tokens = r.usage.cache_read_tokens;
  f.cache_write_5m_tokens = r.usage.cache_write_5m_tokens;
  f.cache_write_1h_tokens = r.usage.cache_write_1h_tokens;
  f.reasoning_tokens = r.usage.reasoning_tokens;
  f.cost_nano_usd = r.cost.nano_usd;
  f.checkpoint_seq = r.lineage.checkpoint_seq;
  f.stream_chunks = r.stream_chunks;
  f.status = r.status;
  f.outcome = static_cast<std::uint8_t>(r.outcome);
  f.cost_source = static_cast<std::uint8_t>(r.cost.source);
  f.bits =
      static_cast<std::uint8_t>((r.streaming ? kStreaming : 0) | (r.redaction_truncated ? kRedactionTruncated : 0) |
                                (r.redaction_storage_drop ? kRedactionStorageDrop : 0) |
                                (r.usage.seen ? kUsageSeen : 0) | (r.usage.estimated ? kUsageEstimated : 0) |
                                (r.usage.anomalous ? kUsageAnomalous : 0) | (r.held_credential ? kHeldCredential : 0));
  f.text_parts = text_parts(r);
  f.number_parts = number_parts(r);
  return f;
}

// Inlined into their two callers, so that the writer's position stays in a register: every char it writes could
// otherwise be that position.
template <class Sink>
[[gnu::always_inline]] inline void put_headers(Sink& sink, std::span<const HeaderView> headers) {
  sink.varint(headers.size());
  auto names = sink.open();
  for (const HeaderView& h : headers) sink.string(h.name);
  sink.close(names);
  auto values = sink.open();
  for (const HeaderView& h : headers) sink.string(h.value);
  sink.close(values);
}

/// Not inlined: most records have no parts, and what it needs would cost them registers.
template <class Sink>
[[gnu::noinline]] void put_parts(Sink& sink, const ExchangeRecord& r, Cut cut, PartBits bits) {
  if (bits.numbers != 0)
    for (const std::uint64_t n : parts_of(r))
      if (n != 0) sink.varint(n);
  if (bits.texts == 0) return;
  for (const std::string_view* text : part_texts_of(const_cast<ExchangeRecord&>(r)))
    if (!text->empty()) sink.string(cut == Cut::texts ? text->substr(0, kCutTextBytes) : *text);
}

/// Everything but the parts; says which there are.
template <class Sink>
[[gnu::always_inline]] inline PartBits put_record(Sink& sink, const ExchangeRecord& r, Cut cut) {
  const Fixed fixed = fixed_of(r);
  const auto fixed_bytes = static_cast<std::uint16_t>(sizeof fixed);
  sink.raw(&fixed_bytes, sizeof fixed_bytes);
  sink.raw(&fixed, sizeof fixed);

  const auto count = static_cast<std::uint8_t>(kTextCount);
  sink.raw(&count, 1);
  // texts_of hands out writable places for the decoder; they are only read here.
  for (const std::string_view* text : texts_of(const_cast<ExchangeRecord&>(r)))
    sink.string(cut == Cut::texts ? text->substr(0, kCutTextBytes) : *text);

  const std::size_t kinds = std::min<std::size_t>(r.redaction_counts.size(), cut == Cut::texts ? 16 : 255);
  sink.varint(kinds);
  for (const RedactionCount& c : r.redaction_counts.first(kinds)) {
    sink.string(cut == Cut::texts ? c.kind.substr(0, kCutTextBytes) : c.kind);
    sink.varint(c.count);
  }
  const bool headers = cut < Cut::headers;
  put_headers(sink, headers ? r.request_headers : std::span<const HeaderView>{});
  put_headers(sink, headers ? r.response_headers : std::span<const HeaderView>{});
  sink.string(cut == Cut::none ? r.request_body : std::string_view{});
  sink.string(cut == Cut::none ? r.response_body : std::string_view{});
  return {fixed.number_parts, fixed.text_parts};
}

class Reader {
 public:
  explicit Reader(std::string_view s) : p_(s.data()), end_(s.data() + s.size()) {}

  bool done() const { return p_ == end_; }
  bool raw(void* out, std::size_t n) {
    std::string_view piece;
    if (!bytes(n, piece)) return false;
    if (n != 0) std::memcpy(out, piece.data(), n);
    return true;
  }
  bool bytes(std::uint64_t n, std::string_view& out) {
    if (n > static_cast<std::uint64_t>(end_ - p_)) return false;
    out = {p_, n};
    p_ += n;
    return true;
  }
  bool varint(std::uint64_t& v) {
    if (p_ != end_ && static_cast<unsigned char>(*p_) < 0x80) [[likely]]
      return v = static_cast<unsigned char>(*p_++), true;
    return long_varint(v);
  }
  bool string(std::string_view& out) {
    std::uint64_t n = 0;
    return varint(n) && bytes(n, out);
  }
  bool block(std::string_view& out) {
    std::uint32_t n = 0;
    return raw(&n, sizeof n) && bytes(n, out);
  }
  std::string_view rest() const { return {p_, static_cast<std::size_t>(end_ - p_)}; }

 private:
  bool long_varint(std::uint64_t& v) {
    v = 0;
    for (unsigned shift = 0; shift < 64 && p_ != end_; shift += 7) {
      const auto c = static_cast<unsigned char>(*p_++);
      v |= static_cast<std::uint64_t>(c & 0x7f) << shift;
      if (c < 0x80) return true;
    }
    return false;
  }

  const char* p_;
  const char* end_;
};

/// Leaves what stands behind the bodies at what it is when absent.
bool get_fixed(Reader& in, ExchangeRecord& r, Fixed& f) {
  std::uint16_t n = 0;
  std::string_view bytes;
  if (!in.raw(&n, sizeof n) || !in.bytes(n, bytes)) return false;
  if (bytes.size() >= sizeof f) {
    std::memcpy(&f, bytes.data(), sizeof f);  // of a size that is known: else the compiler has it copied by words
  } else {                                    // of an older version
    f = {};
    f.checkpoint_seq = -1;
    f.cost_source = static_cast<std::uint8_t>(CostSource::unpriced);
    std::memcpy(&f, bytes.data(), bytes.size());
  }
  r.id = f.id;
  r.started_at_ns = f.started_at_ns;
  r.ended_at_ns = f.ended_at_ns;
  r.latency_us = f.latency_us;
  r.time_to_first_token_us = f.time_to_first_token_us;
  r.usage = {.input_tokens = f.input_tokens,
             .output_tokens = f.output_tokens,
             .total_tokens = f.total_tokens,
             .cache_read_tokens = f.cache_read_tokens,
             .cache_write_5m_tokens = f.cache_write_5m_tokens,
             .cache_write_1h_tokens = f.cache_write_1h_tokens,
             .reasoning_tokens = f.reasoning_tokens,
             .seen = (f.bits & kUsageSeen) != 0,
             .estimated = (f.bits & kUsageEstimated) != 0,
             .anomalous = (f.bits & kUsageAnomalous) != 0};
  r.cost.nano_usd = f.cost_nano_usd;
  r.cost.source = static_cast<CostSource>(std::min(f.cost_source, static_cast<std::uint8_t>(CostSource::unpriced)));
  r.lineage.checkpoint_seq = f.checkpoint_seq;
  r.stream_chunks = f.stream_chunks;
  r.status = f.status;
  r.outcome = static_cast<Outcome>(std::min(f.outcome, static_cast<std::uint8_t>(Outcome::refused_by_guard)));
  r.streaming = (f.bits & kStreaming) != 0;
  r.held_credential = (f.bits & kHeldCredential) != 0;
  r.redaction_truncated = (f.bits & kRedactionTruncated) != 0;
  r.redaction_storage_drop = (f.bits & kRedactionStorageDrop) != 0;
  set_parts({}, r);
  for (std::string_view* text : part_texts_of(r)) *text = {};
  return true;
}

bool get_parts(Reader& in, const Fixed& f, ExchangeRecord& r) {
  if ((f.number_parts | f.text_parts) == 0) return true;
  Parts parts{};
  for (std::size_t i = 0; i < 16; ++i) {
    std::uint64_t n = 0;
    if ((f.number_parts >> i & 1) == 0) continue;
    if (!in.varint(n)) return false;
    if (i < parts.size()) parts[i] = n;
  }
  set_parts(parts, r);
  const auto texts = part_texts_of(r);
  for (std::size_t i = 0; i < 8; ++i) {
    std::string_view text;
    if ((f.text_parts >> i & 1) == 0) continue;
    if (!in.string(text)) return false;
    if (i < texts.size()) *texts[i] = text;
  }
  return true;
}

bool get_texts(Reader& in, ExchangeRecord& r) {
  std::uint8_t count = 0;
  if (!in.raw(&count, 1)) return false;
  const Texts texts = texts_of(r);
  for (std::string_view* t : texts) *t = {};
  for (std::size_t i = 0; i < count; ++i) {
    std::string_view text;
    if (!in.string(text)) return false;
#ifdef GW_PLANT_BUG
    if (i <= texts.size()) *texts[i] = text;
#else
    if (i < texts.size()) *texts[i] = text;
#endif
  }
  return true;
}

bool get_headers(Reader& in, HeaderBlock& out) {
  std::uint64_t count = 0;
  if (!in.varint(count) || !in.block(out.names) || !in.block(out.values)) return false;
  // Every name and every value takes at least its length byte: a count that cannot be true is refused before it sizes
  // anything.
  if (count > out.names.size() || count > out.values.size()) return false;
  out.count = static_cast<std::uint32_t>(count);
  return true;
}

}  // namespace

char* encode_record(const ExchangeRecord& record, Cut cut, char* out, const char* limit) noexcept {
  Writer writer(out, limit);
  const PartBits parts = put_record(writer, record, cut);
  char* end = writer.end();
  if (!parts.any() || end == nullptr) return end;
  Writer behind(end, limit);
  put_parts(behind, record, cut, parts);
  return behind.end();
}

std::size_t encoded_bytes(const ExchangeRecord& record, Cut cut) noexcept {
  Counter counter;
  const PartBits parts = put_record(counter, record, cut);
  if (parts.any()) put_parts(counter, record, cut, parts);
  return counter.bytes();
}

bool decode_record(std::string_view payload, std::uint16_t version, DecodedRecord& out) {
  if (version == 0 || version > kRecordVersion) return false;
  Reader in(payload);
  out.redaction_counts.clear();
  out.request_headers = {};
  out.response_headers = {};
  out.record.request_body = {};
  out.record.response_body = {};
  Fixed fixed;
  if (!get_fixed(in, out.record, fixed) || !get_texts(in, out.record)) return false;
  const bool no_parts = fixed.number_parts == 0 && fixed.text_parts == 0;
  if (in.done()) return no_parts;

  std::uint64_t kinds = 0;
  if (!in.varint(kinds)) return false;
  for (std::uint64_t i = 0; i < kinds; ++i) {
    RedactionCount c;
    std::uint64_t count = 0;
    if (!in.string(c.kind) || !in.varint(count)) return false;
    c.count = static_cast<std::uint32_t>(count);
    out.redaction_counts.push_back(c);
  }
  if (in.done()) return no_parts;
  return get_headers(in, out.request_headers) && get_headers(in, out.response_headers) &&
         in.string(out.record.request_body) && in.string(out.record.response_body) && get_parts(in, fixed, out.record);
}

bool next_string(std::string_view& block, std::string_view& out) {
  Reader in(block);
  if (!in.string(out)) return false;
  block = in.rest();
  return true;
}

}  // namespace gw::trace
