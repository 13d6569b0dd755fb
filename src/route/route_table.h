#pragma once
// Which upstream a request goes to, and under which target. Immutable after construction and shared by all workers.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "route/target.h"
#include "route/upstream_url.h"

namespace gw::route {

/// One provider as configured.
struct ProviderOptions {
  std::string name;      ///< openai, groq: what traces show
  std::string prefix;    ///< as written; normalised by the table
  std::string upstream;  ///< URL
};

inline constexpr std::size_t kMaxRoutes = 256;

struct Route {
  std::string name;
  std::string prefix;  ///< normalised
  std::string label;   ///< what telemetry calls it: the prefix and `/*`
  UpstreamUrl upstream;
  std::uint8_t index = 0;  ///< position in the table, for per-provider arrays
};

enum class MatchKind : std::uint8_t {
  provider,
  refused,  ///< a provider route, but the path holds a dot segment: 400
  api,      ///< /api or below
  other,    ///< anything else: the API router answers (/, 404)
};

struct Match {
  MatchKind kind = MatchKind::other;
  const Route* route = nullptr;  ///< set for provider and refused; lives as long as the table
};

/// Trimmed, with a leading '/', without trailing ones; a lone '/' stays.
std::string normalise_prefix(std::string_view prefix);
/// `path` equals the normalised prefix or lies below it on a '/' boundary. Prefix "/" holds everything.
bool under_prefix(std::string_view path, std::string_view prefix);

class RouteTable {
 public:
  /// Routes keep the order given. Fails on an upstream that is no usable URL, on more than kMaxRoutes, on the prefix
  /// "/" and on prefixes that overlap by whole segments: at most one route fits a path.
  static Result<RouteTable> build(const std::vector<ProviderOptions>& providers);

  Match match(const Target& target) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  const Route* find(std::string_view path) const;

  std::vector<Route> routes_;
  std::vector<std::uint8_t> by_prefix_;  // indices of routes_, ordered so that find() can halve
};

/// Appends the origin-form target for the upstream: upstream path and what stands behind the prefix, joined by exactly
/// one '/', escapes as the client sent them; then both queries. `target` must have matched `route`. Allocates only when
/// `out` has to grow.
void append_upstream_target(std::string& out, const Route& route, const Target& target);
/// The same in absolute form, for plain HTTP through a forward proxy.
void append_absolute_target(std::string& out, const Route& route, const Target& target);

}  // namespace gw::route
