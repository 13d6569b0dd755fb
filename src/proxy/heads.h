#pragma once
// The two message heads that the gateway writes: the request to the provider and the answer's head to the client.
// Header rules of the proxy contract §3 and §5. Appends to the caller's buffer; field names and values go out byte for
// byte as they came.
#include <string>
#include <string_view>
#include <vector>

#include "http/parser.h"
#include "route/route_table.h"

namespace gw::proxy {

inline constexpr std::string_view kCorrelationHeader = "X-Ongoingai-Correlation-Id";
inline constexpr std::string_view kTraceIdHeader = "X-Ongoingai-Trace-Id";

/// Fields that configuration adds to each request for one provider, in the place of the client's of the same name.
/// Built at start, then only read. Values are secrets: they go upstream and nowhere else.
class AddedFields {
 public:
  void add(std::string_view name, std::string_view value);
  void add_line(std::string_view line) { lines_.append(line); }    ///< whole, with its end; it replaces nothing
  void hide(std::string_view name) { names_.emplace_back(name); }  ///< the client's goes nowhere
  bool replaces(std::string_view name) const;
  std::string_view lines() const { return lines_; }  ///< as sent

 private:
  std::vector<std::string> names_;
  std::string lines_;
};

struct UpstreamHeadInput {
  const http::RequestHead& head;
  const route::Route& route;
  const route::Target& target;
  std::string_view client_ip;
  std::string_view correlation_id;
  std::string_view gateway_key_header;   ///< never sent upstream
  std::string_view proxy_authorization;  ///< set for plain HTTP through a forward proxy
  bool absolute_form = false;            ///< likewise
  const AddedFields& added;
  const AddedFields* credential = nullptr;  ///< set: likewise, for this request
  std::string_view traceparent = {};        ///< set: goes in the place of the client's
  bool keep_tracestate = true;              ///< looked at then: the client's goes on with it
  bool plain_answer = false;                ///< the answer must come without a content coding
  bool whole_answer = false;                ///< nor in ranges
  bool body_replaced = false;               ///< its length is head.content_length, whatever the client's fields say
  bool body_changed = false;                ///< the client's digests are of another one
};

void append_upstream_head(std::string& out, const UpstreamHeadInput& in);

/// How the body goes to the client.
enum class ClientFraming : std::uint8_t {
  none,
  length,   ///< as the upstream's Content-Length says
  chunked,  ///< passed through or framed anew
  close,    ///< ends with the connection
};

struct ClientHeadInput {
  const http::ResponseHead& head;
  ClientFraming framing = ClientFraming::none;
  int client_minor = 1;
  bool keep_alive = true;
  bool upgrade = false;  ///< a 101 that is relayed
  std::string_view correlation_id;
  std::string_view trace_id;  ///< 32 hex digits
  /// Lines with what is left of rates; they go where the upstream sent none itself.
  std::string_view rate_limit_lines = {};
  int refusal = 0;            ///< not 0: this status and JSON go in the answer's place
  std::size_t length = 0;     ///< of a body that is not the upstream's
  bool length_known = false;  ///< then `length` counts, whatever the upstream's fields say
};

/// The Date field, now: for answers that come without one (RFC 9110 6.6.1).
void append_date(std::string& out);

void append_client_head(std::string& out, const ClientHeadInput& in);

/// An informational answer (103 and the like), relayed as it came.
void append_informational_head(std::string& out, const http::ResponseHead& head);

}  // namespace gw::proxy
