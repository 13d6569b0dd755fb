#include "store/name_digest.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace gw::store {
namespace {

constexpr BlockColumn kDigested[] = {BlockColumn::gateway_key, BlockColumn::api_key};
// A column of more names than this has none in the digest, and rules nothing out.
constexpr std::size_t kMostNames = 2'048;
constexpr std::uint16_t kTooMany = 0xFFFF;

std::uint16_t short_hash(std::string_view name) { return static_cast<std::uint16_t>(name_hash(name)); }

std::uint32_t tag_of(const BlockHeader& header) {
  std::string bytes;
  encode_header(header, bytes);
  return name_hash(bytes);
}

template <class Integer>
void put(std::string& out, Integer v) {
  char bytes[sizeof v];
  std::memcpy(bytes, &v, sizeof v);
  out.append(bytes, sizeof v);
}

template <class Integer>
bool take(std::string_view& in, Integer& v) {
  if (in.size() < sizeof v) return false;
  std::memcpy(&v, in.data(), sizeof v);
  in.remove_prefix(sizeof v);
  return true;
}

}  // namespace

void encode_digest(const BlockHeader& header, const TraceBlock& block, std::string& out) {
  put(out, tag_of(header));
  for (const BlockColumn c : kDigested) {
    const auto& names = block.names(c).names;
    if (names.size() > kMostNames) {
      put(out, kTooMany);
      continue;
    }
    std::vector<std::uint16_t> hashes;
    for (const std::string& name : names) hashes.push_back(short_hash(name));
    std::sort(hashes.begin(), hashes.end());
    hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
    put(out, static_cast<std::uint16_t>(hashes.size()));
    for (const std::uint16_t h : hashes) put(out, h);
  }
}

bool may_have_name(std::string_view digest, const BlockHeader& header, BlockColumn c, std::string_view name) {
  std::uint32_t tag = 0;
  if (!take(digest, tag) || tag != tag_of(header)) return true;
  for (const BlockColumn column : kDigested) {
    std::uint16_t count = 0;
    if (!take(digest, count)) return true;
    const std::size_t bytes = count == kTooMany ? 0 : count * sizeof(std::uint16_t);
    if (digest.size() < bytes) return true;
    if (column == c) {
      if (count == kTooMany) return true;
      std::vector<std::uint16_t> hashes(count);
      std::memcpy(hashes.data(), digest.data(), bytes);
      return std::binary_search(hashes.begin(), hashes.end(), short_hash(name));
    }
    digest.remove_prefix(bytes);
  }
  return true;
}

}  // namespace gw::store
