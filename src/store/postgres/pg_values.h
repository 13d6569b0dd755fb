#pragma once
// Values on their way to and from Postgres, in its binary formats, so that no session setting changes their meaning.
#include <libpq-fe.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gw::store::postgres {

/// Microseconds since 2000-01-01 UTC, nanoseconds rounded down.
std::int64_t pg_micros(std::int64_t unix_ns);
/// The inverse; infinities and what is beyond the range of nanoseconds become the nearest int64.
std::int64_t unix_ns_of(std::int64_t pg_micros);

/// The parameters of one statement, in the order of $1, $2 … Views given must outlive the call; numbers are kept here.
class PgParams {
 public:
  /// Of type text: cast in SQL where another is wanted (`$1::jsonb`).
  PgParams& text(std::string_view s) { return view(kText, s); }
  PgParams& bytes(std::string_view s) { return view(kBytea, s); }
  PgParams& integer(std::int64_t v) { return number(kInt8, static_cast<std::uint64_t>(v), 8); }
  PgParams& real(double v);
  PgParams& boolean(bool v) { return number(kBool, v ? 1 : 0, 1); }
  /// timestamptz
  PgParams& time(std::int64_t unix_ns) { return integer_as(kTimestamptz, pg_micros(unix_ns)); }
  /// NULL where it is 0.
  PgParams& time_or_null(std::int64_t unix_ns) { return unix_ns == 0 ? null(kTimestamptz) : time(unix_ns); }
  /// NULL where it is empty.
  PgParams& text_or_null(std::string_view s) { return s.empty() ? null(kText) : text(s); }
  PgParams& null_text() { return null(kText); }
  PgParams& null_integer() { return null(kInt8); }
  PgParams& null_time() { return null(kTimestamptz); }
  /// text[], int8[]: for unnest and = ANY.
  PgParams& texts(std::span<const std::string> list);
  PgParams& texts(std::span<const std::string_view> list);
  PgParams& integers(std::span<const std::int64_t> list);
  /// A value in the binary format of a type, for what has no function here.
  PgParams& raw(Oid type, std::string_view bytes) { return view(type, bytes); }
  void clear();

  int size() const { return static_cast<int>(types_.size()); }
  const Oid* types() const { return types_.data(); }
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }
  /// Valid until the next change.
  const char* const* values() const;

 private:
  static constexpr Oid kBool = 16, kBytea = 17, kInt8 = 20, kText = 25, kFloat8 = 701, kTimestamptz = 1184,
                       kTextArray = 1009, kInt8Array = 1016;
  struct Where {
    const char* view = nullptr;  ///< null: at `offset` of the buffer, or NULL where that is none
    std::size_t offset = 0;
    bool null = false;
  };

  PgParams& view(Oid type, std::string_view s);
  PgParams& number(Oid type, std::uint64_t v, int width);
  PgParams& integer_as(Oid type, std::int64_t v) { return number(type, static_cast<std::uint64_t>(v), 8); }
  PgParams& null(Oid type);
  PgParams& own(Oid type, std::size_t begin);
  void add(Oid type, std::size_t length, Where where);
  template <class Strings>
  PgParams& text_list(const Strings& list);

  std::vector<Oid> types_;
  std::vector<int> lengths_, formats_;
  std::vector<Where> where_;
  std::string buffer_;
  mutable std::vector<const char*> values_;
};

/// The rows of one answer. Getters accept both formats; NULL reads as the zero of the type.
class PgResult {
 public:
  PgResult() = default;
  explicit PgResult(PGresult* r) : result_(r) {}

  explicit operator bool() const { return result_ != nullptr; }
  const PGresult* get() const { return result_.get(); }
  int rows() const { return PQntuples(result_.get()); }
  int columns() const { return PQnfields(result_.get()); }
  /// Rows that the statement inserted, updated or deleted, or selected.
  std::int64_t affected() const;

  bool is_null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
  /// text, varchar, json, jsonb, bytea. Valid as long as this.
  std::string_view text(int row, int column) const;
  /// bool and int2, int4, int8. A sum of int8 is numeric: cast it in SQL.
  std::int64_t integer(int row, int column) const;
  bool boolean(int row, int column) const;
  /// float8, float4, integers
  double real(int row, int column) const;
  /// timestamptz as Unix ns; 0: NULL
  std::int64_t time_ns(int row, int column) const;
  /// text[]; NULL elements read as empty.
  std::vector<std::string> texts(int row, int column) const;

 private:
  struct Clear {
    void operator()(PGresult* r) const { PQclear(r); }
  };
  std::string_view raw(int row, int column) const;
  bool binary(int column) const { return PQfformat(result_.get(), column) == 1; }

  std::unique_ptr<PGresult, Clear> result_;
};

/// Big-endian, as the binary formats have numbers; for COPY too.
void append_number(std::string& out, std::uint64_t v, int width);

}  // namespace gw::store::postgres
