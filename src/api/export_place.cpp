#include "api/export_place.h"

#include <algorithm>

#include "api/responses.h"
#include "base/json_writer.h"

namespace gw::api {

ExportCursor first_place(const store::SequenceState& state) {
  return {.epoch = state.epoch, .seq = state.before_first, .removed = state.removed_up_to};
}

ExportCursor last_place(const store::SequenceState& state) {
  return {.epoch = state.epoch, .seq = state.last, .removed = state.removed_up_to};
}

bool is_gone(const ExportCursor& place, const store::SequenceState& state) {
  return state.removed_up_to > std::max(place.seq, place.removed);
}

ExportCursor informed(const ExportCursor& place, const store::SequenceState& state) {
  ExportCursor out = place;
  out.removed = std::max(out.removed, state.removed_up_to);
  return out;
}

std::string gone_text(const ExportCursor& place, const store::SequenceState& state) {
  // What the consumer has behind its place already is not repeated.
  ExportCursor earliest = first_place(state);
  earliest.seq = std::max(earliest.seq, place.seq);
  std::string out;
  JsonWriter(out)
      .begin_object()
      .field("error", "traces behind this cursor were removed by retention; go on from earliest_cursor")
      .field("earliest_cursor", encode_export_cursor(earliest))
      .end_object();
  return out;
}

std::optional<ApiResponse> refuse_place(const ExportCursor& place, const store::SequenceState& state) {
  if (place.epoch != state.epoch) return error_response(400, "export cursor is of another database");
  if (place.seq > state.last)
    return error_response(400, "export cursor is ahead of this database; was it restored from a backup?");
  if (is_gone(place, state)) return json_response(410, gone_text(place, state) + '\n');
  return std::nullopt;
}

}  // namespace gw::api
