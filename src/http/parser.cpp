#include "http/parser.h"

#include <algorithm>
#include <cstring>
#include <limits>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/strings.h"
#include "http/token.h"

namespace gw::http {
namespace {

/// First byte that may not stand in a field value: a control character other than TAB. `end` when there is none.
[[gnu::always_inline]] inline const char* find_control(const char* p, const char* end) {
#if defined(__SSE2__)
  const __m128i space = _mm_set1_epi8(0x20);
  const __m128i tab = _mm_set1_epi8('\t');
  const __m128i del = _mm_set1_epi8(0x7f);
  while (end - p >= 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    // v < 0x20 unsigned: max(v, 0x20) != v, unless v is TAB
    const __m128i ge = _mm_cmpeq_epi8(_mm_max_epu8(v, space), v);
    const __m128i ok = _mm_andnot_si128(_mm_cmpeq_epi8(v, del), _mm_or_si128(ge, _mm_cmpeq_epi8(v, tab)));
    const int bad = _mm_movemask_epi8(ok) ^ 0xFFFF;
    if (bad != 0) return p + __builtin_ctz(static_cast<unsigned>(bad));
    p += 16;
  }
#endif
  for (; p < end; ++p) {
    const auto u = static_cast<unsigned char>(*p);
    if ((u < 0x20 && u != '\t') || u == 0x7f) return p;
  }
  return end;
}

/// First byte that is no token character. Names are letters and dashes, nearly always, with a colon behind them.
[[gnu::always_inline]] inline const char* skip_token(const char* p, const char* end) {
#if defined(__SSE2__)
  while (end - p >= 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i from_a = _mm_sub_epi8(_mm_or_si128(v, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
    const __m128i letter = _mm_cmpeq_epi8(_mm_min_epu8(from_a, _mm_set1_epi8('z' - 'a')), from_a);
    const __m128i usual = _mm_or_si128(letter, _mm_cmpeq_epi8(v, _mm_set1_epi8('-')));
    const int other = _mm_movemask_epi8(usual) ^ 0xFFFF;
    if (other == 0) {
      p += 16;
      continue;
    }
    p += __builtin_ctz(static_cast<unsigned>(other));
    if (!is_token_char(*p)) return p;
    ++p;
  }
#endif
  while (p < end && is_token_char(*p)) ++p;
  return p;
}

/// First byte that may not stand in a request's target: a blank, a control character or DEL.
const char* skip_visible(const char* p, const char* end) {
#if defined(__SSE2__)
  while (end - p >= 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i visible = _mm_cmpeq_epi8(_mm_max_epu8(v, _mm_set1_epi8(0x21)), v);
    const __m128i ok = _mm_andnot_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)), visible);
    const int bad = _mm_movemask_epi8(ok) ^ 0xFFFF;
    if (bad != 0) return p + __builtin_ctz(static_cast<unsigned>(bad));
    p += 16;
  }
#endif
  while (p < end && static_cast<unsigned char>(*p) > 0x20 && *p != 0x7f) ++p;
  return p;
}

constexpr std::size_t kMaxConnectionOptions = 32;

bool is_ows(char c) { return c == ' ' || c == '\t'; }

enum class Line : std::uint8_t { field, end, incomplete, bad };

/// Reads one field line at `p`, or the empty line that ends the head; moves `p` past its CRLF.
[[gnu::always_inline]] inline Line parse_field_line(const char*& p, const char* end, Field& out) {
  if (p == end) return Line::incomplete;
  if (*p == '\r') {
    if (p + 1 == end) return Line::incomplete;
    if (p[1] != '\n') return Line::bad;
    p += 2;
    return Line::end;
  }
  const char* const colon = skip_token(p, end);
  if (colon == end) return Line::incomplete;
  if (*colon != ':' || colon == p) return Line::bad;  // obs-fold, empty name, space before the colon, bare LF
  const char* value = colon + 1;
  while (value < end && is_ows(*value)) ++value;
  const char* stop = find_control(value, end);
  if (stop == end || stop + 1 == end) return stop != end && *stop != '\r' ? Line::bad : Line::incomplete;
#ifdef GW_PLANT_BUG
  if (stop[0] == '\n')
    --stop;  // takes a bare LF
  else
#endif
      if (stop[0] != '\r' || stop[1] != '\n')
    return Line::bad;
  const char* last = stop;
  while (last > value && is_ows(last[-1])) --last;
  out.name = {p, static_cast<std::size_t>(colon - p)};
  out.value = {value, static_cast<std::size_t>(last - value)};
  out.id = classify(out.name);
  p = stop + 2;
  return Line::field;
}

/// The same, for the `number`th line.
[[gnu::always_inline]] inline Line read_field_line(std::size_t number, LineMemo* memo, const char*& p, const char* end,
                                                   Field& out) {
  if (memo != nullptr && memo->take(number, p, end, out)) return Line::field;
  const char* const from = p;
  const Line line = parse_field_line(p, end, out);
  if (memo != nullptr && line == Line::field) memo->keep(number, from, p, out);
  return line;
}

/// RFC 9110: digits only. Anything else, also a list of equal lengths, is refused.
bool parse_length(std::string_view s, std::uint64_t& out) {
  if (s.empty() || s.size() > 19) return false;
  std::uint64_t v = 0;
  for (char c : s) {
    if (c < '0' || c > '9') return false;
    v = v * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (v > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return false;
  out = v;
  return true;
}

ParseStatus refuse(ParseError& e, int status, const char* reason) {
  e = {status, reason};
  return ParseStatus::bad;
}

/// A switch to another HTTP would carry requests past every check: it is not relayed, and the request goes on as a
/// plain one.
bool switches_http(std::string_view protocol) {
  return protocol.find(',') != std::string_view::npos || iequals(protocol.substr(0, 2), "h2") ||
         iequals(protocol.substr(0, 4), "http") || iequals(protocol.substr(0, 4), "tls/");
}

/// What both directions collect from the fields.
struct Framing {
  bool has_length = false, has_encoding = false, chunked = false, has_upgrade = false;
  bool close = false, keep_alive = false, connection_upgrade = false;
  int upgrades = 0;
  std::size_t connection_options = 0;
  std::uint64_t length = 0;
};

[[gnu::noinline]] ParseStatus add_framing_field(const Field& f, Framing& fr, ParseError& error) {
  switch (f.id) {
    case FieldId::content_length:
      if (fr.has_length) return refuse(error, 400, "repeated Content-Length");
      if (!parse_length(f.value, fr.length)) return refuse(error, 400, "invalid Content-Length");
      fr.has_length = true;
      break;
    case FieldId::transfer_encoding:
      if (fr.has_encoding) return refuse(error, 400, "repeated Transfer-Encoding");
      fr.has_encoding = true;
      if (!iequals(f.value, "chunked")) return refuse(error, 501, "unsupported Transfer-Encoding");
      fr.chunked = true;
      break;
    case FieldId::connection:
      // Every field is compared with every option.
      fr.connection_options += 1 + static_cast<std::size_t>(std::count(f.value.begin(), f.value.end(), ','));
      if (fr.connection_options > kMaxConnectionOptions) return refuse(error, 400, "too many Connection options");
      fr.close = fr.close || list_has(f.value, "close");
      fr.keep_alive = fr.keep_alive || list_has(f.value, "keep-alive");
      fr.connection_upgrade = fr.connection_upgrade || list_has(f.value, "upgrade");
      break;
    case FieldId::upgrade:
      fr.has_upgrade = !switches_http(f.value);
      ++fr.upgrades;
      break;
    default:
      break;
  }
  return ParseStatus::complete;
}

bool frames(FieldId id) {
  return id == FieldId::content_length || id == FieldId::transfer_encoding || id == FieldId::connection ||
         id == FieldId::upgrade;
}

/// Few fields do.
[[gnu::always_inline]] inline ParseStatus add_framing(const Field& f, Framing& fr, ParseError& error) {
  if (!frames(f.id)) return ParseStatus::complete;
  return add_framing_field(f, fr, error);
}

/// " HTTP/1.x" or "HTTP/1.x" at p (8 bytes); -1 when it is none, -2 when it is another major version.
int parse_version(const char* p) {
  if (std::memcmp(p, "HTTP/", 5) != 0 || p[6] != '.' || p[7] < '0' || p[7] > '9' || p[5] < '0' || p[5] > '9') return -1;
  if (p[5] != '1') return -2;
  return p[7] == '0' ? 0 : 1;
}

ParseStatus parse_request_line(const char*& p, const char* end, RequestHead& head, ParseError& error) {
  const char* m = p;
  while (p < end && is_token_char(*p)) ++p;
  if (p == end) return p - m > 64 ? refuse(error, 400, "malformed request line") : ParseStatus::incomplete;
  if (*p != ' ' || p == m || p - m > 64) return refuse(error, 400, "malformed request line");
  head.method = {m, static_cast<std::size_t>(p - m)};
  const char* t = ++p;
  p = skip_visible(p, end);
  if (p == end) return ParseStatus::incomplete;
  if (*p != ' ' || p == t) return refuse(error, 400, "malformed request line");
  head.target = {t, static_cast<std::size_t>(p - t)};
  ++p;
  if (end - p < 10) {
    // Tell a wrong line from an unfinished one, so that "GET / FOO\n" is refused at once.
    if (std::memchr(p, '\n', static_cast<std::size_t>(end - p)) != nullptr)
      return refuse(error, 400, "malformed request line");
    return ParseStatus::incomplete;
  }
  const int version = parse_version(p);
  if (version == -2) return refuse(error, 505, "HTTP version not supported");
  if (version < 0 || p[8] != '\r' || p[9] != '\n') return refuse(error, 400, "malformed request line");
  head.minor = version;
  p += 10;
  return ParseStatus::complete;
}

ParseStatus finish_request(RequestHead& head, const Framing& fr, int hosts, ParseError& error) {
  if (hosts > 1) return refuse(error, 400, "repeated Host");
  if (hosts == 0 && head.minor >= 1) return refuse(error, 400, "missing Host");
  if (fr.has_encoding && fr.has_length) return refuse(error, 400, "both Content-Length and Transfer-Encoding");
  if (fr.has_encoding && head.minor == 0) return refuse(error, 400, "Transfer-Encoding in HTTP/1.0");
  if (fr.chunked) {
    head.body = BodyKind::chunked;
  } else if (fr.length > 0) {
    head.body = BodyKind::length;
    head.content_length = fr.length;
  }
  head.keep_alive = head.minor >= 1 ? !fr.close : fr.keep_alive && !fr.close;
  head.upgrade = fr.has_upgrade && fr.upgrades == 1 && fr.connection_upgrade && head.minor >= 1;
  return ParseStatus::complete;
}

}  // namespace

void RequestHead::clear() {
  method = {};
  target = {};
  fields.clear();
  minor = 1;
  body = BodyKind::none;
  content_length = 0;
  keep_alive = true;
  expect_continue = upgrade = false;
  size = 0;
}

void ResponseHead::clear() {
  status = 0;
  reason = {};
  fields.clear();
  minor = 1;
  body = BodyKind::none;
  content_length = 0;
  keep_alive = true;
  size = 0;
}

// Flat: a head has many fields, and each of their steps is shorter than a call.
[[gnu::flatten]] ParseStatus parse_request(std::string_view in, RequestHead& head, ParseError& error, LineMemo* memo) {
  head.clear();
  const char* p = in.data();
  const char* end = p + in.size();
  // RFC 9112 2.2: empty lines before a request line are skipped.
  while (end - p >= 2 && p[0] == '\r' && p[1] == '\n') p += 2;
  if (p == end || (end - p == 1 && *p == '\r')) return ParseStatus::incomplete;
  if (const auto s = parse_request_line(p, end, head, error); s != ParseStatus::complete) return s;

  Framing fr;
  int hosts = 0;
  for (;;) {
    Field& f = head.fields.emplace_back();  // in place: a copy reads larger pieces than were written, which stalls
    switch (read_field_line(head.fields.size() - 1, memo, p, end, f)) {
      case Line::incomplete:
        return ParseStatus::incomplete;
      case Line::bad:
        return refuse(error, 400, "malformed header field");
      case Line::end: {
        head.fields.pop_back();
        head.size = static_cast<std::size_t>(p - in.data());
        return finish_request(head, fr, hosts, error);
      }
      case Line::field:
        break;
    }
    if (f.id == FieldId::host) ++hosts;
    if (f.id == FieldId::expect && iequals(f.value, "100-continue")) head.expect_continue = true;
    if (const auto s = add_framing(f, fr, error); s != ParseStatus::complete) return s;
  }
}

[[gnu::flatten]] ParseStatus parse_response(std::string_view in, bool head_request, ResponseHead& head,
                                            ParseError& error, LineMemo* memo) {
  head.clear();
  const char* p = in.data();
  const char* end = p + in.size();
  if (end - p < 13) {
    const std::size_t n = std::min<std::size_t>(5, in.size());
    if (std::memcmp(p, "HTTP/", n) != 0) return refuse(error, 502, "malformed status line");
    return ParseStatus::incomplete;
  }
  const int version = parse_version(p);
  if (version < 0 || p[8] != ' ') return refuse(error, 502, "malformed status line");
  for (int i = 9; i < 12; ++i) {
    if (p[i] < '0' || p[i] > '9') return refuse(error, 502, "malformed status line");
    head.status = head.status * 10 + (p[i] - '0');
  }
  if (head.status < 100) return refuse(error, 502, "malformed status line");
  head.minor = version;
  p += 12;
  if (*p == ' ') ++p;  // servers leave out the reason, and some its space
  const char* stop = find_control(p, end);
  if (stop == end || (stop + 1 == end && *stop == '\r')) return ParseStatus::incomplete;
  if (stop[0] != '\r' || stop[1] != '\n') return refuse(error, 502, "malformed status line");
  head.reason = {p, static_cast<std::size_t>(stop - p)};
  p = stop + 2;

  Framing fr;
  for (bool done = false; !done;) {
    Field& f = head.fields.emplace_back();
    switch (read_field_line(head.fields.size() - 1, memo, p, end, f)) {
      case Line::incomplete:
        return ParseStatus::incomplete;
      case Line::bad:
        return refuse(error, 502, "malformed header field");
      case Line::end:
        head.fields.pop_back();
        done = true;
        continue;
      case Line::field:
        break;
    }
    if (add_framing(f, fr, error) != ParseStatus::complete) {
      error.status = 502;
      return ParseStatus::bad;
    }
  }
  head.size = static_cast<std::size_t>(p - in.data());
  if (fr.has_encoding && fr.has_length) return refuse(error, 502, "both Content-Length and Transfer-Encoding");
  head.keep_alive = head.minor >= 1 ? !fr.close : fr.keep_alive && !fr.close;
  if (head_request || head.status < 200 || head.status == 204 || head.status == 304) {
    head.body = BodyKind::none;
    head.content_length = fr.length;
  } else if (fr.chunked) {
    head.body = BodyKind::chunked;
  } else if (fr.has_length) {
    head.body = fr.length > 0 ? BodyKind::length : BodyKind::none;
    head.content_length = fr.length;
  } else {
    head.body = BodyKind::until_close;
    head.keep_alive = false;
  }
  return ParseStatus::complete;
}

ParseStatus HeadScanner::scan(std::string_view in) {
  while (pos_ < in.size()) {
    const void* hit = std::memchr(in.data() + pos_, '\n', in.size() - pos_);
    if (hit == nullptr) {
      pos_ = in.size();
      return ParseStatus::incomplete;
    }
    const auto lf = static_cast<std::size_t>(static_cast<const char*>(hit) - in.data());
    if (lf == 0 || in[lf - 1] != '\r') return ParseStatus::bad;
    const bool empty = lf - line_start_ == 1;
    pos_ = line_start_ = lf + 1;
    if (empty && seen_line_) return ParseStatus::complete;
    if (!empty) seen_line_ = true;
  }
  return ParseStatus::incomplete;
}

}  // namespace gw::http
