#include "proxy/heads.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <ctime>

#include "base/clock.h"
#include "base/strings.h"
#include "http/reason.h"

namespace gw::proxy {
namespace {

/// All parts at once: to look for room costs more than most of them.
void append_field(std::string& out, std::string_view name, std::string_view value) {
  const std::size_t before = out.size();
  out.resize(before + name.size() + value.size() + 4);
  char* p = std::copy(name.begin(), name.end(), out.data() + before);
  *p++ = ':';
  *p++ = ' ';
  p = std::copy(value.begin(), value.end(), p);
  *p++ = '\r';
  *p = '\n';
}

bool two_bytes(const char* p, const char (&text)[3]) { return std::memcmp(p, text, 2) == 0; }

/// Fields that go out as they came. Lines that stand one behind the other in the received head are one copy.
class FieldRun {
 public:
  explicit FieldRun(std::string& out) : out_(out) {}

  [[gnu::always_inline]] void add(const http::Field& f) {
    const char* const name_end = f.name.data() + f.name.size();
    const char* const value_end = f.value.data() + f.value.size();
    if (f.value.data() != name_end + 2 || !two_bytes(name_end, ": ") || !two_bytes(value_end, "\r\n")) {
      flush();
      append_field(out_, f.name, f.value);
      return;
    }
    if (f.name.data() != end_) {
      flush();
      begin_ = f.name.data();
    }
    end_ = value_end + 2;
  }
  void flush() {
    if (begin_ != end_) out_.append(begin_, end_);
    begin_ = end_ = nullptr;
  }

 private:
  std::string& out_;
  const char* begin_ = nullptr;
  const char* end_ = nullptr;
};

/// True when a Connection field names more than the usual words: then every field must be compared with it.
bool names_fields(const http::Fields& fields) {
  for (const http::Field& f : fields) {
    if (f.id != http::FieldId::connection) continue;
    std::string_view list = f.value;
    while (!list.empty()) {
      const std::size_t comma = list.find(',');
      const std::string_view token = trim(list.substr(0, comma));
      if (!token.empty() && !iequals(token, "keep-alive") && !iequals(token, "close") && !iequals(token, "upgrade"))
        return true;
      if (comma == std::string_view::npos) break;
      list.remove_prefix(comma + 1);
    }
  }
  return false;
}

/// Framing, routing and end-to-end fields that a Connection field may not take away.
bool is_protected(http::FieldId id) {
  return id == http::FieldId::host || id == http::FieldId::content_length || id == http::FieldId::content_type ||
         id == http::FieldId::content_encoding;
}

bool named_by_connection(const http::Fields& fields, const http::Field& field) {
  if (is_protected(field.id)) return false;
  for (const http::Field& f : fields)
    if (f.id == http::FieldId::connection && http::list_has(f.value, field.name)) return true;
  return false;
}

bool wants_trailers(const http::Fields& fields) {
  for (const http::Field& f : fields)
    if (f.id == http::FieldId::te && http::list_has(f.value, "trailers")) return true;
  return false;
}

void append_forwarded_for(std::string& out, const UpstreamHeadInput& in) {
  out.append("X-Forwarded-For: ");
  for (const http::Field& f : in.head.fields)
    if (f.id == http::FieldId::x_forwarded_for && !f.value.empty()) out.append(f.value).append(", ");
  out.append(in.client_ip).append("\r\n");
}

}  // namespace

void AddedFields::add(std::string_view name, std::string_view value) {
  hide(name);
  append_field(lines_, name, value);
}

bool AddedFields::replaces(std::string_view name) const {
  for (const std::string& own : names_)
    if (own.size() == name.size() && iequals(own, name)) return true;
  return false;
}

namespace {

std::string date_field(std::time_t now) {
  std::string out;
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  out.append("Date: ").append(kDays[utc.tm_wday]).append(", ");
  const auto two = [&](int n, char after) {
    out.push_back(static_cast<char>('0' + n / 10));
    out.push_back(static_cast<char>('0' + n % 10));
    out.push_back(after);
  };
  two(utc.tm_mday, ' ');
  out.append(kMonths[utc.tm_mon]).append(" ").append(std::to_string(utc.tm_year + 1900)).append(" ");
  two(utc.tm_hour, ':');
  two(utc.tm_min, ':');
  two(utc.tm_sec, ' ');
  out.append("GMT\r\n");
  return out;
}

}  // namespace

void append_date(std::string& out) {
  thread_local std::time_t made_at = -1;  // once a second, not once an answer
  thread_local std::string field;
  const auto now = static_cast<std::time_t>(wall_now_ns() / 1'000'000'000);
  if (now != made_at) {
    field = date_field(now);
    made_at = now;
  }
  out.append(field);
}

namespace {

template <std::size_t N>
bool is_one_of(std::string_view name, const std::string_view (&list)[N]) {
  for (const std::string_view n : list)
    if (n.size() == name.size() && iequals(n, name)) return true;
  return false;
}

/// Most clients write it as it is configured.
bool is_gateway_key(std::string_view name, const UpstreamHeadInput& in) {
  const std::string_view key = in.gateway_key_header;
  return name.size() == key.size() && (same_bytes(name.data(), key.data(), key.size()) || iequals(name, key));
}

/// Fields that do not hold for the request that is sent.
bool is_outdated(std::string_view name, const UpstreamHeadInput& in) {
  constexpr std::string_view kDigests[] = {"content-md5", "digest", "content-digest", "repr-digest"};
  constexpr std::string_view kRanges[] = {"range", "if-range"};
  return (in.plain_answer && iequals(name, "accept-encoding")) || (in.whole_answer && is_one_of(name, kRanges)) ||
         (in.body_changed && is_one_of(name, kDigests));
}

}  // namespace

void append_upstream_head(std::string& out, const UpstreamHeadInput& in) {
  out.append(in.head.method).push_back(' ');
  if (in.absolute_form)
    route::append_absolute_target(out, in.route, in.target);
  else
    route::append_upstream_target(out, in.route, in.target);
  out.append(" HTTP/1.1\r\n");
  append_field(out, "Host", in.route.upstream.host_header);

  const bool check_names = names_fields(in.head.fields);
  FieldRun run(out);
  const bool may_be_outdated = in.plain_answer || in.whole_answer || in.body_changed;
  for (const http::Field& f : in.head.fields) {
    switch (f.id) {
      case http::FieldId::host:
      case http::FieldId::expect:  // answered by the gateway
      case http::FieldId::x_forwarded_for:
      case http::FieldId::gw_correlation_id:
        continue;
      case http::FieldId::content_length:
        if (in.body_replaced) continue;
        break;
      case http::FieldId::traceparent:
        if (!in.traceparent.empty()) continue;
        break;
      case http::FieldId::tracestate:
        if (!in.traceparent.empty() && !in.keep_tracestate) continue;
        break;
      default:
        break;
    }
    if (http::is_hop_by_hop(f.id)) continue;
    if (may_be_outdated && is_outdated(f.name, in)) continue;
    if (is_gateway_key(f.name, in)) continue;
    if (in.added.replaces(f.name) || (in.credential != nullptr && in.credential->replaces(f.name))) continue;
    if (check_names && named_by_connection(in.head.fields, f)) continue;
    run.add(f);
  }
  run.flush();
  out.append(in.added.lines());
  if (in.credential != nullptr) out.append(in.credential->lines());
  append_forwarded_for(out, in);
  append_field(out, kCorrelationHeader, in.correlation_id);
  if (!in.traceparent.empty()) append_field(out, "traceparent", in.traceparent);
  if (in.head.body == http::BodyKind::chunked) out.append("Transfer-Encoding: chunked\r\n");
  if (in.body_replaced) append_field(out, "Content-Length", std::to_string(in.head.content_length));
  if (in.plain_answer) append_field(out, "Accept-Encoding", "identity");
  if (wants_trailers(in.head.fields)) out.append("TE: trailers\r\n");
  if (!in.proxy_authorization.empty()) append_field(out, "Proxy-Authorization", in.proxy_authorization);
  if (in.head.upgrade) {
    out.append("Connection: Upgrade\r\n");
    for (const http::Field& f : in.head.fields)
      if (f.id == http::FieldId::upgrade) append_field(out, f.name, f.value);
  }
  out.append("\r\n");
}

namespace {

void append_refusal_head(std::string& out, const ClientHeadInput& in) {
  out.append("HTTP/1.1 ").append(std::to_string(in.refusal)).append(" ");
  out.append(http::reason_phrase(in.refusal)).append("\r\n");
  append_field(out, "Content-Type", "application/json");
  append_date(out);
  append_field(out, "Content-Length", std::to_string(in.length));
  if (!in.correlation_id.empty()) append_field(out, kCorrelationHeader, in.correlation_id);
  if (!in.trace_id.empty()) append_field(out, kTraceIdHeader, in.trace_id);
  append_field(out, "x-should-retry", "false");
  if (!in.keep_alive)
    append_field(out, "Connection", "close");
  else if (in.client_minor == 0)
    append_field(out, "Connection", "keep-alive");
  out.append("\r\n");
}

bool is_rate_limit(std::string_view name) {
  constexpr std::string_view kBeginning = "x-ratelimit-";
  return name.size() >= kBeginning.size() && to_lower(name.front()) == kBeginning.front() &&
         iequals(name.substr(0, kBeginning.size()), kBeginning);
}

}  // namespace

void append_client_head(std::string& out, const ClientHeadInput& in) {
  if (in.refusal != 0) return append_refusal_head(out, in);
  char status[4];
  std::to_chars(status, status + 3, in.head.status);
  out.append("HTTP/1.1 ").append(status, 3).append(" ").append(in.head.reason).append("\r\n");

  const bool check_names = names_fields(in.head.fields);
  bool dated = false;
  bool rate_limited = in.rate_limit_lines.empty();
  FieldRun run(out);
  for (const http::Field& f : in.head.fields) {
    if (f.id == http::FieldId::other) rate_limited = rate_limited || is_rate_limit(f.name);
    if (f.id == http::FieldId::gw_correlation_id || f.id == http::FieldId::gw_trace_id || http::is_hop_by_hop(f.id))
      continue;
    // Would announce a body, or one of another length than a filter leaves.
    if (f.id == http::FieldId::content_length &&
        (in.length_known || in.head.status == 204 || in.framing == ClientFraming::chunked ||
         in.framing == ClientFraming::close))
      continue;
    dated = dated || f.id == http::FieldId::date;
    if (check_names && named_by_connection(in.head.fields, f)) continue;
    run.add(f);
  }
  run.flush();
  if (!dated && !in.upgrade) append_date(out);
  append_field(out, kCorrelationHeader, in.correlation_id);
  append_field(out, kTraceIdHeader, in.trace_id);
  if (!rate_limited) out.append(in.rate_limit_lines);
  if (in.framing == ClientFraming::chunked) out.append("Transfer-Encoding: chunked\r\n");
  if (in.length_known) append_field(out, "Content-Length", std::to_string(in.length));
  if (in.upgrade) {
    out.append("Connection: Upgrade\r\n");
    for (const http::Field& f : in.head.fields)
      if (f.id == http::FieldId::upgrade) append_field(out, f.name, f.value);
  } else if (!in.keep_alive) {
    out.append("Connection: close\r\n");
  } else if (in.client_minor == 0) {
    out.append("Connection: keep-alive\r\n");
  }
  out.append("\r\n");
}

void append_informational_head(std::string& out, const http::ResponseHead& head) {
  out.append("HTTP/1.1 ").append(std::to_string(head.status)).append(" ").append(head.reason).append("\r\n");
  for (const http::Field& f : head.fields)
    if (!http::is_hop_by_hop(f.id)) append_field(out, f.name, f.value);
  out.append("\r\n");
}

}  // namespace gw::proxy
