#pragma once
// The forms of issued credentials, and a test of three bytes that rules nearly all text out.
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

#include "guard/text_class.h"

namespace gw::guard {

enum class Alphabet : unsigned char { alnum, alnum_dash, alnum_underscore, url_safe, url_safe_dot };

constexpr bool in_alphabet(Alphabet a, char c) {
  if (is_alnum(c)) return true;
  switch (a) {
    case Alphabet::alnum:
      return false;
    case Alphabet::alnum_dash:
      return c == '-';
    case Alphabet::alnum_underscore:
      return c == '_';
    case Alphabet::url_safe:
      return c == '-' || c == '_';
    case Alphabet::url_safe_dot:
      return c == '-' || c == '_' || c == '.';
  }
  return false;
}

/// A prefix behind a word boundary, then at least `min` characters. The prefix ends in the byte that triggers the look.
struct Form {
  std::string_view prefix;
  Alphabet alphabet;
  std::size_t min;
};

inline constexpr Form kForms[] = {
    {"sk-", Alphabet::url_safe, 12},  // OpenAI, DeepSeek and everyone who copied them
    {"sk-ant-", Alphabet::url_safe, 8},     {"sk-proj-", Alphabet::url_safe, 8},
    {"sk-svcacct-", Alphabet::url_safe, 8}, {"sk-admin-", Alphabet::url_safe, 8},
    {"sk-test-", Alphabet::url_safe, 8},    {"sk-live-", Alphabet::url_safe, 8},
    {"sk-or-", Alphabet::url_safe, 8},      {"sk-lf-", Alphabet::url_safe, 8},
    {"xoxa-", Alphabet::alnum_dash, 8},     {"xoxb-", Alphabet::alnum_dash, 8},
    {"xoxc-", Alphabet::alnum_dash, 8},     {"xoxd-", Alphabet::url_safe, 8},
    {"xoxe-", Alphabet::alnum_dash, 8},     {"xoxo-", Alphabet::alnum_dash, 8},
    {"xoxp-", Alphabet::alnum_dash, 8},     {"xoxr-", Alphabet::alnum_dash, 8},
    {"xoxs-", Alphabet::alnum_dash, 8},     {"xapp-", Alphabet::alnum_dash, 16},
    {"glpat-", Alphabet::url_safe, 16},     {"xai-", Alphabet::alnum, 20},
    {"pplx-", Alphabet::alnum, 20},         {"nvapi-", Alphabet::url_safe, 20},
    {"GOCSPX-", Alphabet::url_safe, 20},    {"github_pat_", Alphabet::alnum_underscore, 16},
    {"gsk_", Alphabet::alnum, 20},          {"hf_", Alphabet::alnum, 20},
    {"r8_", Alphabet::alnum, 20},           {"npm_", Alphabet::alnum, 20},
    {"ogk_", Alphabet::url_safe, 16},  // the gateway's own
    {"whsec_", Alphabet::alnum, 16},        {"ya29.", Alphabet::url_safe, 16},
    {"SG.", Alphabet::url_safe_dot, 32},
};

static_assert(std::size(kForms) <= 64);

/// Bit n of entry c: form n has the byte c so many places before its last byte.
constexpr std::array<std::uint64_t, 256> forms_by_byte(std::size_t before_last) {
  std::array<std::uint64_t, 256> t{};
  for (std::size_t n = 0; n < std::size(kForms); ++n) {
    const std::string_view prefix = kForms[n].prefix;
    t[static_cast<unsigned char>(prefix[prefix.size() - 1 - before_last])] |= std::uint64_t{1} << n;
  }
  return t;
}
inline constexpr std::array<std::uint64_t, 256> kFormsByPlace[] = {forms_by_byte(0), forms_by_byte(1),
                                                                   forms_by_byte(2)};

/// The forms whose prefix may end in the byte at `last`, a bit each.
constexpr std::uint64_t forms_ending(std::string_view text, std::size_t last) {
  if (last < 2) return 0;  // no prefix is shorter
  const auto by_place = [&](std::size_t n) { return kFormsByPlace[n][static_cast<unsigned char>(text[last - n])]; };
  return by_place(0) & by_place(1) & by_place(2);
}

}  // namespace gw::guard
