// Any bytes: no crash, nothing but what was found goes missing, nothing is added but its replacement, and redacting the
// result again changes nothing.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "guard/body_redactor.h"

namespace {

/// Without its replacements (and the quotes around those of fields) `out` is what is left of `body`, in order.
bool only_takes_away(std::string_view body, std::string_view out) {
  static const gw::guard::Placeholder placeholder("", "");
  std::size_t in_body = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::size_t begin = 0;
    std::size_t end = 0;
    if (out[i] == '[' && placeholder.starts(out.substr(i)) && placeholder.find(out, i, begin, end)) {
      i = end - 1;
      continue;
    }
    if (out[i] == '"') continue;
    in_body = body.find(out[i], in_body);
    if (in_body == std::string_view::npos) return false;
    ++in_body;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const gw::guard::BodyRedactor redactor({});
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  std::string once;
  std::string twice;
  const auto first = redactor.redact(body, "ws", once);
  if (!first.changed) return 0;
  if (redactor.redact(once, "ws", twice).changed || !only_takes_away(body, once)) std::abort();
  return 0;
}
