#include "api/export_metadata.h"

#include <charconv>
#include <cstring>

#include "base/strings.h"
#include "store/metadata_text.h"

namespace gw::api {
namespace {

/// Members of one object in order; stops at what it does not understand.
class Members {
 public:
  explicit Members(std::string_view s) : s_(s) {
    space();
    good_ = take('{');
  }

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
  bool skip_string() {
    for (++i_; i_ < s_.size();) {
      const void* quote = std::memchr(s_.data() + i_, '"', s_.size() - i_);
      if (quote == nullptr) return false;
      const auto at = static_cast<std::size_t>(static_cast<const char*>(quote) - s_.data());
      std::size_t slashes = at;
      while (slashes > i_ && s_[slashes - 1] == '\\') --slashes;
      i_ = at + 1;
      if ((at - slashes) % 2 == 0) return true;
    }
    return false;
  }
  bool skip_value() {
    std::size_t depth = 0;
    for (const std::size_t begin = i_; i_ < s_.size();) {
      const char c = s_[i_];
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
};

/// A position in `decoded` instead of a view, because that may move while it grows.
struct Text {
  std::string_view raw;
  std::size_t at = 0, size = 0;
  bool copied = false;

  void set(std::string_view value, std::string& decoded) {
    if (value.size() < 2 || value.front() != '"') return;
    raw = value.substr(1, value.size() - 2);
    copied = std::memchr(raw.data(), '\\', raw.size()) != nullptr;
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
      thread_id.set(value, decoded);
    else if (key == "lineage_run_id")
      run_id.set(value, decoded);
    else if (key == "correlation_id")
      correlation_id.set(value, decoded);
    else if (key == "outcome")
      outcome.set(value, decoded);
    else if (key == "cost_source")
      cost_source.set(value, decoded);
    else if (key == "price_version")
      price_version.set(value, decoded);
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
