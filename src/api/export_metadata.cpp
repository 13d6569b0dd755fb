#include "api/export_metadata.h"

#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "base/strings.h"
#include "store/metadata_text.h"

namespace gw::api {
namespace {

constexpr std::array<bool, 256> make_structure() {
  std::array<bool, 256> t{};
  for (const char c : std::string_view("\",{}[]")) t[static_cast<unsigned char>(c)] = true;
  return t;
}
constexpr auto kStructure = make_structure();

/// Members of one object in order; stops at what it does not understand.
class Members {
 public:
  explicit Members(std::string_view s) : s_(s) {
    space();
    good_ = take('{');
  }

  /// Whether the value that next() gave last is, or ends with, a string that has escapes.
  bool escaped() const { return escaped_; }

  bool next(std::string_view& key, std::string_view& value) {
    space();
    if (!good_ || i_ == s_.size() || s_[i_] != '"') return false;
    const std::size_t start = i_ + 1;
    if (!skip_string()) return false;
    key = s_.substr(start, i_ - start - 1);
    space();
    if (!take(':')) return false;
    space();
    const std::size_t begin = i_;
    if (!skip_value()) return false;
    value = s_.substr(begin, i_ - begin);
    space();
    good_ = take(',');
    return true;
  }

 private:
  void space() {
    while (i_ < s_.size() && is_space(s_[i_])) ++i_;
  }
  bool take(char c) {
    if (i_ == s_.size() || s_[i_] != c) return false;
    ++i_;
    return true;
  }
  /// To behind the closing quote; `escaped_` tells whether there were escapes.
  bool skip_string() {
    escaped_ = false;
    for (++i_; i_ < s_.size(); ++i_) {
      i_ = next_special(i_);
      if (i_ >= s_.size()) return false;
      if (s_[i_] == '"') {
        ++i_;
        return true;
      }
      escaped_ = true;
      ++i_;
    }
    return false;
  }
  /// The first quote or backslash from `i` on, eight bytes at a time; the size when there is none.
  std::size_t next_special(std::size_t i) const {
    constexpr std::uint64_t k01 = 0x0101010101010101, k80 = 0x80 * k01;
    const auto zero_byte = [](std::uint64_t w) { return (w - k01) & ~w & k80; };
    for (; i + 8 <= s_.size(); i += 8) {
      std::uint64_t w = 0;
      std::memcpy(&w, s_.data() + i, 8);
      const std::uint64_t found = zero_byte(w ^ k01 * '"') | zero_byte(w ^ k01 * '\\');
      if (found != 0) return i + static_cast<std::size_t>(std::countr_zero(found)) / 8;
    }
    while (i < s_.size() && s_[i] != '"' && s_[i] != '\\') ++i;
    return i;
  }
  bool skip_value() {
    std::size_t depth = 0;
    for (const std::size_t begin = i_; i_ < s_.size();) {
      const char c = s_[i_];
      if (!kStructure[static_cast<unsigned char>(c)]) {
        ++i_;
        continue;
      }
      if (c == '"') {
        if (!skip_string()) return false;
        if (depth == 0) return true;
        continue;
      }
      if (c == ',' && depth == 0) return i_ > begin;
      if (c == '{' || c == '[') {
        ++depth;
      } else if (c == '}' || c == ']') {
        if (depth == 0) return i_ > begin;
        if (--depth == 0) {
          ++i_;
          return true;
        }
      }
      ++i_;
    }
    return false;
  }

  std::string_view s_;
  std::size_t i_ = 0;
  bool good_ = false;
  bool escaped_ = false;
};
static_assert(std::endian::native == std::endian::little);

/// A position in `decoded` instead of a view, because that may move while it grows.
struct Text {
  std::string_view raw;
  std::size_t at = 0, size = 0;
  bool copied = false;

  void set(std::string_view value, bool escaped, std::string& decoded) {
    if (value.size() < 2 || value.front() != '"') return;
    raw = value.substr(1, value.size() - 2);
    copied = escaped;
    if (!copied) return;
    at = decoded.size();
    decoded += store::json_text(value);
    size = decoded.size() - at;
  }
  std::string_view view(const std::string& decoded) const {
    return trim(copied ? std::string_view(decoded).substr(at, size) : raw);
  }
};

std::int64_t integer(std::string_view value) {
  std::int64_t n = 0;
  std::from_chars(value.data(), value.data() + value.size(), n);
  return n;
}

void add(std::int64_t& sum, std::int64_t n) {
  if (__builtin_add_overflow(sum, n, &sum)) sum = INT64_MAX;
}

void read_usage(std::string_view usage, ExportMetadata& m) {
  Members members(usage);
  for (std::string_view key, value; members.next(key, value);) {
    if (key.starts_with("cache_read_"))
      add(m.cache_read_tokens, integer(value));
    else if (key.starts_with("cache_write_"))
      add(m.cache_write_tokens, integer(value));
    else if (key == "reasoning_tokens")
      m.reasoning_tokens = integer(value);
  }
}

}  // namespace

ExportMetadata read_export_metadata(std::string_view metadata, std::string& decoded) {
  decoded.clear();
  ExportMetadata m;
  Text thread_id, run_id, correlation_id, outcome, cost_source, price_version;
  Members members(metadata);
  for (std::string_view key, value; members.next(key, value);) {
    if (key == "lineage_thread_id")
      thread_id.set(value, members.escaped(), decoded);
    else if (key == "lineage_run_id")
      run_id.set(value, members.escaped(), decoded);
    else if (key == "correlation_id")
      correlation_id.set(value, members.escaped(), decoded);
    else if (key == "outcome")
      outcome.set(value, members.escaped(), decoded);
    else if (key == "cost_source")
      cost_source.set(value, members.escaped(), decoded);
    else if (key == "price_version")
      price_version.set(value, members.escaped(), decoded);
    else if (key == "usage")
      read_usage(value, m);
  }
  m.thread_id = thread_id.view(decoded);
  m.run_id = run_id.view(decoded);
  m.correlation_id = correlation_id.view(decoded);
  m.outcome = outcome.view(decoded);
  m.cost_source = cost_source.view(decoded);
  m.price_version = price_version.view(decoded);
  return m;
}

}  // namespace gw::api
