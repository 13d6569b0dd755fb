#pragma once
// JSON text as the stores want it, built fast in a reused buffer: most strings are plain ASCII and are copied eight
// bytes at a time. Same rules as base/json_writer.h, and NUL is dropped. One thread.
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/copy_bytes.h"

namespace gw::trace {

/// Copies `s` while every byte is printable ASCII that JSON text takes as it is (not `"` `\` `<` `>` `&`). False, with
/// garbage copied, else.
bool copy_plain_json(char* to, std::string_view s);
/// No NUL, no byte over 0x7f: nothing that storable_text could change. (It may still say no for text that is storable.)
bool is_plain_ascii(std::string_view s);

class JsonText {
 public:
  void clear() { size_ = 0; }
  std::string_view text() const { return {data_.get(), size_}; }
  std::size_t capacity() const { return capacity_; }
  void release();

  void raw(std::string_view s) {
    reserve(s.size());
    copy_bytes(data_.get() + size_, s.data(), s.size());
    size_ += s.size();
  }
  void raw(char c) {
    reserve(1);
    data_[size_++] = c;
  }
  /// `before`, and a text whose size the compiler knows: copied without a call.
  template <std::size_t kSize>
  void raw(char before, const char (&literal)[kSize]) {
    reserve(kSize);
    char* p = data_.get() + size_;
    *p = before;
    std::memcpy(p + 1, literal, kSize - 1);  // without its NUL
    size_ += kSize;
  }
  /// With quotes and escapes.
  void string(std::string_view s) {
    reserve(s.size() + 2);
    char* p = data_.get() + size_;
    if (!copy_plain_json(p + 1, s)) [[unlikely]]
      return escaped(s);
    *p = '"';
    p[s.size() + 1] = '"';
    size_ += s.size() + 2;
  }
  void integer(std::int64_t v) {
    reserve(24);
    char* p = data_.get() + size_;
    size_ += static_cast<std::size_t>(std::to_chars(p, p + 24, v).ptr - p);
  }

 private:
  void reserve(std::size_t n) {
    if (capacity_ - size_ < n) [[unlikely]]
      grow(n);
  }
  void grow(std::size_t n);
  void escaped(std::string_view s);

  std::unique_ptr<char[]> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace gw::trace
