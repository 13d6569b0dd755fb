#include "store/facts.h"

#include <simdjson.h>

#include <array>
#include <cmath>
#include <string>

#include "base/usd.h"
#include "store/figures.h"
#include "store/metadata_text.h"

namespace gw::store {
namespace {

using simdjson::dom::element;

constexpr std::array<std::pair<std::string_view, TraceFacts::Outcome>, 5> kOutcomes = {{
    {"complete", TraceFacts::Outcome::complete},
    {"client_aborted", TraceFacts::Outcome::client_aborted},
    {"upstream_aborted", TraceFacts::Outcome::upstream_aborted},
    {"upstream_error", TraceFacts::Outcome::upstream_error},
    {"refused_by_guard", TraceFacts::Outcome::refused_by_guard},
}};

std::string_view text(const element& e) {
  std::string_view out;
  return e.get(out) == simdjson::SUCCESS ? out : std::string_view();
}

/// As Usage's counts; what is none is 0.
std::int64_t count(const element& e) {
  constexpr std::int64_t kMost = (std::int64_t{1} << 53) - 1;
  std::int64_t n = 0;
  return e.get(n) == simdjson::SUCCESS && n > 0 && n <= kMost ? n : 0;
}

/// Dollars as nano-dollars. Doubles below a million dollars hold each nano-dollar; others are read again from the text.
std::int64_t nano_usd(const element& e, std::string_view metadata) {
  constexpr double kExact = 1e6;
  double usd = 0;
  if (e.is<double>() && e.get(usd) == simdjson::SUCCESS && std::abs(usd) < kExact)
    return static_cast<std::int64_t>(std::llround(usd * 1e9));
  const auto members = json_members(metadata);
  return members ? parse_usd(find_member(*members, "cache_saved_usd")).value_or(0) : 0;
}

void read_usage(const element& usage, TraceFacts& f) {
  simdjson::dom::object o;
  if (usage.get(o) != simdjson::SUCCESS) return;
  for (const auto& [key, value] : o) {
    if (!key.starts_with("cache_")) continue;
    const std::string_view kind = key.substr(6);
    if (kind == "read_tokens" || kind == "read_audio_tokens" || kind == "read_image_tokens")
      f.cache_read_tokens = saturating_add(f.cache_read_tokens, count(value));
    else if (kind == "write_5m_tokens" || kind == "write_1h_tokens")
      f.cache_write_tokens = saturating_add(f.cache_write_tokens, count(value));
  }
}

void read_member(std::string_view key, const element& value, std::string_view metadata, TraceFacts& f) {
  if (key == "outcome") {
    for (const auto& [name, outcome] : kOutcomes)
      if (text(value) == name) f.outcome = outcome;
  } else if (key == "cost_source") {
    f.unpriced = text(value) == "unpriced";
    f.estimated = text(value) == "estimated";
  } else if (key == "usage") {
    read_usage(value, f);
  } else if (key == "cache_saved_usd") {
    f.cache_saved_nano_usd = nano_usd(value, metadata);
  } else if (key == "lineage_thread_id") {
    f.thread_id = text(value);
  } else if (key == "lineage_run_id") {
    f.run_id = text(value);
  }
}

}  // namespace

TraceFacts facts_from_metadata(std::string_view metadata) {
  constexpr std::size_t kMostBytes = 1U << 20;  // ours are below 8 KiB; the parser's memory stays with the thread
  TraceFacts f;
  f.seen = true;
  if (metadata.size() < 2 || metadata.size() > kMostBytes) return f;
  thread_local simdjson::dom::parser parser;
  thread_local std::string padded;
  padded.assign(metadata);
  padded.append(simdjson::SIMDJSON_PADDING, ' ');
  simdjson::dom::object o;
  if (parser.parse(padded.data(), metadata.size(), false).get(o) != simdjson::SUCCESS) return f;
  for (const auto& [key, value] : o) {
    // c: cost_source, cache_saved_usd; l: lineage; o: outcome; u: usage
    if (!key.empty() && std::string_view("clou").find(key.front()) != std::string_view::npos)
      read_member(key, value, metadata, f);
  }
  return f;
}

std::string_view to_string(TraceFacts::Outcome outcome) {
  for (const auto& [name, o] : kOutcomes)
    if (o == outcome) return name;
  return {};
}

}  // namespace gw::store
