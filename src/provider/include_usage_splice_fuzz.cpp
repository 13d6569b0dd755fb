// The splice on any body, against what a real JSON parser says of it: where the body is JSON, it is changed exactly
// when it streams and does not ask; and what comes out asks, and says nothing else than before.
#include <simdjson.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "provider/include_usage_splice.h"

namespace {

using simdjson::dom::element;
using simdjson::dom::object;

void require(bool holds) {
  if (!holds) std::abort();
}

/// The last of duplicate keys.
std::optional<element> member(const object& o, std::string_view key) {
  std::optional<element> found;
  for (const auto field : o)
    if (field.key == key) found = field.value;
  return found;
}

enum class Asks { no, yes, unreadable };

/// Whether a request asks for its usage; nothing when it does not stream.
std::optional<Asks> asks(const object& root) {
  const auto stream = member(root, "stream");
  if (!stream || !stream->is_bool() || !stream->get_bool().value()) return std::nullopt;
  const auto options = member(root, "stream_options");
  if (!options || options->is_null()) return Asks::no;
  if (!options->is_object()) return Asks::unreadable;
  const auto include = member(object(*options), "include_usage");
  if (!include || include->is_null()) return Asks::no;
  if (!include->is_bool()) return Asks::unreadable;
  return include->get_bool().value() ? Asks::yes : Asks::no;
}

std::size_t size_of(const object& o) {
  std::size_t n = 0;
  for ([[maybe_unused]] const auto field : o) ++n;
  return n;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string body(reinterpret_cast<const char*>(data), size);
  const auto splice = gw::provider::include_usage_splice(body);
  std::string out = body;
  if (splice) {
    require(splice->at <= size && splice->remove <= size - splice->at);
    out.replace(splice->at, splice->remove, splice->insert);
    require(!gw::provider::include_usage_splice(out));
  }
  simdjson::dom::parser before_parser, after_parser;
  element before, after;
  if (before_parser.parse(body).get(before) != simdjson::SUCCESS || !before.is_object()) return 0;
  const auto asked = asks(object(before));
  require(splice.has_value() == (asked == Asks::no));
  if (!splice) return 0;
  require(after_parser.parse(out).get(after) == simdjson::SUCCESS && after.is_object());
  require(asks(object(after)) == Asks::yes);
  const bool had_options = member(object(before), "stream_options").has_value();
  require(size_of(object(after)) == size_of(object(before)) + (had_options ? 0 : 1));
  return 0;
}
