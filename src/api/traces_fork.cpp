// Where a new run that starts at a checkpoint stands: its lineage, and the headers that say so to the gateway. Nothing
// is stored.
#include <array>

#include "api/handlers.h"
#include "api/responses.h"
#include "api/trace_json.h"
#include "base/random.h"
#include "base/strings.h"

namespace gw::api {
namespace {

struct ForkRequest {
  std::string checkpoint_id, thread_id, run_id;
};

/// An object of these fields, names in any case, values strings or null; or nothing at all.
std::optional<ForkRequest> parse_fork(std::string_view body) {
  ForkRequest r;
  if (trim(body).empty()) return r;
  const auto json = parse_json(body);
  if (!json) return std::nullopt;
  if (json->kind == JsonValue::Kind::null) return r;
  if (json->kind != JsonValue::Kind::object) return std::nullopt;
  struct Field {
    std::string_view name;
    std::string* value;
  };
  const std::array<Field, 3> fields = {
      {{"checkpoint_id", &r.checkpoint_id}, {"thread_id", &r.thread_id}, {"run_id", &r.run_id}}};
  for (std::size_t i = 0; i < json->keys.size(); ++i) {
    const JsonValue& value = json->items[i];
    std::string* to = nullptr;
    for (const Field& f : fields)
      if (iequals(f.name, json->keys[i])) to = f.value;
    if (to == nullptr) return std::nullopt;
    if (value.kind == JsonValue::Kind::null) continue;
    if (value.kind != JsonValue::Kind::string) return std::nullopt;
    *to = trim(value.string);
  }
  return r;
}

std::string random_hex() {
  std::uint64_t r = random_u64();
  std::string out(16, '0');
  for (char& c : out) {
    c = "0123456789abcdef"[r & 15];
    r >>= 4;
  }
  return out;
}

/// The first that is there.
std::string either(const std::string& a, const std::string& b) { return a.empty() ? b : a; }

std::string fork_body(const ForkRequest& asked, std::string_view source_id, const Lineage& source,
                      const Trace& checkpoint, const Lineage& from) {
  const std::string group = either(from.group_id, either(source.group_id, checkpoint.id));
  const std::string thread =
      either(asked.thread_id, either(from.thread_id, either(source.thread_id, "thread_" + checkpoint.id)));
  const std::string run = asked.run_id.empty() ? "run_" + random_hex() : asked.run_id;
  const std::int64_t seq = from.checkpoint_seq > 0 && from.checkpoint_seq < INT64_MAX ? from.checkpoint_seq + 1 : 1;
  std::string out;
  JsonWriter(out)
      .begin_object()
      .field("fork_id", "fork_" + random_hex())
      .field("source_trace_id", source_id)
      .field("source_checkpoint_id", checkpoint.id)
      .key("lineage")
      .begin_object()
      .field("group_id", group)
      .field("thread_id", thread)
      .field("run_id", run)
      .field("parent_checkpoint_id", checkpoint.id)
      .field("checkpoint_seq", seq)
      .end_object()
      .key("headers")
      .begin_object()
      .field("X-OngoingAI-Checkpoint-Seq", std::to_string(seq))
      .field("X-OngoingAI-Parent-Checkpoint-ID", checkpoint.id)
      .field("X-OngoingAI-Run-ID", run)
      .field("X-OngoingAI-Thread-ID", thread)
      .field("X-OngoingAI-Trace-Group-ID", group)
      .end_object()
      .end_object();
  return out += '\n';
}

}  // namespace

ApiResponse fork_trace(const Call& call) {
  const auto source = call.traces().find(call.scope(), call.id);
  if (!source) return call.store_failed("read trace", source.error(), "failed to read trace");
  if (!*source) return error_response(404, "trace not found");
  if (call.request.body_too_large || call.request.body.size() > kMaxRequestBody)
    return error_response(413, "fork request body too large");
  const auto asked = parse_fork(call.request.body);
  if (!asked) return error_response(400, "invalid fork request body");

  const Lineage source_lineage = lineage_of(**source);
  if (asked->checkpoint_id.empty() || asked->checkpoint_id == (*source)->id)
    return json_response(200, fork_body(*asked, (*source)->id, source_lineage, **source, source_lineage));
  const auto checkpoint = call.traces().find(call.scope(), asked->checkpoint_id);
  if (!checkpoint) return call.store_failed("read trace", checkpoint.error(), "failed to read trace");
  if (!*checkpoint) return error_response(404, "trace not found");
  const Lineage from = lineage_of(**checkpoint);
  if (!source_lineage.group_id.empty() && !from.group_id.empty() && source_lineage.group_id != from.group_id)
    return error_response(400, "checkpoint must belong to the same trace lineage group");
  return json_response(200, fork_body(*asked, (*source)->id, source_lineage, **checkpoint, from));
}

}  // namespace gw::api
