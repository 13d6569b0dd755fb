#include "telemetry/otlp_wire.h"

#include <algorithm>
#include <bit>

#include "base/strings.h"

namespace gw::telemetry::otlp {

void WireBuffer::grow(std::size_t n) {
  const std::size_t capacity = std::bit_ceil(std::max<std::size_t>(size_ + n, 4096));
  auto more = std::make_unique_for_overwrite<char[]>(capacity);
  if (size_ > 0) std::memcpy(more.get(), data_.get(), size_);
  data_ = std::move(more);
  capacity_ = capacity;
}

std::string encode_resource(const Attributes& attributes) {
  std::string resource, out;
  for (const auto& [key, value] : attributes) {
    protozero::pbf_writer pair_of(resource);
    protozero::pbf_writer pair(pair_of, 1);
    std::string scratch;
    pair.add_string(1, std::string(sound_text(key, scratch)));
    protozero::pbf_writer any(pair, 2);
    any.add_string(1, std::string(sound_text(value, scratch)));
  }
  protozero::pbf_writer(out).add_message(1, resource);
  return out;
}

void add_scope(protozero::pbf_writer& to, const metrics::Scope& scope) {
  protozero::pbf_writer s(to, 1);
  s.add_string(1, scope.name.data(), scope.name.size());
  if (!scope.version.empty()) s.add_string(2, scope.version.data(), scope.version.size());
}

std::string_view sound_text(std::string_view text, std::string& scratch) {
  if (is_storable_text(text)) return text;
  scratch = storable_text(text);
  return scratch;
}

}  // namespace gw::telemetry::otlp
