#include "store/postgres/pg_values.h"

#include <bit>
#include <charconv>
#include <cstdlib>

#include "base/time_format.h"

namespace gw::store::postgres {
namespace {

constexpr std::int64_t kEpochMicros = 946'684'800'000'000;  // 2000-01-01 in Unix microseconds
constexpr Oid kFloat4 = 700, kFloat8 = 701, kJsonb = 3802;

std::uint64_t number_at(std::string_view bytes) {
  std::uint64_t v = 0;
  for (const char c : bytes) v = v << 8 | static_cast<unsigned char>(c);
  return v;
}

std::int64_t signed_number(std::string_view bytes) {
  if (bytes.empty() || bytes.size() > 8) return 0;
  const unsigned shift = static_cast<unsigned>(64 - 8 * bytes.size());
  return static_cast<std::int64_t>(number_at(bytes) << shift) >> shift;
}

}  // namespace

std::int64_t pg_micros(std::int64_t unix_ns) {
  std::int64_t micros = unix_ns / 1000;
  if (unix_ns % 1000 < 0) --micros;
  return micros - kEpochMicros;
}

std::int64_t unix_ns_of(std::int64_t micros) {
  std::int64_t unix_micros = 0, ns = 0;
  if (__builtin_add_overflow(micros, kEpochMicros, &unix_micros) || __builtin_mul_overflow(unix_micros, 1000, &ns))
    return micros < 0 ? INT64_MIN : INT64_MAX;
  return ns;
}

void append_number(std::string& out, std::uint64_t v, int width) {
  const std::uint64_t bytes = __builtin_bswap64(v << (64 - 8 * width));
  out.append(reinterpret_cast<const char*>(&bytes), static_cast<std::size_t>(width));
}

void PgParams::add(Oid type, std::size_t length, Where where) {
  types_.push_back(type);
  lengths_.push_back(static_cast<int>(length));
  formats_.push_back(1);
  where_.push_back(where);
}

PgParams& PgParams::view(Oid type, std::string_view s) {
  add(type, s.size(), {.view = s.data() == nullptr ? "" : s.data()});
  return *this;
}

PgParams& PgParams::own(Oid type, std::size_t begin) {
  add(type, buffer_.size() - begin, {.offset = begin});
  return *this;
}

PgParams& PgParams::number(Oid type, std::uint64_t v, int width) {
  const std::size_t begin = buffer_.size();
  append_number(buffer_, v, width);
  return own(type, begin);
}

PgParams& PgParams::real(double v) { return number(kFloat8, std::bit_cast<std::uint64_t>(v), 8); }

PgParams& PgParams::null(Oid type) {
  add(type, 0, {.null = true});
  return *this;
}

namespace {

/// One dimension from 1, NULLs possible or not.
void begin_array(std::string& out, Oid element, std::size_t size) {
  append_number(out, size == 0 ? 0 : 1, 4);
  append_number(out, 0, 4);
  append_number(out, element, 4);
  if (size == 0) return;
  append_number(out, size, 4);
  append_number(out, 1, 4);
}

}  // namespace

template <class Strings>
PgParams& PgParams::text_list(const Strings& list) {
  const std::size_t begin = buffer_.size();
  begin_array(buffer_, kText, list.size());
  for (const auto& s : list) {
    append_number(buffer_, s.size(), 4);
    buffer_ += s;
  }
  return own(kTextArray, begin);
}

PgParams& PgParams::texts(std::span<const std::string> list) { return text_list(list); }
PgParams& PgParams::texts(std::span<const std::string_view> list) { return text_list(list); }

PgParams& PgParams::integers(std::span<const std::int64_t> list) {
  const std::size_t begin = buffer_.size();
  begin_array(buffer_, kInt8, list.size());
  for (const std::int64_t v : list) {
    append_number(buffer_, 8, 4);
    append_number(buffer_, static_cast<std::uint64_t>(v), 8);
  }
  return own(kInt8Array, begin);
}

void PgParams::clear() {
  types_.clear();
  lengths_.clear();
  formats_.clear();
  where_.clear();
  buffer_.clear();
}

const char* const* PgParams::values() const {
  values_.clear();
  for (const Where& w : where_)
    values_.push_back(w.null ? nullptr : w.view != nullptr ? w.view : buffer_.data() + w.offset);
  return values_.data();
}

std::int64_t PgResult::affected() const {
  const std::string_view text = PQcmdTuples(result_.get());
  std::int64_t n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

std::string_view PgResult::raw(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column), static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

std::string_view PgResult::text(int row, int column) const {
  std::string_view s = raw(row, column);
  if (binary(column) && PQftype(result_.get(), column) == kJsonb && !s.empty()) s.remove_prefix(1);  // its version
  return s;
}

std::int64_t PgResult::integer(int row, int column) const {
  const std::string_view s = raw(row, column);
  if (binary(column)) return signed_number(s);
  if (s == "t") return 1;
  std::int64_t n = 0;
  std::from_chars(s.data(), s.data() + s.size(), n);
  return n;
}

bool PgResult::boolean(int row, int column) const { return integer(row, column) != 0; }

double PgResult::real(int row, int column) const {
  const std::string_view s = raw(row, column);
  if (s.empty()) return 0;
  if (!binary(column)) return std::strtod(s.data(), nullptr);
  const Oid type = PQftype(result_.get(), column);
  if (type == kFloat8) return std::bit_cast<double>(number_at(s));
  if (type == kFloat4) return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(number_at(s))));
  return static_cast<double>(signed_number(s));
}

std::int64_t PgResult::time_ns(int row, int column) const {
  if (is_null(row, column)) return 0;
  const std::string_view s = raw(row, column);
  return binary(column) ? unix_ns_of(signed_number(s)) : parse_db_time(s).value_or(0);
}

std::vector<std::string> PgResult::texts(int row, int column) const {
  std::vector<std::string> out;
  const std::string_view s = raw(row, column);
  if (!binary(column) || s.size() < 20) return out;
  const std::uint64_t count = number_at(s.substr(12, 4));
  std::size_t at = 20;
  for (std::uint64_t i = 0; i < count && at + 4 <= s.size(); ++i) {
    const std::int64_t length = signed_number(s.substr(at, 4));
    at += 4;
    const std::size_t size = length < 0 ? 0 : static_cast<std::size_t>(length);
    if (size > s.size() - at) break;
    out.emplace_back(s.substr(at, size));
    at += size;
  }
  return out;
}

}  // namespace gw::store::postgres
