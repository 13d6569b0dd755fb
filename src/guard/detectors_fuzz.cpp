// Any text: matches are in order and inside it, what is found does not depend on the windows it is searched in, and no
// detector finds what candidates() did not announce.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "guard/detectors.h"

namespace {

gw::guard::Detectors every_detector() {
  gw::guard::DetectorOptions o;
  o.payment_card = o.iban = o.ip_address = o.phone_international = true;
  o.patterns = {{.name = "employee", .regex = "E-[0-9]{3}"}};
  return gw::guard::Detectors(o);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gw::guard;
  static const Detectors detectors = every_detector();
  if (size == 0) return 0;
  const std::size_t window = 1 + data[0] % 96;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  unsigned in_windows = 0;
  for (std::size_t at = 0; at < text.size(); at += window)
    in_windows |= detectors.candidates(text, at, at + window < text.size() ? at + window : text.size());
  const unsigned at_once = detectors.candidates(text);
  for (const Detector d : kDetectors) {
    std::vector<Match> whole, sliced;
    detectors.find(d, text, whole);
    Scan scan;
    while (!detectors.find(d, text, scan, scan.at + window, sliced)) {
    }
    if (!whole.empty() && ((in_windows & at_once) & bit_of(d)) == 0) std::abort();
    if (whole.size() != sliced.size()) std::abort();
    for (std::size_t i = 0; i < whole.size(); ++i) {
      if (whole[i].begin != sliced[i].begin || whole[i].end != sliced[i].end) std::abort();
      if (whole[i].begin >= whole[i].end || whole[i].end > text.size()) std::abort();
      if (d != Detector::pattern && i > 0 && whole[i].begin < whole[i - 1].end) std::abort();
    }
  }
  return 0;
}
