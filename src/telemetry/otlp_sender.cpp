#include "telemetry/otlp_sender.h"

#include <curl/curl.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <mutex>

#include "base/clock.h"

namespace gw::telemetry::otlp {
namespace {

std::size_t keep_answer(char* data, std::size_t, std::size_t n, void* to) {
  auto& answer = *static_cast<std::string*>(to);
  answer.append(data, std::min(n, kMostAnswer - answer.size()));
  return n;
}

int look_at_clock(void* at, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return mono_now_ns() >= static_cast<const std::atomic<std::int64_t>*>(at)->load(std::memory_order_relaxed) ? 1 : 0;
}

class Lines {
 public:
  Lines() = default;
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;
  ~Lines() { ::curl_slist_free_all(list_); }
  void add(const std::string& line) {
    if (curl_slist* longer = ::curl_slist_append(list_, line.c_str()); longer != nullptr) list_ = longer;
  }
  curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

/// Of a status that the specification does not let us repeat, sending again is of no use.
bool is_passing(long status) { return status == 429 || status == 502 || status == 503 || status == 504; }

Delivery delivery_of(long status) {
  if (status >= 200 && status < 300) return Delivery::taken;
  return is_passing(status) ? Delivery::again : Delivery::refused;
}

}  // namespace

struct HttpSender::Handle {
  CURL* curl = ::curl_easy_init();
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { ::curl_easy_cleanup(curl); }
};

HttpSender::HttpSender(std::string user_agent)
    : user_agent_(std::move(user_agent)), abort_at_ns_(std::numeric_limits<std::int64_t>::max()) {
  static std::once_flag once;
  std::call_once(once, [] { ::curl_global_init(CURL_GLOBAL_DEFAULT); });
  handle_ = std::make_unique<Handle>();
}

HttpSender::~HttpSender() = default;

PostResult HttpSender::post(const Destination& to, std::string_view body, std::int64_t timeout_ms) {
  PostResult out;
  CURL* const c = handle_->curl;
  if (c == nullptr || timeout_ms <= 0 || mono_now_ns() >= abort_at_ns_.load(std::memory_order_relaxed)) {
    out.error = c == nullptr ? "out of memory" : "no time left";
    return out;
  }
  Lines lines;
  lines.add(to.json ? "Content-Type: application/json" : "Content-Type: application/x-protobuf");
  lines.add("Expect:");  // do not wait for it
  if (to.gzip) lines.add("Content-Encoding: gzip");
  for (const std::string& h : to.headers) lines.add(h);

  Lines for_proxy;
  if (!to.proxy_authorization.empty()) for_proxy.add("Proxy-Authorization: " + to.proxy_authorization);

  char why[CURL_ERROR_SIZE] = "";
  ::curl_easy_reset(c);  // keeps its connections
  ::curl_easy_setopt(c, CURLOPT_URL, to.url.c_str());
  ::curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(c, CURLOPT_POSTFIELDS, body.data());
  ::curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  ::curl_easy_setopt(c, CURLOPT_HTTPHEADER, lines.get());
  ::curl_easy_setopt(c, CURLOPT_PROXY, to.proxy.c_str());  // also an empty one: the environment is not asked
  ::curl_easy_setopt(c, CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
  ::curl_easy_setopt(c, CURLOPT_PROXYHEADER, for_proxy.get());
  ::curl_easy_setopt(c, CURLOPT_USERAGENT, user_agent_.c_str());
  ::curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_ms));
  ::curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(timeout_ms));
  ::curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, keep_answer);
  ::curl_easy_setopt(c, CURLOPT_WRITEDATA, &out.answer);
  ::curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
  ::curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, look_at_clock);
  ::curl_easy_setopt(c, CURLOPT_XFERINFODATA, &abort_at_ns_);
  ::curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
  if (!to.ca_file.empty()) ::curl_easy_setopt(c, CURLOPT_CAINFO, to.ca_file.c_str());
  if (!to.client_certificate.empty()) ::curl_easy_setopt(c, CURLOPT_SSLCERT, to.client_certificate.c_str());
  if (!to.client_key.empty()) ::curl_easy_setopt(c, CURLOPT_SSLKEY, to.client_key.c_str());

  const CURLcode code = ::curl_easy_perform(c);
  ::curl_easy_setopt(c, CURLOPT_ERRORBUFFER, nullptr);
  if (code != CURLE_OK) {
    out.error = why[0] != 0 ? why : ::curl_easy_strerror(code);
    return out;
  }
  long status = 0;
  ::curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
  curl_off_t retry_after_s = 0;
  ::curl_easy_getinfo(c, CURLINFO_RETRY_AFTER, &retry_after_s);
  out.delivery = delivery_of(status);
  if (out.delivery != Delivery::taken) out.error = "the receiver answered " + std::to_string(status);
  constexpr curl_off_t kMostSeconds = 3'600;
  if (is_passing(status)) out.retry_after_ms = std::min(retry_after_s, kMostSeconds) * 1'000;
  return out;
}

Result<void> check_files(const Destination& d) {
  for (const std::string* file : {&d.ca_file, &d.client_certificate, &d.client_key})
    if (!file->empty() && ::access(file->c_str(), R_OK) != 0)
      return fail("certificate file " + *file + ": " + std::strerror(errno));
  return {};
}

std::string gzipped(std::string_view body) {
  z_stream z{};
  constexpr int kGzip = 15 + 16, kMemory = 8, kFast = 1;
  if (::deflateInit2(&z, kFast, Z_DEFLATED, kGzip, kMemory, Z_DEFAULT_STRATEGY) != Z_OK) return {};
  std::string out(::deflateBound(&z, body.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  z.avail_in = static_cast<uInt>(body.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  const bool whole = ::deflate(&z, Z_FINISH) == Z_STREAM_END;
  out.resize(whole ? z.total_out : 0);
  ::deflateEnd(&z);
  return out;
}

}  // namespace gw::telemetry::otlp
