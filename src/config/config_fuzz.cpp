// Any bytes as a configuration file: refused or accepted, but never a crash, and what is accepted can be validated.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "config/load.h"
#include "config/validate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto config = gw::config::parse_config(text, "fuzz.yaml")) {
    (void)gw::config::validate_values(*config);
    (void)gw::config::validate_for_serve(*config);
  }
  return 0;
}
