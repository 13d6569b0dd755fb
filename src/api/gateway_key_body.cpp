#include "api/gateway_key_body.h"

#include <array>

#include "api/json_value.h"
#include "base/json_writer.h"
#include "base/strings.h"
#include "base/time_format.h"

namespace gw::api {
namespace {

struct TextField {
  std::string_view name;
  std::string KeyBody::* text;
  bool of_rotate = false;
};
constexpr std::array<TextField, 8> kTexts = {{{"id", &KeyBody::id},
                                              {"token", &KeyBody::token, true},
                                              {"org_id", &KeyBody::org_id},
                                              {"workspace_id", &KeyBody::workspace_id},
                                              {"name", &KeyBody::name},
                                              {"description", &KeyBody::description},
                                              {"role", &KeyBody::role},
                                              {"expires_at", &KeyBody::expires_at}}};

bool take_list(KeyBody& to, const JsonValue& value) {
  if (value.kind != JsonValue::Kind::array) return false;
  to.permissions.clear();
  for (const JsonValue& item : value.items) {
    if (item.kind != JsonValue::Kind::string) return false;
    to.permissions.push_back(item.string);
  }
  return true;
}

bool take_limit(KeyBody& to, std::string_view name, const JsonValue& value) {
  if (value.kind == JsonValue::Kind::null) return true;
  if (value.kind != JsonValue::Kind::number) return false;
  if (std::string fault = store::set_key_limit(to.limits, lowercase(name), value.number); !fault.empty())
    to.limits_fault = std::move(fault);
  return true;
}

bool take_limits(KeyBody& to, const JsonValue& value) {
  if (value.kind != JsonValue::Kind::object) return false;
  for (std::size_t i = 0; i < value.keys.size(); ++i)
    if (!take_limit(to, value.keys[i], value.items[i])) return false;
  return true;
}

bool take(KeyBody& to, KeyBodyOf of, std::string_view name, const JsonValue& value) {
  if (of == KeyBodyOf::limits) return take_limit(to, name, value);
  const bool rotate = of == KeyBodyOf::rotate;
  const bool null = value.kind == JsonValue::Kind::null;
  if (!rotate && iequals(name, "permissions")) return null || take_list(to, value);
  if (!rotate && iequals(name, "limits")) return null || take_limits(to, value);
  if (rotate && iequals(name, "grace_seconds")) {
    if (value.kind == JsonValue::Kind::number) to.grace_seconds = value.number;
    return null || value.kind == JsonValue::Kind::number;
  }
  for (const TextField& field : kTexts) {
    if (!iequals(field.name, name) || (rotate && !field.of_rotate)) continue;
    if (value.kind == JsonValue::Kind::string) to.*field.text = std::string(trim(value.string));
    return null || value.kind == JsonValue::Kind::string;
  }
  return false;
}

void append_key(JsonWriter& w, const store::GatewayKey& key, std::string_view token) {
  w.begin_object()
      .field("id", key.id)
      .field("org_id", key.org_id)
      .field("workspace_id", key.workspace_id)
      .field_if("name", key.name)
      .field_if("description", key.description)
      .field_if("created_by", key.created_by);
  w.time_if("last_used_at", key.last_used_at_ns);
  w.field_if("role", key.role);
  if (!key.permissions.empty()) {
    w.key("permissions").begin_array();
    for (const std::string& p : key.permissions) w.value(p);
    w.end_array();
  }
  w.time_if("created_at", key.created_at_ns);
  w.time_if("expires_at", key.expires_at_ns);
  w.time_if("previous_token_until", key.previous_until_ns);
  if (const std::string limits = store::key_limits_json(key.limits); !limits.empty()) w.key("limits").raw(limits);
  if (key.limits.unreadable) w.field("limits_unreadable", true);
  w.field_if("token", token).end_object();
}

}  // namespace

std::optional<KeyBody> parse_key_body(std::string_view body, KeyBodyOf of) {
  KeyBody out;
  if (trim(body).empty()) return out;
  const auto json = parse_json(body);
  if (!json) return std::nullopt;
  if (json->kind == JsonValue::Kind::null) return out;
  if (json->kind != JsonValue::Kind::object) return std::nullopt;
  for (std::size_t i = 0; i < json->keys.size(); ++i)
    if (!take(out, of, json->keys[i], json->items[i])) return std::nullopt;
  return out;
}

std::string key_json(const store::GatewayKey& key, std::string_view token) {
  std::string out;
  JsonWriter w(out);
  append_key(w, key, token);
  return out += '\n';
}

std::string key_list_json(const std::vector<store::GatewayKey>& keys) {
  std::string out;
  JsonWriter w(out);
  w.begin_object().key("items").begin_array();
  for (const store::GatewayKey& key : keys) append_key(w, key, {});
  w.end_array().end_object();
  return out += '\n';
}

}  // namespace gw::api
