// Any stream, read in any pieces: no crash, and where nothing was found every byte goes on as it came.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "guard/answer_guard.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gw::guard;
  static const BodyRedactor redactor({});
  if (size < 2) return 0;
  const std::size_t cut = 1 + data[0] % 64;
  const auto mode = data[1] % 4 == 0 ? AnswerMode::observe : AnswerMode::redact;
  const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  AnswerGuard guard(redactor, mode, "ws", 1 << 20);
  guard.begin(true, true, false);
  std::string out;
  for (std::size_t at = 0; at < body.size(); at += cut) guard.push(body.substr(at, cut), out);
  guard.finish(out);
  if (guard.unsure()) return 0;
  if ((mode == AnswerMode::observe || !guard.found()) && out != body) std::abort();
  return 0;
}
