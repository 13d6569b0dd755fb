#include "route/target.h"

#include <array>

#include "base/strings.h"
#include "route/percent.h"

namespace gw::route {
namespace {

constexpr bool is_control(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u < 0x20 || u == 0x7f;
}

/// What the bytes of a path mean, as bits: one pass over it gathers them all.
enum : unsigned char { kControl = 1, kSpace = 2, kDot = 4, kEscape = 8 };
constexpr std::array<unsigned char, 256> kMeaning = [] {
  std::array<unsigned char, 256> t{};
  for (std::size_t c = 0; c < t.size(); ++c)
    if (is_control(static_cast<char>(c))) t[c] = kControl;
  t[' '] = kSpace;
  t['.'] = kDot;
  t['%'] = kEscape;
  return t;
}();

unsigned meanings_in(std::string_view text) {
  unsigned all = 0;
  for (const char c : text) all |= kMeaning[static_cast<unsigned char>(c)];
  return all;
}

bool any_dot_segment(std::string_view path) {
  // Backslash and `;` are what Windows and Java servers behind an upstream would normalise.
  std::size_t start = 0;
  for (std::size_t i = 0; i <= path.size(); ++i) {
    if (i < path.size() && path[i] != '/' && path[i] != '\\') continue;
    std::string_view segment = path.substr(start, i - start);
    segment = segment.substr(0, segment.find(';'));
    if (segment == "." || segment == "..") return true;
    start = i + 1;
  }
  return false;
}

}  // namespace

const char* message(TargetFault fault) {
  switch (fault) {
    case TargetFault::none:
      return "";
    case TargetFault::malformed:
      return "malformed request target";
    case TargetFault::bad_escape:
      return "invalid percent-escape in request path";
    case TargetFault::control_byte:
      return "control byte in request target";
  }
  return "malformed request target";
}

TargetFault Target::parse(std::string_view raw) {
  form = TargetForm::origin;
  has_dot_segment = has_query = escaped_ = false;
  authority = {};
  raw_path = {};
  raw_query = {};
  if (const TargetFault fault = split(raw); fault != TargetFault::none) return fault;
  return decode();
}

TargetFault Target::split(std::string_view raw) {
  if (raw.empty()) return TargetFault::malformed;
  if (raw == "*") {
    form = TargetForm::asterisk;
    return TargetFault::none;
  }
  if (raw[0] != '/') {
    const std::size_t scheme = raw.find("://");
    if (scheme == std::string_view::npos) return TargetFault::malformed;
    const std::string_view name = raw.substr(0, scheme);
    if (!iequals(name, "http") && !iequals(name, "https")) return TargetFault::malformed;
    form = TargetForm::absolute;
    raw.remove_prefix(scheme + 3);
    const std::size_t end = raw.find_first_of("/?#");
    authority = raw.substr(0, end);
    if (authority.empty()) return TargetFault::malformed;
    for (char c : authority)
      if (is_control(c) || c == ' ') return TargetFault::control_byte;
    raw = end == std::string_view::npos ? std::string_view() : raw.substr(end);
  }
  const std::size_t question = raw.find('?');
  raw_path = raw.substr(0, question);
  if (question != std::string_view::npos) {
    has_query = true;
    raw_query = raw.substr(question + 1);
    for (char c : raw_query)
      if (is_control(c) || c == ' ') return TargetFault::control_byte;
  }
  if (raw_path.empty()) raw_path = "/";
  // A fragment never belongs in a request; an upstream that cuts it off would see another path than we decided on.
  if (raw_path[0] != '/' || raw_path.find('#') != std::string_view::npos) return TargetFault::malformed;
  return TargetFault::none;
}

TargetFault Target::decode() {
  unsigned found = meanings_in(raw_path);
  if ((found & (kControl | kSpace)) != 0) return TargetFault::control_byte;
  escaped_ = (found & kEscape) != 0;
  if (escaped_) {
    decoded_.clear();
    if (!percent_decode(raw_path, decoded_)) return TargetFault::bad_escape;
    found = meanings_in(decoded_);
    if ((found & kControl) != 0) return TargetFault::control_byte;
  }
  has_dot_segment = (found & kDot) != 0 && any_dot_segment(path());
  return TargetFault::none;
}

std::string query_value(std::string_view raw_query, std::string_view key) {
  constexpr std::size_t kMaxBytes = 256;
  while (!raw_query.empty()) {
    const std::string_view pair = raw_query.substr(0, raw_query.find('&'));
    raw_query.remove_prefix(std::min(pair.size() + 1, raw_query.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) != key || equals == pair.size()) continue;
    std::string value;
    return percent_decode(pair.substr(equals + 1), value) && value.size() <= kMaxBytes ? value : std::string();
  }
  return {};
}

}  // namespace gw::route
