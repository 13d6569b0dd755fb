#include "telemetry/otlp_link.h"

#include <curl/curl.h>
#include <poll.h>

#include <mutex>

#include "base/clock.h"

namespace gw::telemetry::otlp {
namespace {

int look_at_clock(void* at, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return mono_now_ns() >= static_cast<const std::atomic<std::int64_t>*>(at)->load(std::memory_order_relaxed) ? 1 : 0;
}

struct EndOfList {
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};

}  // namespace

struct Link::Handle {
  CURL* curl = nullptr;
  curl_socket_t socket = CURL_SOCKET_BAD;
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { ::curl_easy_cleanup(curl); }
};

Link::Link() {
  static std::once_flag once;
  std::call_once(once, [] { ::curl_global_init(CURL_GLOBAL_DEFAULT); });
}

Link::~Link() = default;

std::string Link::open(const Destination& to, std::int64_t timeout_ms, const std::atomic<std::int64_t>& abort_at_ns) {
  handle_ = std::make_unique<Handle>();
  CURL* const c = handle_->curl = ::curl_easy_init();
  if (c == nullptr) return close(), "out of memory";
  std::unique_ptr<curl_slist, EndOfList> for_proxy;
  if (!to.proxy_authorization.empty())
    for_proxy.reset(::curl_slist_append(nullptr, ("Proxy-Authorization: " + to.proxy_authorization).c_str()));
  char why[CURL_ERROR_SIZE] = "";
  ::curl_easy_setopt(c, CURLOPT_URL, to.url.c_str());
  ::curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(c, CURLOPT_CONNECT_ONLY, 1L);
  ::curl_easy_setopt(c, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));  // no other is spoken over it
  ::curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(c, CURLOPT_PROXY, to.proxy.c_str());  // also an empty one: the environment is not asked
  ::curl_easy_setopt(c, CURLOPT_NOPROXY, "");              // nor whom it excepts
  ::curl_easy_setopt(c, CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
  ::curl_easy_setopt(c, CURLOPT_PROXYHEADER, for_proxy.get());
  ::curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_ms));
  ::curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(timeout_ms));
  ::curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
  ::curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, look_at_clock);
  ::curl_easy_setopt(c, CURLOPT_XFERINFODATA, &abort_at_ns);
  ::curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
  if (!to.ca_file.empty()) ::curl_easy_setopt(c, CURLOPT_CAINFO, to.ca_file.c_str());
  if (!to.client_certificate.empty()) ::curl_easy_setopt(c, CURLOPT_SSLCERT, to.client_certificate.c_str());
  if (!to.client_key.empty()) ::curl_easy_setopt(c, CURLOPT_SSLKEY, to.client_key.c_str());
  const CURLcode code = ::curl_easy_perform(c);
  ::curl_easy_setopt(c, CURLOPT_ERRORBUFFER, nullptr);
  ::curl_easy_setopt(c, CURLOPT_PROXYHEADER, nullptr);
  if (code == CURLE_OK) ::curl_easy_getinfo(c, CURLINFO_ACTIVESOCKET, &handle_->socket);
  if (handle_->socket != CURL_SOCKET_BAD) return {};
  close();
  return why[0] != 0 ? why : ::curl_easy_strerror(code == CURLE_OK ? CURLE_COULDNT_CONNECT : code);
}

void Link::close() { handle_.reset(); }

bool Link::usable() {
  if (handle_ == nullptr) return false;
  char next = 0;
  return receive(&next, 1).state == State::again;
}

Link::Moved Link::send(std::string_view bytes) {
  Moved out;
  const CURLcode code = ::curl_easy_send(handle_->curl, bytes.data(), bytes.size(), &out.bytes);
  out.state = code == CURLE_OK ? State::ok : code == CURLE_AGAIN ? State::again : State::closed;
  return out;
}

Link::Moved Link::receive(char* to, std::size_t most) {
  Moved out;
  const CURLcode code = ::curl_easy_recv(handle_->curl, to, most, &out.bytes);
  out.state = code == CURLE_AGAIN ? State::again : code == CURLE_OK && out.bytes > 0 ? State::ok : State::closed;
  return out;
}

void Link::wait(bool for_room, int ms) const {
  pollfd p{.fd = handle_->socket, .events = POLLIN, .revents = 0};
  if (for_room) p.events |= POLLOUT;
  ::poll(&p, 1, ms);
}

}  // namespace gw::telemetry::otlp
