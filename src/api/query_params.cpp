#include "api/query_params.h"

#include <charconv>

#include "base/strings.h"
#include "base/time_format.h"
#include "base/usd.h"

namespace gw::api {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char l = to_lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

std::optional<std::string> unescape(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '+') {
      out += ' ';
    } else if (s[i] == '%') {
      const int high = i + 2 < s.size() ? hex_digit(s[i + 1]) : -1;
      const int low = i + 2 < s.size() ? hex_digit(s[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += s[i];
    }
  }
  return out;
}

}  // namespace

QueryParams::QueryParams(std::string_view raw) {
  while (!raw.empty()) {
    const std::size_t end = raw.find('&');
    const std::string_view pair = raw.substr(0, end);
    raw.remove_prefix(end == std::string_view::npos ? raw.size() : end + 1);
    if (pair.empty() || pair.find(';') != std::string_view::npos) continue;
    const std::size_t eq = pair.find('=');
    auto name = unescape(pair.substr(0, eq));
    auto value = unescape(eq == std::string_view::npos ? std::string_view{} : pair.substr(eq + 1));
    if (name && value) pairs_.emplace_back(std::move(*name), std::move(*value));
  }
}

std::string_view QueryParams::get(std::string_view name) const {
  for (const auto& [n, v] : pairs_)
    if (n == name) return trim(v);
  return {};
}

Result<std::optional<std::int64_t>> QueryParams::integer(std::string_view name, std::int64_t min,
                                                         std::int64_t max) const {
  std::string_view text = get(name);
  if (text.empty()) return std::nullopt;
  if (text[0] == '+' && text.size() > 1 && text[1] != '-') text.remove_prefix(1);  // from_chars takes only the minus
  std::int64_t value = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), value);
  if (r.ec != std::errc{} || r.ptr != text.data() + text.size()) return fail(std::string(name) + " must be an integer");
  if (value < min) return fail(std::string(name) + " must be >= " + std::to_string(min));
  if (value > max) return fail(std::string(name) + " must be <= " + std::to_string(max));
  return value;
}

Result<std::int64_t> QueryParams::dollars(std::string_view name) const {
  constexpr std::int64_t kMost = 1'000'000;
  const std::string_view text = get(name);
  if (text.empty()) return 0;
  const auto nano = parse_usd(text);
  if (!nano) return fail(std::string(name) + " must be a number");
  if (*nano < 0) return fail(std::string(name) + " must be >= 0");
  if (*nano > kMost * 1'000'000'000) return fail(std::string(name) + " must be <= " + std::to_string(kMost));
  return *nano;
}

Result<std::optional<std::int64_t>> QueryParams::time(std::string_view name, bool end) const {
  const std::string_view text = get(name);
  if (text.empty()) return std::nullopt;
  if (const auto instant = parse_rfc3339(text)) return *instant;
  if (const auto day = parse_date(text)) return end ? *day + kDayNs - 1 : *day;
  return fail("invalid " + std::string(name) + ": expected RFC3339 or YYYY-MM-DD");
}

tl::unexpected<Error> invalid_choice(std::string_view name, std::string_view value,
                                     std::span<const std::string_view> choices) {
  std::string text = "invalid " + std::string(name) + ": " + in_quotes(value) + ": expected ";
  bool first = true;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (choices[i].empty()) continue;
    if (!first) text += i + 1 == choices.size() ? " or " : ", ";
    text += choices[i];
    first = false;
  }
  return fail(std::move(text));
}

}  // namespace gw::api
