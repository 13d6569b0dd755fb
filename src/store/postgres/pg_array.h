#pragma once
// An array in Postgres's binary format, filled element by element: a column of a batch for unnest. One thread.
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "store/postgres/pg_values.h"

namespace gw::store::postgres {

class PgArray {
 public:
  /// `array`: the type of the array, for the parameter.
  constexpr PgArray(Oid array, Oid element) : array_(array), element_(element) {}
  static PgArray texts() { return {1009, 25}; }
  static PgArray bytes() { return {1001, 17}; }
  static PgArray jsons() { return {3807, 3802}; }
  static PgArray integers() { return {1016, 20}; }
  static PgArray small_integers() { return {1007, 23}; }
  static PgArray reals() { return {1022, 701}; }
  static PgArray times() { return {1185, 1184}; }

  /// Keeps its memory.
  void clear() {
    bytes_.clear();
    count_ = 0;
  }
  void add(std::string_view s) {
    head(s.size());
    bytes_ += s;
  }
  void add(std::int64_t v) {
    head(8);
    append_number(bytes_, static_cast<std::uint64_t>(v), 8);
  }
  /// Of small_integers().
  void add_small(std::int32_t v) {
    head(4);
    append_number(bytes_, static_cast<std::uint32_t>(v), 4);
  }
  void add(double v) {
    head(8);
    append_number(bytes_, std::bit_cast<std::uint64_t>(v), 8);
  }
  void add_time(std::int64_t unix_ns) { add(pg_micros(unix_ns)); }
  /// Of jsons().
  void add_json(std::string_view text) {
    head(text.size() + 1);
    bytes_ += '\1';  // the format's version
    bytes_ += text;
  }
  void add_null() { head(0xFFFF'FFFF); }
  std::size_t size() const { return bytes_.size(); }

  /// Puts it behind the parameters; it must outlive the call.
  void put(PgParams& params) {
    if (count_ == 0) {
      bytes_.clear();
      append_number(bytes_, 0, 4);
      append_number(bytes_, 0, 4);
      append_number(bytes_, element_, 4);
    } else {
      std::string count;
      append_number(count, count_, 4);
      bytes_.replace(kCountAt, count.size(), count);
    }
    params.raw(array_, bytes_);
  }

 private:
  static constexpr std::size_t kCountAt = 12;

  void head(std::uint64_t length) {
    if (count_++ == 0) {
      append_number(bytes_, 1, 4);  // dimensions
      append_number(bytes_, 1, 4);  // there may be NULLs
      append_number(bytes_, element_, 4);
      append_number(bytes_, 0, 4);  // the count, see put()
      append_number(bytes_, 1, 4);  // the first index
    }
    append_number(bytes_, length, 4);
  }

  Oid array_, element_;
  std::uint32_t count_ = 0;
  std::string bytes_;
};

}  // namespace gw::store::postgres
