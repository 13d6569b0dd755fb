#pragma once
// Header JSON of trace-model §3: canonical names sorted bytewise, each with its values in the order of arrival.
//
// Clients and providers send the same names in the same order again and again, so what depends on the names only
// (canonical form, order, escapes) is kept per distinct sequence of names. Bounded: 256 entries, each of at most 4 KiB
// of names; a newer one takes an older one's place. One thread.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "trace/json_text.h"
#include "trace/record_codec.h"

namespace gw::trace {

/// First letter of each `-`-separated part upper, the rest lower; unchanged when it has a byte that no header name may
/// have.
std::string canonical_header_name(std::string_view name);

class HeaderJson {
 public:
  /// Appends the object. False, with garbage appended, when the block is malformed.
  bool append(const HeaderBlock& headers, JsonText& out);
  /// Gives its memory back.
  void clear();

 private:
  struct Item {
    std::uint32_t value;   ///< index in the order of arrival
    std::uint32_t prefix;  ///< bytes of `prefixes` that go before the value
  };
  struct Layout {
    std::string names;
    std::uint32_t count = 0;
    std::vector<Item> items;
    std::string prefixes;
  };
  static bool build(const HeaderBlock& headers, Layout& out);
  const Layout* layout_of(const HeaderBlock& headers);

  std::vector<std::unique_ptr<Layout>> cache_;
  Layout uncached_;
  std::vector<std::string_view> values_;
};

}  // namespace gw::trace
