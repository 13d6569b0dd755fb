#include "provider/embedded_prices.h"

// The build passes the path and knows that this file depends on it; the compiler cache leaves sources with .incbin
// alone.
asm(R"(
.pushsection .rodata
.global gw_embedded_prices_begin
.hidden gw_embedded_prices_begin
.global gw_embedded_prices_end
.hidden gw_embedded_prices_end
gw_embedded_prices_begin:
.incbin ")" GW_PRICES_FILE R"("
gw_embedded_prices_end:
.popsection
)");

extern "C" {
extern const char gw_embedded_prices_begin[];
extern const char gw_embedded_prices_end[];
}

namespace gw::provider {

std::string_view embedded_prices() noexcept { return {gw_embedded_prices_begin, gw_embedded_prices_end}; }

}  // namespace gw::provider
