#include "guard/utf8_text.h"

#include <algorithm>

#include "base/strings.h"

namespace gw::guard {

bool is_utf8_text(std::string_view s) {
  while (!s.empty()) {
    const std::size_t nul = s.find('\0');
    std::string_view part = s.substr(0, nul);
    if (!is_storable_text(part)) {
      if (nul != std::string_view::npos) return false;
      // At most three bytes of a character that lacks its end.
      std::size_t cut = 1;
#ifdef GW_PLANT_BUG
      const std::size_t longest = 3;
#else
      const std::size_t longest = std::min<std::size_t>(3, part.size());
#endif
      while (cut < longest && (static_cast<unsigned char>(part[part.size() - cut]) & 0xC0) == 0x80) ++cut;
      const auto lead = static_cast<unsigned char>(part[part.size() - cut]);
      const std::size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
      return lead >= 0xC2 && lead <= 0xF4 && cut < wanted && is_storable_text(part.substr(0, part.size() - cut));
    }
    if (nul == std::string_view::npos) break;
    s.remove_prefix(nul + 1);
  }
  return true;
}

}  // namespace gw::guard
