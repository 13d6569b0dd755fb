#include "api/lineage.h"

#include <charconv>
#include <cmath>

#include "base/strings.h"

namespace gw::api {
namespace {

std::string text(const JsonValue* metadata, std::string_view key) {
  const JsonValue* v = metadata != nullptr ? metadata->find(key) : nullptr;
  return v != nullptr && v->kind == JsonValue::Kind::string ? std::string(trim(v->string)) : std::string();
}

std::int64_t sequence(const JsonValue* v) {
  if (v == nullptr) return 0;
  if (v->kind == JsonValue::Kind::number) return std::fabs(v->number) < 9e18 ? static_cast<std::int64_t>(v->number) : 0;
  if (v->kind != JsonValue::Kind::string) return 0;
  const std::string_view s = trim(v->string);
  std::int64_t n = 0;
  const auto r = std::from_chars(s.data(), s.data() + s.size(), n);
  return r.ec == std::errc{} && r.ptr == s.data() + s.size() ? n : 0;
}

bool immutable(const JsonValue* v) {
  if (v == nullptr) return true;
  if (v->kind == JsonValue::Kind::boolean) return v->boolean;
  return !(v->kind == JsonValue::Kind::string && iequals(trim(v->string), "false"));
}

}  // namespace

Lineage lineage_of(const Trace& trace, const JsonValue* metadata) {
  Lineage l;
  l.group_id = text(metadata, "lineage_group_id");
  if (l.group_id.empty()) l.group_id = trim(trace.trace_group_id);
  l.thread_id = text(metadata, "lineage_thread_id");
  l.run_id = text(metadata, "lineage_run_id");
  l.checkpoint_id = text(metadata, "lineage_checkpoint_id");
  if (l.checkpoint_id.empty()) l.checkpoint_id = trace.id;
  l.parent_checkpoint_id = text(metadata, "lineage_parent_checkpoint_id");
  if (metadata != nullptr) {
    l.checkpoint_seq = sequence(metadata->find("lineage_checkpoint_seq"));
    l.immutable = immutable(metadata->find("lineage_immutable"));
  }
  return l;
}

void write_lineage(JsonWriter& w, const Lineage& l) {
  w.begin_object()
      .field_if("group_id", l.group_id)
      .field_if("thread_id", l.thread_id)
      .field_if("run_id", l.run_id)
      .field_if("checkpoint_id", l.checkpoint_id)
      .field_if("parent_checkpoint_id", l.parent_checkpoint_id);
  if (l.checkpoint_seq != 0) w.field("checkpoint_seq", l.checkpoint_seq);
  w.field("immutable", l.immutable).end_object();
}

}  // namespace gw::api
