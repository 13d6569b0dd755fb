#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace gw::config {

/// Where a Redis server is.
struct RedisUrl {
  bool tls = false;  ///< with a verified certificate
  std::string host;  ///< empty: `path` is a socket's
  int port = 6379;
  std::string path;
  std::string user, password;  ///< empty: none
  int database = 0;

  /// For people: without what is secret.
  std::string shown() const;
};

/// `redis[s]://[[user]:password@]host[:port][/database]` or `unix://[[user]:password@]/path/of/socket[?db=database]`;
/// user and password may be percent-encoded. The message names no part of the text.
Result<RedisUrl> parse_redis_url(std::string_view text);

}  // namespace gw::config
