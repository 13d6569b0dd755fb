#pragma once
#include <memory>
#include <string>
#include <string_view>

namespace gw::guard {

class CanonicalJson;

/// What the hash of a replaced JSON value is taken of: a string's decoded content, nothing for null, otherwise compact
/// JSON with sorted keys and numbers as doubles, so that equal values hash alike however they were written. A value
/// that is cut off or nested deeper than 64 counts as its bytes. Reused from value to value.
class CanonicalValue {
 public:
  CanonicalValue();
  ~CanonicalValue();
  /// A part of `value`, or good until the next call.
  std::string_view of(std::string_view value);

 private:
  std::string text_;
  std::unique_ptr<CanonicalJson> json_;  ///< once it is needed
};

}  // namespace gw::guard
