// Prices each line of standard input and writes `<source> <nano-dollars>`: the engine's side of tests/prices. A line is
// {"provider":…, "model":…, "at_ms":…, "usage":{"input_tokens":…, …}} with the field names of gw::Usage.
#include <simdjson.h>

#include <iostream>
#include <string>
#include <utility>

#include "provider/pricing.h"

namespace {

using gw::Usage;

constexpr std::pair<std::string_view, std::int64_t Usage::*> kFields[] = {
    {"input_tokens", &Usage::input_tokens},
    {"output_tokens", &Usage::output_tokens},
    {"cache_read_tokens", &Usage::cache_read_tokens},
    {"cache_read_audio_tokens", &Usage::cache_read_audio_tokens},
    {"cache_read_image_tokens", &Usage::cache_read_image_tokens},
    {"cache_write_5m_tokens", &Usage::cache_write_5m_tokens},
    {"cache_write_1h_tokens", &Usage::cache_write_1h_tokens},
    {"input_audio_tokens", &Usage::input_audio_tokens},
    {"input_image_tokens", &Usage::input_image_tokens},
    {"reasoning_tokens", &Usage::reasoning_tokens},
    {"output_audio_tokens", &Usage::output_audio_tokens},
    {"output_image_tokens", &Usage::output_image_tokens},
    {"web_searches", &Usage::web_searches},
    {"file_searches", &Usage::file_searches},
    {"audio_ms", &Usage::audio_ms},
};

bool read_usage(simdjson::dom::object from, Usage& to) {
  to.seen = true;
  for (const auto& [key, value] : from) {
    bool known = false;
    for (const auto& [name, member] : kFields) {
      if (name != key) continue;
      known = value.get(to.*member) == simdjson::SUCCESS;
    }
    if (!known) return false;
  }
  return true;
}

}  // namespace

int main() {
  const auto table = gw::provider::PriceTable::built_in();
  if (!table) {
    std::cerr << table.error().message << "\n";
    return 1;
  }
  gw::provider::PriceMemo memo;
  simdjson::dom::parser parser;
  for (std::string line; std::getline(std::cin, line);) {
    simdjson::dom::element e;
    simdjson::dom::object o;
    std::string_view provider, model;
    std::int64_t at_ms = 0;
    Usage usage;
    if (parser.parse(line).get(e) != simdjson::SUCCESS || e["provider"].get(provider) != simdjson::SUCCESS ||
        e["model"].get(model) != simdjson::SUCCESS || e["at_ms"].get(at_ms) != simdjson::SUCCESS ||
        e["usage"].get(o) != simdjson::SUCCESS || !read_usage(o, usage)) {
      std::cerr << "not understood: " << line << "\n";
      return 1;
    }
    const gw::Cost cost =
        memo.price(**table, {.route = provider, .provider = provider, .model = model, .at_ns = at_ms * 1'000'000},
                   usage)
            .cost;
    std::cout << gw::to_string(cost.source) << " " << cost.nano_usd << "\n";
  }
}
