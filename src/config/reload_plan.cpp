#include "config/reload_plan.h"

#include <algorithm>
#include <cstdint>

#include "config/schema.h"

namespace gw::config {
namespace {

/// With everything below them. What is not here is listened on, opened, mapped or sized at the start.
constexpr std::string_view kReloadable[] = {
    "server.max_header_bytes",
    "server.header_timeout_ms",
    "server.idle_timeout_ms",
    "server.max_connections",
    "server.drain_timeout_ms",
    "server.drain_delay_ms",
    "server.tls",
    "providers",
    "tracing",
    "pricing",
    "accounting",
    "pii",
    "auth.failure_delay_ms",
    "auth.keys",
    "limits.per_key",
    "limits.per_workspace",
    "limits.per_org",
    "limits.per_model",
    "limits.default_output_reserve",
    "limits.hold_max_bytes",
    "log",
    "storage.retention_days",
    "storage.bodies_retention_days",
    "storage.max_bytes",
};

bool is_below(std::string_view path, std::string_view prefix) {
  return path.starts_with(prefix) &&
         (path.size() == prefix.size() || path[prefix.size()] == '.' || path[prefix.size()] == '[');
}

template <class T>
bool same_as(const void* a, const void* b) {
  return *static_cast<const T*>(a) == *static_cast<const T*>(b);
}

bool same_headers(const void* a, const void* b) {
  const auto& left = *static_cast<const std::vector<HeaderConfig>*>(a);
  const auto& right = *static_cast<const std::vector<HeaderConfig>*>(b);
  return std::equal(
      left.begin(), left.end(), right.begin(), right.end(),
      [](const HeaderConfig& x, const HeaderConfig& y) { return x.name == y.name && x.value == y.value; });
}

/// Walks two configurations side by side. The schema's accessors are for writing as well and take what is not const:
/// both are copies of the plan's own.
class Comparison {
 public:
  explicit Comparison(ReloadPlan& plan) : plan_(plan) {}

  void section(const Section& schema, const std::string& prefix, void* running, void* next) {
    for (const Field& f : schema.fields) {
      const std::string path = prefix + std::string(f.key);
      if (f.type == KeyType::section)
        section(*f.child, path + ".", f.member(running), f.member(next));
      else if (!same(f, f.member(running), f.member(next)))
        changed(path, f, running, next);
    }
    if (schema.named != nullptr) entries(schema, prefix, running, next);
  }

 private:
  void changed(const std::string& path, const Field& f, void* running, void* next) {
    if (is_reloadable(path)) {
      plan_.applied.push_back(path);
    } else {
      plan_.needs_restart.push_back(path);
      f.copy(f.member(next), f.member(running));
    }
  }

  bool same(const Field& f, void* a, void* b) {
    switch (f.type) {
      case KeyType::integer:
        return same_as<std::int64_t>(a, b);
      case KeyType::number:
        return same_as<double>(a, b);
      case KeyType::boolean:
        return same_as<bool>(a, b);
      case KeyType::text:
        return same_as<std::string>(a, b);
      case KeyType::text_list:
        return same_as<std::vector<std::string>>(a, b);
      case KeyType::header_map:
        return same_headers(a, b);
      case KeyType::section_list: {
        const auto left = f.elements(a);
        const auto right = f.elements(b);
        return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                          [&](void* x, void* y) { return same_section(*f.child, x, y); });
      }
      case KeyType::section:
        return same_section(*f.child, a, b);
    }
    return false;
  }

  bool same_section(const Section& schema, void* a, void* b) {
    return std::all_of(schema.fields.begin(), schema.fields.end(),
                       [&](const Field& f) { return same(f, f.member(a), f.member(b)); });
  }

  /// What users named. All of it can be applied where any of it can.
  void entries(const Section& schema, const std::string& prefix, void* running, void* next) {
    const auto before = schema.named->entries(running);
    const auto after = schema.named->entries(next);
    const auto find = [](const auto& in, std::string_view name) {
      return std::find_if(in.begin(), in.end(), [&](const auto& e) { return e.first == name; });
    };
    const std::size_t known = plan_.applied.size();
    for (const auto& [name, entry] : before)
      if (find(after, name) == after.end()) plan_.applied.push_back(prefix + std::string(name));
    for (const auto& [name, entry] : after) {
      const auto was = find(before, name);
      if (was == before.end())
        plan_.applied.push_back(prefix + std::string(name));
      else
        section(*schema.named->child, prefix + std::string(name) + ".", was->second, entry);
    }
    const bool order = !std::equal(before.begin(), before.end(), after.begin(), after.end(),
                                   [](const auto& x, const auto& y) { return x.first == y.first; });
    if (order && plan_.applied.size() == known) plan_.applied.push_back(prefix.substr(0, prefix.size() - 1));
  }

  ReloadPlan& plan_;
};

/// Connections that were begun one way cannot go on the other.
bool turns_tls(const Config& a, const Config& b) { return a.server.tls.cert.empty() != b.server.tls.cert.empty(); }

}  // namespace

bool is_reloadable(std::string_view path) {
  return std::any_of(std::begin(kReloadable), std::end(kReloadable),
                     [&](std::string_view prefix) { return is_below(path, prefix); });
}

ReloadPlan plan_reload(const Config& running, const Config& next) {
  ReloadPlan plan{.config = next, .applied = {}, .needs_restart = {}};
  if (turns_tls(running, next)) {
    plan.config.server.tls = running.server.tls;
    plan.needs_restart.emplace_back("server.tls");
  }
  Config before = running;
  Comparison(plan).section(root_section(), "", &before, &plan.config);
  return plan;
}

}  // namespace gw::config
