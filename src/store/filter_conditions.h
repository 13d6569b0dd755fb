#pragma once
// What a scope and a filter ask of a row, in a store's dialect of SQL: each is one call, all of them must hold.
#include <cstdint>
#include <string>
#include <string_view>

#include "store/trace_columns.h"
#include "store/trace_store.h"

namespace gw::store {

class FilterConditions {
 public:
  void scope(const TenantScope& scope);
  void filter(const TraceFilter& f);

 protected:
  FilterConditions() = default;
  FilterConditions(const FilterConditions&) = default;
  FilterConditions& operator=(const FilterConditions&) = default;
  ~FilterConditions() = default;

  /// Both inclusive.
  virtual void started_from(std::int64_t ns) = 0;
  virtual void started_until(std::int64_t ns) = 0;
  virtual void is(Col c, const std::string& value) = 0;
  /// `op` with spaces around it.
  virtual void compare(Col c, const char* op, std::int64_t value) = 0;
  /// A member of the metadata that is this text.
  virtual void metadata_is(const char* key, std::string_view value) = 0;
  /// Somewhere in one of the bodies, ASCII letters of either case.
  virtual void body_has(const std::string& text) = 0;
};

}  // namespace gw::store
