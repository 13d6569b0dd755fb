#include "http/line_memo.h"

#include <cstring>

#include "base/strings.h"

namespace gw::http {
namespace {

constexpr bool is_credential(FieldId id) {
  return id == FieldId::authorization || id == FieldId::x_api_key || id == FieldId::proxy_authorization;
}

}  // namespace

bool LineMemo::take(std::size_t number, const char*& p, const char* end, Field& out) const {
  if (number >= kLines) return false;
  const Line& line = lines_[number];
  if (line.size == 0 || end - p < line.size || !same_bytes(p, bytes_[number].data(), line.size)) return false;
  out = {{p, line.name}, {p + line.value_at, line.value}, line.id};
  p += line.size;
  return true;
}

void LineMemo::keep(std::size_t number, const char* from, const char* to, const Field& field) {
  const auto size = static_cast<std::size_t>(to - from);
  if (number >= kLines) return;
  Line& line = lines_[number];
  line.size = 0;
  if (size > kMostBytes || is_credential(field.id)) return;
  std::memcpy(bytes_[number].data(), from, size);
  line = {static_cast<std::uint8_t>(size), static_cast<std::uint8_t>(field.name.size()),
          static_cast<std::uint8_t>(field.value.data() - from), static_cast<std::uint8_t>(field.value.size()),
          field.id};
}

}  // namespace gw::http
