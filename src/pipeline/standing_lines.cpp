#include "pipeline/standing_lines.h"

#include <algorithm>
#include <charconv>

namespace gw::pipeline {
namespace {

struct Names {
  std::string_view limit, remaining, reset;
};
constexpr Names kRequests{
    "x-ratelimit-limit-requests: ", "\r\nx-ratelimit-remaining-requests: ", "\r\nx-ratelimit-reset-requests: "};
constexpr Names kTokens{
    "x-ratelimit-limit-tokens: ", "\r\nx-ratelimit-remaining-tokens: ", "\r\nx-ratelimit-reset-tokens: "};

}  // namespace

bool StandingLines::change(Part& part, const Standing& to) {
  if (part.of.has_value() != to.has_value()) return false;
  if (!to) return true;
  if (part.of->limit != to->limit || part.of->reset_s != to->reset_s) return false;
  std::int64_t before = part.of->remaining, left = to->remaining;
  for (std::size_t digit = part.remaining_end; left != before; left /= 10, before /= 10) {
    if (left <= 0 || before <= 0) return false;  // one is longer than the other
    text_[--digit] = static_cast<char>('0' + left % 10);
  }
  part.of->remaining = to->remaining;
  return true;
}

void StandingLines::write(const Standing& requests, const Standing& tokens) {
  char* at = text_.data();
  const auto put = [&at](std::string_view name) { at = std::copy(name.begin(), name.end(), at); };
  const auto put_number = [&](std::int64_t n) { at = std::to_chars(at, text_.data() + text_.size(), n).ptr; };
  const auto put_part = [&](const Names& names, const Standing& of, Part& part) {
    part.of = of;
    if (!of) return;
    put(names.limit);
    put_number(of->limit);
    put(names.remaining);
    put_number(of->remaining);
    part.remaining_end = static_cast<std::size_t>(at - text_.data());
    put(names.reset);
    put_number(of->reset_s);
    put("s\r\n");
  };
  put_part(kRequests, requests, requests_);
  put_part(kTokens, tokens, tokens_);
  size_ = static_cast<std::size_t>(at - text_.data());
}

}  // namespace gw::pipeline
