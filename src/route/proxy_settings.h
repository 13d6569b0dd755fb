#pragma once
// Forward proxies for upstream connections, from the environment. Read once at start; immutable and shared afterwards.
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "route/upstream_url.h"

namespace gw::route {

struct ProxyUrl {
  bool tls = false;  ///< the connection to the proxy itself is TLS (https://proxy)
  std::string host;
  std::uint16_t port = 0;
  std::string authorization;  ///< value for Proxy-Authorization ("Basic …"), empty without userinfo. A secret.

  friend bool operator==(const ProxyUrl&, const ProxyUrl&) = default;
};

/// Of a URL's `user:password`: value for Authorization and its like, a secret. Nothing when a percent-escape is none.
std::optional<std::string> basic_authorization(std::string_view userinfo);

class ProxySettings {
 public:
  /// Value of an environment variable; empty when unset.
  using Lookup = std::function<std::string(const char* name)>;

  ProxySettings() = default;
  /// HTTP_PROXY, HTTPS_PROXY and NO_PROXY; the lowercase form of each wins when it is set. Fails on a proxy URL that
  /// cannot be used, naming the variable and never its userinfo.
  static Result<ProxySettings> from_environment(const Lookup& lookup);

  /// The proxy through which `upstream` is reached; none: connect directly. Loopback and localhost are always direct.
  const ProxyUrl* proxy_for(const UpstreamUrl& upstream) const;

 private:
  using Address = std::array<unsigned char, 16>;  // IPv4 in its mapped form

  struct Network {  // an address (128 bits) or a CIDR block
    Address address{};
    unsigned bits = 128;
    std::uint16_t port = 0;  // 0: any
  };
  struct Domain {
    std::string suffix;   // with its leading dot
    bool itself = false;  // the name without the dot counts too
    std::uint16_t port = 0;
  };

  static std::optional<Address> parse_address(std::string_view text);
  static std::optional<Network> parse_network(std::string_view entry);
  void add_exception(std::string_view entry);
  bool is_exception(std::string_view host, const std::optional<Address>& address, std::uint16_t port) const;

  std::optional<ProxyUrl> http_, https_;
  bool none_ = false;  // NO_PROXY=*
  std::vector<Network> networks_;
  std::vector<Domain> domains_;
};

}  // namespace gw::route
