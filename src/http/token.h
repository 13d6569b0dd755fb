#pragma once
#include <array>
#include <string_view>

namespace gw::http {

namespace detail {
constexpr std::array<unsigned char, 256> make_token_table() {
  std::array<unsigned char, 256> t{};
  for (char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    t[static_cast<unsigned char>(c)] = 1;
  return t;
}
inline constexpr auto kToken = make_token_table();
}  // namespace detail

/// RFC 9110 tchar: what method and field names are made of.
constexpr bool is_token_char(char c) { return detail::kToken[static_cast<unsigned char>(c)] != 0; }

}  // namespace gw::http
