#include "cli/doctor.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "auth/authorizer.h"
#include "base/json_writer.h"
#include "base/strings.h"
#include "base/time_format.h"
#include "cli/json_indent.h"
#include "cli/table.h"
#include "config/credential.h"
#include "config/effective.h"
#include "config/validate.h"
#include "config/without_effect.h"
#include "route/route_table.h"
#include "route/upstream_url.h"
#include "telemetry/scrub.h"

namespace gw::cli {
namespace {

using Status = DoctorCheck::Status;

constexpr int kStorageDeadlineMs = 5'000;
/// What the API protects: traces, analytics, export, diagnostics and gateway keys.
constexpr int kProtectedRules = 5;

std::string absolute(const std::string& path) {
  std::error_code error;
  const auto whole = std::filesystem::absolute(path, error);
  return error ? path : whole.lexically_normal().string();
}

std::string folder_of(const std::string& path) { return std::filesystem::path(absolute(path)).parent_path().string(); }

/// Why no file or folder can be made in what stands there; 0: as far as can be seen without making one, they can.
int refuses_files(const std::filesystem::path& folder) {
  struct stat st{};
  if (::stat(folder.c_str(), &st) != 0) return errno;  // a link to nowhere
  if (!S_ISDIR(st.st_mode)) return ENOTDIR;
  if (::access(folder.c_str(), W_OK | X_OK) != 0) return errno;
  // The kernel's own lets root write, and makes nothing.
  struct statfs fs{};
  return ::statfs(folder.c_str(), &fs) == 0 && (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC) ? EPERM : 0;
}

/// The gateway makes the database at its first start, if it may write where it is to lie.
DoctorCheck missing_database(const std::string& path) {
  const std::string whole = absolute(path);
  std::filesystem::path folder = std::filesystem::path(whole).parent_path();
  std::error_code ignored;
  while (folder.has_relative_path() &&
         std::filesystem::symlink_status(folder, ignored).type() == std::filesystem::file_type::not_found)
    folder = folder.parent_path();
  if (const int error = refuses_files(folder); error != 0)
    return {"storage",
            Status::fail,
            "failed to initialize trace storage",
            {"the database " + gw::in_quotes(whole) + " does not exist and cannot be created in " +
             gw::in_quotes(folder.string()) + ": " + std::strerror(error)}};
  return {"storage", Status::warn, "trace storage does not exist yet; serve creates it", {"path: " + whole}};
}

DoctorCheck check_storage(const Handlers& h, const config::Config& c) {
  const bool sqlite = trim(c.storage.driver) == "sqlite";
  struct stat st{};
  if (sqlite && ::stat(c.storage.path.c_str(), &st) != 0 && errno == ENOENT) return missing_database(c.storage.path);
  if (!sqlite && h.without_tables) {
    const auto without = h.without_tables(c, kStorageDeadlineMs);
    if (!without) return {"storage", Status::fail, "failed to initialize trace storage", {without.error().message}};
    if (*without) return {"storage", Status::warn, "trace storage has no tables yet; serve creates them"};
  }
  const auto reader = h.open_store(c, kStorageDeadlineMs);
  if (!reader) return {"storage", Status::fail, "failed to initialize trace storage", {reader.error().message}};
  if (sqlite &&
      (::access(c.storage.path.c_str(), W_OK) != 0 || ::access(folder_of(c.storage.path).c_str(), W_OK | X_OK) != 0))
    return {"storage",
            Status::fail,
            "trace storage cannot be written",
            {"path: " + absolute(c.storage.path),
             "serve needs to write the file and its folder, as the user that runs it"}};
  const auto page = (*reader)->list(store::TenantScope::all(), {}, std::nullopt, 1);
  if (!page) return {"storage", Status::fail, "trace storage connectivity check failed", {page.error().message}};
  if (!sqlite) return {"storage", Status::pass, "connected to postgres trace storage"};
  return {"storage", Status::pass, "connected to sqlite trace storage", {"path: " + absolute(c.storage.path)}};
}

DoctorCheck check_routes(const config::Config& c) {
  const auto providers = config::all_providers(c);
  std::string prefixes;
  bool root = false, overlap = false, api = false;
  std::vector<route::ProviderOptions> options;
  for (std::size_t i = 0; i < providers.size(); ++i) {
    const std::string prefix = config::normalised_prefix(providers[i]->prefix);
    prefixes += (i > 0 ? " " : "") + providers[i]->name + "=" + gw::in_quotes(prefix);
    root = root || prefix == "/";
    api = api || config::prefixes_overlap(prefix, "/api");
    for (std::size_t j = 0; j < i; ++j)
      overlap = overlap || config::prefixes_overlap(config::normalised_prefix(providers[j]->prefix), prefix);
    options.push_back({providers[i]->name, providers[i]->prefix, providers[i]->upstream});
  }
  const auto failed = [](const char* summary, std::string detail) {
    return DoctorCheck{"route_wiring", Status::fail, summary, {std::move(detail)}};
  };
  if (root) return failed("provider prefixes must not be root ('/')", prefixes);
  if (overlap) return failed("provider route prefixes overlap", prefixes);
  if (api) return failed("provider prefixes must not overlap with /api routes", prefixes + " api=\"/api\"");
  const auto table = route::RouteTable::build(options);
  if (!table) return failed("failed to build proxy handler with configured routes", table.error().message);
  DoctorCheck check{"route_wiring", Status::pass, "provider and API route wiring looks valid"};
  for (const config::ProviderConfig* p : providers)
    check.details.push_back(p->name + ": " + config::normalised_prefix(p->prefix) + " -> " +
                            route::shown_url(p->upstream) +
                            (config::holds_credential(*p) ? " (the gateway holds its key)" : ""));
  check.details.emplace_back("api routes: /api/*");
  return check;
}

/// Of the store, once it has any; a store that does not open is another check's.
std::size_t active_keys(const Handlers& handlers, const config::Config& c, std::size_t configured) {
  if (!handlers.open_keys) return configured;
  const auto keys = handlers.open_keys(c, false);
  if (!keys) return configured;
  const auto set = (*keys)->load(store::TenantScope::all());
  return set && set->stored ? set->keys.size() : configured;
}

DoctorCheck check_auth(const Handlers& handlers, const config::Config& c) {
  const std::string header(trim(c.auth.header));
  const std::string rules = std::to_string(kProtectedRules);
  if (iequals(header, "Authorization") || iequals(header, "X-API-Key"))
    return {"auth_posture",
            Status::fail,
            "auth header conflicts with provider credential headers",
            {"auth.header=" + gw::in_quotes(header) + " conflicts with Authorization/X-API-Key"}};
  if (!c.auth.enabled)
    return {"auth_posture",
            Status::warn,
            "gateway auth is disabled",
            {"auth.enabled=false (header: " + header + ")", rules + " protected authorization rules are bypassed"}};
  auth::Options options;
  options.enabled = true;
  for (const auto& k : c.auth.keys)
    options.keys.push_back({k.id, k.token, k.org_id, k.workspace_id, k.team, k.role, k.permissions});
  const auto authorizer = auth::Authorizer::build(options);
  if (!authorizer)
    return {"auth_posture", Status::fail, "gateway auth configuration is not runnable", {authorizer.error().message}};
  const std::size_t keys = active_keys(handlers, c, authorizer->key_count());
  DoctorCheck check{"auth_posture",
                    Status::pass,
                    "gateway auth posture is healthy",
                    {"auth header: " + header, "active gateway keys: " + std::to_string(keys),
                     "protected authorization rules: " + rules}};
  if (keys == 0) {
    check.status = Status::warn;
    check.summary = "gateway auth is enabled without any key; everything is denied";
  }
  return check;
}

/// Keys of providers that lie open are told with the gateway's own.
void add_credential_warnings(const config::Config& c, DoctorCheck& check) {
  for (const config::ProviderConfig* p : config::all_providers(c)) {
    const std::string warning = config::credential_warning(*p);
    if (warning.empty()) continue;
    if (check.status == Status::pass) {
      check.status = Status::warn;
      check.summary = "a file with a provider's key can be read by others";
    }
    check.details.push_back(warning);
  }
}

void skip_others(DoctorReport& r, const char* why) {
  for (const char* name : {"storage", "route_wiring", "auth_posture"}) r.checks.push_back({name, Status::skip, why});
}

/// Messages about a configuration may have a line for each thing that is wrong.
std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (trim(line).empty()) continue;
    // Where a fault is set stands indented below it.
    if (line.starts_with("  at ") && !out.empty())
      out.back().append(" ").append(trim(line));
    else
      out.emplace_back(line);
  }
  return out;
}

DoctorReport config_failed(DoctorReport r, const char* summary, std::string_view error, const char* why) {
  r.checks.push_back({"config", Status::fail, summary, lines_of(error)});
  skip_others(r, why);
  return r;
}

/// Whatever else keeps `serve` from starting.
Result<void> servable(const Handlers& h, const config::Config& c) { return config::validate(c, h.check); }

const char* name_of(Status s) {
  switch (s) {
    case Status::pass:
      return "pass";
    case Status::warn:
      return "warn";
    case Status::fail:
      return "fail";
    case Status::skip:
      return "skip";
  }
  return "";
}

std::string upper(Status s) {
  std::string out = name_of(s);
  for (char& c : out) c = to_upper(c);
  return out;
}

std::string coloured(Status s, const Terminal& t) {
  const std::string text = upper(s);
  if (s == Status::pass) return t.green(text);
  if (s == Status::fail) return t.red(text);
  return s == Status::warn ? t.yellow(text) : text;
}

DoctorCheck valid_config(const config::Config& c, const std::string& path) {
  DoctorCheck check{"config", Status::pass, "loaded and validated configuration", {"config path: " + path}};
  for (std::string& setting : config::settings_without_effect(c)) {
    check.status = Status::warn;
    check.summary = "valid, but some settings have no effect";
    check.details.push_back(std::move(setting));
  }
  return check;
}

DoctorReport look(const Handlers& handlers, const Result<config::Config>& config, const std::string& config_path) {
  DoctorReport r;
  r.generated_at_ns = handlers.clock.wall_ns();
  r.config_path = config_path;
  constexpr const char* kInvalid = "skipped: config validation failed";
  if (!config)
    return config_failed(std::move(r), "failed to load config", config.error().message,
                         "skipped: config failed to load");
  if (!config::validate_values(*config))
    return config_failed(std::move(r), "config is invalid", servable(handlers, *config).error().message, kInvalid);
  DoctorCheck routes = check_routes(*config);
  DoctorCheck auth = check_auth(handlers, *config);
  add_credential_warnings(*config, auth);
  // What the checks of routes and auth find is told there as well, in words of their own.
  const bool told = routes.status == Status::fail || auth.status == Status::fail;
  const auto ok = servable(handlers, *config);
  if (!ok && !told) return config_failed(std::move(r), "config is invalid", ok.error().message, kInvalid);
  if (!ok && lines_of(ok.error().message).size() > 1)
    r.checks.push_back({"config", Status::fail, "config is invalid", lines_of(ok.error().message)});
  else
    r.checks.push_back(valid_config(*config, config_path));
  r.checks.push_back(check_storage(handlers, *config));
  r.checks.push_back(std::move(routes));
  r.checks.push_back(std::move(auth));
  return r;
}

}  // namespace

Status DoctorReport::overall() const {
  const auto any = [&](Status s) {
    return std::any_of(checks.begin(), checks.end(), [&](auto& c) { return c.status == s; });
  };
  return any(Status::fail) ? Status::fail : any(Status::warn) ? Status::warn : Status::pass;
}

DoctorReport examine(const Handlers& handlers, const Result<config::Config>& config, const std::string& config_path) {
  DoctorReport r = look(handlers, config, config_path);
  std::string scratch;
  for (DoctorCheck& c : r.checks)  // they repeat what is wrong, in the place of which people put keys
    for (std::string& d : c.details) d = std::string(telemetry::scrub(d, scratch));
  return r;
}

std::string doctor_json(const DoctorReport& r) {
  std::string out;
  JsonWriter w(out);
  w.begin_object()
      .field("generated_at", format_rfc3339(r.generated_at_ns))
      .field("config_path", r.config_path)
      .field("overall_status", name_of(r.overall()))
      .key("checks")
      .begin_array();
  for (const DoctorCheck& c : r.checks) {
    w.begin_object().field("name", c.name).field("status", name_of(c.status)).field("summary", c.summary);
    if (!c.details.empty()) {
      w.key("details").begin_array();
      for (const std::string& d : c.details) w.value(d);
      w.end_array();
    }
    w.end_object();
  }
  w.end_array().end_object();
  return indented_json(out);
}

std::string doctor_text(const DoctorReport& r, const Terminal& terminal) {
  Block head;
  head.row("Generated at", format_rfc3339_seconds(r.generated_at_ns));
  head.row("Config path", r.config_path);
  head.styled("Overall status", coloured(r.overall(), terminal));
  std::string out = terminal.bold("OngoingAI Doctor") + "\n" + head.text();
  out += "\n" + terminal.bold("Checks") + "\n";
  for (const DoctorCheck& c : r.checks) {
    out += "- [" + coloured(c.status, terminal) + "] " + c.name + ": " + c.summary + "\n";
    for (const std::string& d : c.details) out += "  " + printable(d) + "\n";
  }
  return out;
}

}  // namespace gw::cli
