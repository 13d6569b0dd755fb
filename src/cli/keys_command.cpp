// `ongoingai keys`: gateway keys on the store itself, beside a running gateway or before there is one.
#include <charconv>
#include <set>

#include "api/gateway_key_body.h"
#include "auth/key_rules.h"
#include "base/json_writer.h"
#include "base/secret.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "base/time_format.h"
#include "cli/command.h"
#include "cli/json_indent.h"
#include "cli/table.h"
#include "config/validate.h"

namespace gw::cli {
namespace {

constexpr std::string_view kKeysUsage =
    "keys list|create|revoke ID|rotate ID|limit ID [--config path/to/ongoingai.yaml] [--org ID] [--workspace ID] [--id "
    "ID] "
    "[--name TEXT] [--description TEXT] [--role ROLE] [--permissions LIST] [--limits LIST] [--expires-at "
    "RFC3339|YYYY-MM-DD] [--grace DURATION] [--format text|json]";

struct KeysFlags : CommandFlags {
  std::string org, workspace, id, name, description, role, permissions, limits, expires_at, format = "text";
  std::int64_t grace_ns = 0;

  KeysFlags() : CommandFlags("keys") {
    flags.add("org", org, "organisation of the key; default when it is made, else any");
    flags.add("workspace", workspace, "workspace of the key; default when it is made, else any");
    flags.add("id", id, "create: name of the key in traces and reports; generated without one");
    flags.add("name", name, "create: a name for people");
    flags.add("description", description, "create: what it is for");
    flags.add("role", role, "create: owner, admin, developer, member or viewer; developer without one");
    flags.offer_words("role", "owner admin developer member viewer");
    flags.add("permissions", permissions, "create: beside those of the role, separated by commas");
    flags.add("limits", limits,
              "create, limit: what the key may use, like max_cost_usd_per_day=5,requests_per_minute=0; for the rest "
              "limits.per_key holds, and 0 is no limit");
    flags.add("expires-at", expires_at, "create: the key is refused from then on, RFC3339 or YYYY-MM-DD");
    flags.add_duration("grace", grace_ns, "rotate: how long the token before is still accepted, at most 720h");
    flags.add("format", format, "text or json");
    flags.offer_words("format", "text json");
  }
};

enum class Action : std::uint8_t { list, create, revoke, rotate, limit };

struct ActionName {
  std::string_view name;
  Action action;
  bool takes_id;
};
constexpr ActionName kActions[] = {{"list", Action::list, false},
                                   {"create", Action::create, false},
                                   {"revoke", Action::revoke, true},
                                   {"rotate", Action::rotate, true},
                                   {"limit", Action::limit, true}};

/// Null when the words are no action with what it takes.
const ActionName* action_of(const std::vector<std::string>& words) {
  for (const ActionName& a : kActions)
    if (!words.empty() && words[0] == a.name && words.size() == (a.takes_id ? 2U : 1U)) return &a;
  return nullptr;
}

/// A flag that says nothing about the action; empty: there is none.
std::string_view stray_flag(const KeysFlags& f, Action action) {
  for (const std::string_view name : {"id", "name", "description", "role", "permissions", "expires-at"})
    if (action != Action::create && f.flags.given(name)) return name;
  if (action != Action::create && action != Action::limit && f.flags.given("limits")) return "limits";
  return action != Action::rotate && f.flags.given("grace") ? "grace" : "";
}

std::string time_or_dash(std::int64_t ns) { return ns == 0 ? "-" : format_rfc3339_seconds(ns); }

/// What is between commas.
std::vector<std::string> parts_of(std::string_view list) {
  std::vector<std::string> out;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    out.emplace_back(trim(list.substr(0, end)));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return out;
}

Result<store::KeyLimits> limits_of(std::string_view list) {
  store::KeyLimits out;
  std::set<std::string, std::less<>> given;
  for (const std::string& part : parts_of(list)) {
    const std::size_t sign = part.find('=');
    const std::string_view text =
        sign == std::string::npos ? std::string_view() : trim(std::string_view(part).substr(sign + 1));
    double value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size())
      return gw::fail("invalid keys --limits " + in_quotes(part) + ": expected NAME=NUMBER");
    const std::string_view name = trim(std::string_view(part).substr(0, sign));
    if (const std::string fault = store::set_key_limit(out, name, value); !fault.empty())
      return gw::fail("invalid keys --limits: " + fault);
    if (!given.emplace(name).second)
      return gw::fail("invalid keys --limits: " + in_quotes(name) + " stands there twice");
  }
  return out;
}

/// As the flag takes them.
std::string limits_text(const store::KeyLimits& limits) {
  if (limits.unreadable) return "unreadable";
  std::string out;
  for (const char c : store::key_limits_json(limits))
    if (c != '{' && c != '}' && c != '"') out += c == ':' ? '=' : c;
  return out.empty() ? "-" : out;
}

std::string list_text(const std::vector<store::GatewayKey>& keys, const Terminal& terminal) {
  if (keys.empty()) return "no gateway keys\n";
  using enum Table::Column;
  Table table({text, text, text, text, text, text, figure, figure, figure, text}, {6, 5, 3});
  table.row({"ID", "ORG", "WORKSPACE", "NAME", "ROLE", "PERMISSIONS", "CREATED", "LAST USED", "EXPIRES", "LIMITS"});
  for (const store::GatewayKey& k : keys)
    table.row({k.id.empty() ? "-" : k.id, k.org_id, k.workspace_id, k.name.empty() ? "-" : k.name,
               k.role.empty() ? "developer" : k.role, k.permissions.empty() ? "-" : joined(k.permissions, ","),
               time_or_dash(k.created_at_ns), time_or_dash(k.last_used_at_ns), time_or_dash(k.expires_at_ns),
               limits_text(k.limits)});
  return table.text(terminal);
}

std::string made_text(const store::GatewayKey& key, const std::string& token) {
  Block block;
  block.row("id", key.id).row("token", token).row("tenant", key.org_id + "/" + key.workspace_id).row("role", key.role);
  if (key.limits.any()) block.row("limits", limits_text(key.limits));
  if (key.expires_at_ns != 0) block.row("expires", format_rfc3339(key.expires_at_ns));
  if (key.previous_until_ns != 0) block.row("token before until", format_rfc3339(key.previous_until_ns));
  return block.text() + "the token is not shown again\n";
}

/// What the flags describe; a message when no key may be so.
Result<store::GatewayKey> key_of(const KeysFlags& f, std::int64_t now_ns) {
  store::GatewayKey key;
  key.id = trim(f.id);
  key.org_id = f.org;
  key.workspace_id = f.workspace;
  key.name = f.name;
  key.description = f.description;
  key.role = f.role;
  key.created_by = "cli";
  key.created_at_ns = now_ns;
  key.permissions = parts_of(f.permissions);
  auto limits = limits_of(f.limits);
  if (!limits) return tl::make_unexpected(limits.error());
  key.limits = *limits;
  if (!trim(f.expires_at).empty()) {
    const auto at = parse_time(f.expires_at, false);
    if (!at)
      return gw::fail("invalid keys --expires-at " + in_quotes(f.expires_at) + ": expected RFC3339 or YYYY-MM-DD");
    key.expires_at_ns = *at == 0 ? 1 : *at;
  }
  if (key.id.empty()) {
    const auto random = secret_bytes(8);
    if (!random) return tl::make_unexpected(random.error());
    key.id = auth::key_id_from(*random);
  }
  auth::normalise(key);
  if (const std::string fault = auth::fault_of_key(key, now_ns); !fault.empty())
    return gw::fail("invalid gateway key: " + fault);
  return key;
}

/// One call of the command, once its flags are known to be right.
class Keys {
 public:
  Keys(const Context& c, const KeysFlags& f, bool json, store::KeyStore& store)
      : c_(c), flags_(f), json_(json), store_(store) {
    const std::string org(trim(f.org)), workspace(trim(f.workspace));
    if (!org.empty() || !workspace.empty())
      scope_ = store::TenantScope::of(org.empty() ? "default" : org, workspace.empty() ? "default" : workspace);
  }

  int list() {
    const auto set = store_.load(scope_);
    if (!set) return c_.fail("failed to list gateway keys: " + set.error().message);
    return c_.print(json_ ? indented_json(trim(api::key_list_json(set->keys))) : list_text(set->keys, c_.out_terminal),
                    "gateway keys");
  }

  int create(store::GatewayKey key) {
    const auto token = new_token();
    if (!token) return c_.fail(token.error().message);
    key.token_hash = sha256_hex(*token);
    const auto outcome = store_.insert(store::TenantScope::all(), key);
    if (!outcome) return c_.fail("failed to create gateway key: " + outcome.error().message);
    if (*outcome != store::KeyOutcome::done) return c_.fail("gateway key already exists: " + in_quotes(key.id));
    audit("create", key.id, key.org_id, key.workspace_id);
    return made(key, *token);
  }

  int revoke(const std::string& id) {
    const auto outcome = store_.revoke(scope_, id, now());
    if (!outcome) return c_.fail("failed to revoke gateway key: " + outcome.error().message);
    if (*outcome != store::KeyOutcome::done) return c_.fail("gateway key not found: " + in_quotes(id));
    audit("revoke", id, scope_.org_id, scope_.workspace_id);
    return c_.print(json_ ? "{}\n" : "revoked " + printable(id) + "\n", "gateway key");
  }

  int rotate(const std::string& id) {
    const auto token = new_token();
    if (!token) return c_.fail(token.error().message);
    const std::int64_t at = now();
    const auto rotated = store_.rotate(scope_, id,
                                       {.token_hash = sha256_hex(*token),
                                        .at_ns = at,
                                        .grace_until_ns = flags_.grace_ns > 0 ? at + flags_.grace_ns : 0});
    if (!rotated) return c_.fail("failed to rotate gateway key: " + rotated.error().message);
    if (rotated->outcome != store::KeyOutcome::done) return c_.fail("gateway key not found: " + in_quotes(id));
    audit("rotate", id, rotated->key.org_id, rotated->key.workspace_id);
    return made(rotated->key, *token);
  }

  int limit(const std::string& id, const store::KeyLimits& limits) {
    const auto changed = store_.set_limits(scope_, id, limits, now());
    if (!changed) return c_.fail("failed to limit gateway key: " + changed.error().message);
    if (changed->outcome != store::KeyOutcome::done) return c_.fail("gateway key not found: " + in_quotes(id));
    audit("limit", id, changed->key.org_id, changed->key.workspace_id);
    return c_.print(json_ ? indented_json(trim(api::key_json(changed->key)))
                          : "limits of " + printable(id) + ": " + limits_text(changed->key.limits) + "\n",
                    "gateway key");
  }

 private:
  std::int64_t now() const { return c_.handlers.clock.wall_ns(); }
  static Result<std::string> new_token() {
    auto random = secret_bytes(24);
    if (!random) return tl::make_unexpected(random.error());
    return auth::token_from(*random);
  }
  /// Of a change that was made, in the words of the gateway's log, which has no line of it. A tenant that was not named
  /// is left out where the store does not say it.
  void audit(std::string_view action, std::string_view id, std::string_view org, std::string_view workspace) const {
    std::string out;
    JsonWriter w(out);
    w.begin_object()
        .field("time", format_rfc3339(now()))
        .field("level", "INFO")
        .field("msg", "audit gateway key lifecycle")
        .field("audit_action", action)
        .field("audit_outcome", "success")
        .field("actor_key_id", "cli");
    if (!org.empty()) w.field("org_id", org).field("workspace_id", workspace);
    w.field("target_key_id", id).end_object();
    c_.err << out << '\n';
  }
  int made(const store::GatewayKey& key, const std::string& token) {
    return c_.print(json_ ? indented_json(trim(api::key_json(key, token))) : made_text(key, token), "gateway key");
  }

  const Context& c_;
  const KeysFlags& flags_;
  const bool json_;
  store::KeyStore& store_;
  store::TenantScope scope_ = store::TenantScope::all();
};

int keys(const Context& c, Args args) {
  KeysFlags f;
  if (f.flags.parse_mixed(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  const std::vector<std::string>& words = f.flags.positional();
  const ActionName* action = action_of(words);
  if (action == nullptr) return c.wrong_usage("usage: ongoingai " + std::string(kKeysUsage));
  const auto format = output_format(f.format);
  if (!format) return c.wrong_usage(invalid_format("keys", f.format));
  if (const std::string_view stray = stray_flag(f, action->action); !stray.empty())
    return c.wrong_usage("keys " + std::string(action->name) + " does not take --" + std::string(stray));
  constexpr std::int64_t kMaxGraceNs = auth::kMaxGraceSeconds * 1'000'000'000;
  if (f.grace_ns < 0 || f.grace_ns > kMaxGraceNs) return c.wrong_usage("--grace must be between 0s and 720h");
  store::GatewayKey key;
  if (action->action == Action::limit) {
    if (!f.flags.given("limits")) return c.wrong_usage("keys limit needs --limits, empty for none of its own");
    const auto limits = limits_of(f.limits);
    if (!limits) return c.wrong_usage(limits.error().message);
    key.limits = *limits;
  }
  if (action->action == Action::create) {
    auto described = key_of(f, c.handlers.clock.wall_ns());
    if (!described) return c.wrong_usage(described.error().message);
    key = std::move(*described);
  }
  const auto config = f.load_valid(c);
  if (!config) return c.fail(config.error().message);
  const auto store = c.handlers.open_keys(*config, action->action != Action::list);
  if (!store) return c.fail("failed to open the gateway key store: " + store.error().message);
  if (!config->auth.enabled && action->action != Action::list)
    c.err << "auth.enabled is off: the gateway asks for no key\n";
  Keys run(c, f, *format == "json", **store);
  switch (action->action) {
    case Action::list:
      return run.list();
    case Action::create:
      return run.create(std::move(key));
    case Action::revoke:
      return run.revoke(words[1]);
    case Action::rotate:
      return run.rotate(words[1]);
    case Action::limit:
      return run.limit(words[1], key.limits);
  }
  return kExitUsage;
}

}  // namespace

Command keys_command() {
  return {"keys", kKeysUsage,           "list, make, revoke, rotate and limit gateway keys",
          keys,   described<KeysFlags>, "list create revoke rotate limit"};
}

}  // namespace gw::cli
