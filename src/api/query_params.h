#pragma once
// Query parameters by the rules of http-api §5. Errors are the contract's texts, to be answered with 400.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "store/trace_store.h"

namespace gw::api {

class QueryParams {
 public:
  /// `raw` is the query without its `?`. Malformed pairs and pairs with a `;` are ignored.
  explicit QueryParams(std::string_view raw);

  /// The first value, trimmed; empty when absent.
  std::string_view get(std::string_view name) const;
  /// Decimal with optional sign. Blank: nothing.
  Result<std::optional<std::int64_t>> integer(std::string_view name, std::int64_t min, std::int64_t max) const;
  /// Dollars, 0 to a million, as nano-dollars. Blank: 0.
  Result<std::int64_t> dollars(std::string_view name) const;
  /// RFC3339 or a day. Of a day the first nanosecond, or with `end` the last. Blank: nothing.
  Result<std::optional<std::int64_t>> time(std::string_view name, bool end) const;

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;
};

/// `invalid <name>: "<value>": expected a, b or c`; blank choices are passed over.
tl::unexpected<Error> invalid_choice(std::string_view name, std::string_view value,
                                     std::span<const std::string_view> choices);
/// The same with the `name` of each entry of a table.
template <class Entry, std::size_t N>
tl::unexpected<Error> invalid_choice(std::string_view name, std::string_view value, const Entry (&table)[N]) {
  std::string_view names[N];
  for (std::size_t i = 0; i < N; ++i) names[i] = table[i].name;
  return invalid_choice(name, value, std::span<const std::string_view>(names));
}

/// What /api/traces asks for.
struct TraceQuery {
  store::TraceFilter filter;
  std::optional<store::TraceCursor> after;
  int limit = 50;
};
/// The filters alone, in the contract's order of checks.
Result<store::TraceFilter> parse_trace_filter(const QueryParams& params);
/// `limit`, the filters, the cursor.
Result<TraceQuery> parse_trace_query(const QueryParams& params);

}  // namespace gw::api
