#pragma once
#include <string_view>

#include "provider/field_scanner.h"

namespace gw::provider {

/// Reads what the gateway must know of a request body while the body streams by: which model, and whether a stream is
/// asked for.
///
/// Owner: the exchange's pipeline, one object per connection, reused. Thread: the worker's. Memory: sizeof, about 600
/// bytes, plus the model name; the body is never kept. No errors: a body that is no complete JSON object (an array, cut
/// off, followed by more, compressed) gives nothing. How the body was cut makes no difference.
class RequestReader {
 public:
  RequestReader() { reset(); }

  void reset() { scanner_.restart({.model = true, .stream = true}); }
  void push(std::string_view bytes) { scanner_.push(bytes); }
  /// Nothing is held back, so there is nothing to do; here so that every reader is driven alike.
  void finish() {}

  /// `model`, else `message.model`: trimmed, at most FieldScanner::kMaxModelBytes. Empty when there is none or the body
  /// has not ended well. Valid until the next push() or reset().
  std::string_view model() const { return scanner_.complete() ? scanner_.model() : std::string_view(); }
  /// The top-level `stream` is true.
  bool stream() const { return scanner_.complete() && scanner_.stream(); }

 private:
  FieldScanner scanner_;
};

}  // namespace gw::provider
