#pragma once
// Which privacy policy holds for an exchange. Immutable after construction; results point into the Policy.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gw::guard {

enum class Mode : unsigned char {
  off,
  redact_storage,   ///< stored bodies are redacted; traffic is untouched
  redact_upstream,  ///< also the request body before it is forwarded
  block,            ///< a request whose body holds anything is refused; stored bodies are redacted
  observe,          ///< what is found in request bodies is counted and logged; stored bodies are redacted
};

inline constexpr std::size_t kModes = 5;

std::string_view to_string(Mode mode);
/// Exactly the five names; anything else is nothing.
std::optional<Mode> parse_mode(std::string_view name);
/// pii.mode as it takes effect: trimmed and lowercased; blank means redact_storage when bodies are captured, else off.
/// Unknown: nothing.
std::optional<Mode> effective_mode(std::string_view configured, bool capture_bodies);

inline constexpr std::string_view kDefaultPolicyId = "default/v1";

/// pii.scopes[]: blank selectors match everything, a blank mode or policy id changes nothing.
struct ScopeOptions {
  std::string org_id, workspace_id, key_id, provider, route_prefix;
  std::string mode;
  std::string policy_id;
};

struct PolicyOptions {
  Mode mode = Mode::off;  ///< effective
  std::string policy_id;  ///< blank: default/v1
  std::vector<ScopeOptions> scopes;
};

struct PolicyInput {
  std::string_view org_id = {}, workspace_id = {}, key_id = {}, provider = {};
  std::string_view path = {};  ///< decoded request path
};

struct Resolved {
  Mode mode = Mode::off;
  std::string_view policy_id;
};

class Policy {
 public:
  /// Modes of scopes are taken lowercased; one that is unknown (the configuration refuses it) counts as blank.
  explicit Policy(const PolicyOptions& options);

  /// The matching scope with most selectors decides, the first declared among equals.
  Resolved resolve(const PolicyInput& input) const;
  /// False: resolve() gives the same for every exchange, unscoped().
  bool scoped() const { return !scopes_.empty(); }
  Resolved unscoped() const { return {mode_, policy_id_}; }

  /// Whether some exchange may have this mode.
  bool may_be(Mode mode) const;

 private:
  struct Scope {
    std::string org_id, workspace_id, key_id, provider, route_prefix;
    std::optional<Mode> mode;
    std::string policy_id;
  };
  static int selectors(const Scope& scope);
  static bool matches(const Scope& scope, const PolicyInput& input);

  Mode mode_;
  std::string policy_id_;
  std::vector<Scope> scopes_;  // most specific first, otherwise as declared
};

}  // namespace gw::guard
