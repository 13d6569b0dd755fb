#include "trace/header_json.h"

#include <algorithm>
#include <numeric>

#include "base/json_writer.h"
#include "base/strings.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace gw::trace {
namespace {

constexpr std::size_t kCacheEntries = 256;
constexpr std::size_t kMaxCachedNames = 4096;

constexpr bool is_token_char(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

}  // namespace

std::string canonical_header_name(std::string_view name) {
  std::string out(name);
  if (!std::all_of(name.begin(), name.end(), is_token_char)) return out;
  bool first = true;
  for (char& c : out) {
    c = first ? to_upper(c) : to_lower(c);
    first = c == '-';
  }
  return out;
}

bool HeaderJson::build(const HeaderBlock& headers, Layout& out) {
  out.names.assign(headers.names);
  out.count = headers.count;
  out.items.clear();
  out.prefixes.clear();
  std::vector<std::string> names;
  names.reserve(headers.count);
  std::string_view rest = headers.names;
  for (std::uint32_t i = 0; i < headers.count; ++i) {
    std::string_view name;
    if (!next_string(rest, name)) return false;
    names.push_back(canonical_header_name(name));
  }
  std::vector<std::uint32_t> order(headers.count);
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    const int by_name = names[a].compare(names[b]);
    return by_name != 0 ? by_name < 0 : a < b;
  });
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::size_t before = out.prefixes.size();
    const std::string& name = names[order[i]];
    if (i != 0 && name == names[order[i - 1]]) {
      out.prefixes += ',';
    } else {
      out.prefixes += i == 0 ? "{" : "],";
      append_json_string(out.prefixes, storable_text(name));
      out.prefixes += ":[";
    }
    out.items.push_back({order[i], static_cast<std::uint32_t>(out.prefixes.size() - before)});
  }
  return true;
}

const HeaderJson::Layout* HeaderJson::layout_of(const HeaderBlock& headers) {
  if (headers.names.size() > kMaxCachedNames) return build(headers, uncached_) ? &uncached_ : nullptr;
  if (cache_.empty()) cache_.resize(kCacheEntries);
  auto& place = cache_[XXH3_64bits(headers.names.data(), headers.names.size()) % kCacheEntries];
  if (place != nullptr && place->count == headers.count && place->names == headers.names) return place.get();
  if (place == nullptr) place = std::make_unique<Layout>();
  if (build(headers, *place)) return place.get();
  place.reset();
  return nullptr;
}

bool HeaderJson::append(const HeaderBlock& headers, JsonText& out) {
  if (headers.count == 0) {
    out.raw("{}");
    return true;
  }
  const Layout* layout = layout_of(headers);
  if (layout == nullptr) return false;
  values_.clear();
  std::string_view rest = headers.values;
  for (std::uint32_t i = 0; i < headers.count; ++i) {
    std::string_view value;
    if (!next_string(rest, value)) return false;
    values_.push_back(value);
  }
  const char* prefix = layout->prefixes.data();
  for (const Item& item : layout->items) {
    out.raw(std::string_view(prefix, item.prefix));
    prefix += item.prefix;
    out.string(values_[item.value]);
  }
  out.raw("]}");
  return true;
}

void HeaderJson::clear() {
  cache_.clear();
  cache_.shrink_to_fit();
  uncached_ = {};
  values_ = {};
}

}  // namespace gw::trace
