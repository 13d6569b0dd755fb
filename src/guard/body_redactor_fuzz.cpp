// Any bytes: no crash, nothing but what was found goes missing, nothing is added but its replacement, and redacting the
// result again changes nothing. Likewise for forms.
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

/// A form, percent-encoded or of parts: slices do not matter, and the result holds nothing more.
void check_form(std::string_view body, const gw::guard::BodyFormat& format) {
  static const gw::guard::BodyRedactor redactor({});
  std::string once;
  std::string twice;
  const auto whole = redactor.redact(body, "ws", once, format);
  gw::guard::BodyRedactor::Job job(redactor, body, "ws", format);
  while (!job.step(1 + body.size() % 7)) {
  }
  if (job.outcome().failed != whole.failed || job.outcome().changed != whole.changed) std::abort();
  if (!whole.changed) return;
  if (job.out() != once || redactor.redact(once, "ws", twice, format).changed) std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const gw::guard::BodyRedactor redactor({});
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  check_form(body, {gw::guard::BodyFormat::Kind::form});
  check_form(body, {gw::guard::BodyFormat::Kind::multipart, "B"});
  std::string once;
  std::string twice;
  const auto first = redactor.redact(body, "ws", once);
  gw::guard::BodyRedactor::Job job(redactor, body, "ws", {});
  while (!job.step(1 + size % 7)) {
  }
  if (job.outcome().failed != first.failed || job.outcome().changed != first.changed) std::abort();
  if (!first.changed) return 0;
  if (job.out() != once) std::abort();
  if (redactor.redact(once, "ws", twice).changed || !only_takes_away(body, once)) std::abort();
  return 0;
}
