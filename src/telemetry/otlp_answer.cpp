#include "telemetry/otlp_answer.h"

#include <simdjson.h>

#include <array>
#include <charconv>
#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>

#include "base/strings.h"

namespace gw::telemetry::otlp {
namespace {

constexpr std::size_t kMostWords = 256;

std::string words_of(std::string_view text) { return storable_text(cut_at_character(text, kMostWords)); }

Rejected from_protobuf(std::string_view answer) {
  Rejected out;
  try {
    protozero::pbf_reader response(answer.data(), answer.size());
    while (response.next(1)) {
      protozero::pbf_reader partial = response.get_message();
      while (partial.next()) {
        if (partial.tag() == 1) {
          out.items = static_cast<std::uint64_t>(std::max<std::int64_t>(0, partial.get_int64()));
        } else if (partial.tag() == 2) {
          const auto view = partial.get_view();
          out.why = words_of({view.data(), view.size()});
        } else {
          partial.skip();
        }
      }
    }
  } catch (const protozero::exception&) {
    return {};
  }
  return out;
}

/// A 64-bit integer, which JSON has as a string or as a number.
std::uint64_t count_of(simdjson::dom::element e) {
  std::int64_t n = 0;
  std::string_view text;
  if (e.get(text) == simdjson::SUCCESS)
    std::from_chars(text.data(), text.data() + text.size(), n);
  else if (e.get(n) != simdjson::SUCCESS)
    n = 0;
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, n));
}

Rejected from_json(Signal signal, std::string_view answer) {
  constexpr std::array<std::string_view, kSignals> kCounts{"rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"};
  simdjson::dom::parser parser;
  simdjson::dom::element document, partial, count;
  Rejected out;
  if (parser.parse(answer.data(), answer.size()).get(document) != simdjson::SUCCESS ||
      document["partialSuccess"].get(partial) != simdjson::SUCCESS)
    return out;
  if (partial[kCounts[static_cast<std::size_t>(signal)]].get(count) == simdjson::SUCCESS) out.items = count_of(count);
  std::string_view why;
  if (partial["errorMessage"].get(why) == simdjson::SUCCESS) out.why = words_of(why);
  return out;
}

}  // namespace

Rejected read_rejected(Signal signal, bool json, std::string_view answer) {
  return json ? from_json(signal, answer) : from_protobuf(answer);
}

}  // namespace gw::telemetry::otlp
