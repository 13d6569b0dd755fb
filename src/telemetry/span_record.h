#pragma once
// What a worker writes down of a sampled exchange, in one piece, for the exporter's thread to make spans of: a head of
// plain numbers and the texts behind it. Never leaves the process.
#include <array>
#include <cstdint>
#include <string_view>

#include "base/copy_bytes.h"
#include "base/strings.h"

namespace gw::telemetry {

using SpanId = std::array<std::uint8_t, 8>;
using OtelTraceId = std::array<std::uint8_t, 16>;

/// The spans of an exchange, whose ids differ in their last four bits only: one random number makes them all.
enum class ExchangePart : std::uint8_t { server, auth, route, call, enqueue };

inline SpanId part_id(SpanId base, ExchangePart part) {
  base[7] = static_cast<std::uint8_t>((base[7] & 0xf0) | static_cast<std::uint8_t>(part));
  return base;
}

enum class RecordKind : std::uint8_t {
  exchange,
  enqueue,  ///< a further trace of an exchange (a response on a WebSocket): one span below gateway.auth
  write,    ///< a batch that the store took or did not: a trace of its own
};

/// What the gateway decided, not what the provider answered.
enum class AuthResult : std::uint8_t { none, allow, unauthorized, forbidden };
enum class RouteKind : std::uint8_t { none, provider, api };
enum class EnqueueResult : std::uint8_t { none, accepted, dropped };

enum class SpanText : std::uint8_t {
  method,
  target,  ///< as received, with its query
  host,    ///< the Host field
  peer,
  user_agent,
  forwarded_for,
  provider,
  prefix,  ///< of the provider's route, normalised
  model,
  org,
  workspace,
  key_id,
  role,
  call_target,  ///< as sent upstream, with its query
  call_host,    ///< Host as sent upstream
  // What seldom is alike in two exchanges comes last.
  correlation_id,
  error,  ///< why the call failed, or the class of a failed write
  trace_state,
};
inline constexpr std::size_t kSpanTexts = 18;
inline constexpr std::size_t kLastingTexts = 15;  ///< the first ones
/// Longer texts are cut.
inline constexpr std::size_t kMostSpanText = 2048;

struct SpanHead {
  OtelTraceId trace_id{};
  SpanId parent_id{};           ///< zero: a root
  SpanId base_id{};             ///< see part_id()
  std::int64_t started_ns = 0;  ///< Unix ns; the times below are ns after it, or 0
  std::int64_t route_ns = 0;
  std::int64_t call_ns = 0, call_end_ns = 0;
  std::int64_t enqueue_ns = 0, enqueue_end_ns = 0;
  std::int64_t end_ns = 0;
  std::int64_t request_bytes = -1, response_bytes = -1;            ///< of bodies that passed; -1: not known
  std::int64_t call_request_bytes = -1, call_response_bytes = -1;  ///< as their fields say
  std::uint32_t batch_size = 0;
  std::uint16_t status = 0, call_status = 0;
  RecordKind kind = RecordKind::exchange;
  AuthResult auth = AuthResult::none;
  RouteKind route = RouteKind::none;
  EnqueueResult enqueue = EnqueueResult::none;
  bool remote_parent = false;
  bool tls = false;       ///< of the client's connection
  bool call_tls = false;  ///< of the provider's
  bool client_left = false;
  bool own_correlation_id = false;  ///< made by the gateway: there is one, and nothing in it needs cleaning
  std::uint8_t http_minor = 1;
  std::uint16_t lasting_bytes = 0;  ///< of the first kLastingTexts
  std::array<std::uint16_t, kSpanTexts> sizes{};
};

/// A record as it lies in the ring.
class SpanRecord {
 public:
  /// `bytes` as encoded, aligned to 8.
  explicit SpanRecord(std::string_view bytes) : bytes_(bytes) {}

  const SpanHead& head() const { return *reinterpret_cast<const SpanHead*>(bytes_.data()); }
  std::string_view text(SpanText which) const {
    const auto i = static_cast<std::size_t>(which);
    if (head().sizes[i] == 0) return {};
    return bytes_.substr(sizeof(SpanHead) + size_before(i), head().sizes[i]);
  }
  /// The first kLastingTexts, one behind the other.
  std::string_view lasting_texts() const { return bytes_.substr(sizeof(SpanHead), head().lasting_bytes); }

 private:
  std::size_t size_before(std::size_t text) const {
    const bool last = text >= kLastingTexts;
    std::size_t size = last ? head().lasting_bytes : 0;
    for (std::size_t i = last ? kLastingTexts : 0; i < text; ++i) size += head().sizes[i];
    return size;
  }

  std::string_view bytes_;
};

/// The texts of a record to be written, which stay where they are until then.
class SpanTexts {
 public:
  /// Once for each that there is. Inline, where it is a few stores: a worker names all of them for each exchange.
  [[gnu::always_inline]] void set(SpanText which, std::string_view text) {
    if (text.size() > kMostSpanText) [[unlikely]]
      text = cut_at_character(text, kMostSpanText);
    const auto i = static_cast<std::size_t>(which);
    from_[i] = text.data();
    sizes_[i] = static_cast<std::uint16_t>(text.size());
    (i < kLastingTexts ? lasting_bytes_ : other_bytes_) += text.size();
  }
  std::size_t bytes() const { return lasting_bytes_ + other_bytes_; }
  /// What the head says of them.
  void describe(SpanHead& head) const {
    head.lasting_bytes = static_cast<std::uint16_t>(lasting_bytes_);
    head.sizes = sizes_;
  }
  /// Writes bytes().
  void write(char* to) const {
    for (std::size_t i = 0; i < kSpanTexts; ++i) {
      const std::size_t n = sizes_[i];
      if (n == 0) continue;
      copy_bytes(to, from_[i], n);
      to += n;
    }
  }

 private:
  std::array<const char*, kSpanTexts> from_{};
  std::array<std::uint16_t, kSpanTexts> sizes_{};
  std::size_t lasting_bytes_ = 0, other_bytes_ = 0;
};
static_assert(kLastingTexts * kMostSpanText <= UINT16_MAX);

}  // namespace gw::telemetry
