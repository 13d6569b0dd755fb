#pragma once
#include <string_view>

#include "provider/field_scanner.h"
#include "provider/session.h"
#include "provider/text_start.h"

namespace gw::provider {

/// Reads what the gateway must know of a request body while the body streams by: which model, whether a stream and its
/// usage are asked for, which service tier, and what may name the client's conversation.
///
/// Owner: the exchange's pipeline, one object per connection, reused. Thread: the worker's. Memory: sizeof, about 2.5
/// KiB, plus the texts, see FieldScanner; the body is never kept. No errors: a body that is no complete JSON object (an
/// array, cut off, followed by more, compressed) gives nothing. A byte order mark before it is skipped. How the body
/// was cut makes no difference.
class RequestReader {
 public:
  RequestReader() { reset(); }

  void reset() {
    scanner_.restart(Document::request);
    start_.restart(false);
  }
  void push(std::string_view bytes) {
    if (start_.over() || start_.over_with(bytes)) [[likely]]
      return scanner_.push(bytes);
    start_.push(bytes, [this](std::string_view text) { scanner_.push(text); });
  }
  /// Nothing is held back, so there is nothing to do; here so that every reader is driven alike.
  void finish() {}

  // All of them are empty, false or absent until the body has ended well. Texts are trimmed, at most
  // FieldScanner::kMaxTextBytes, as the client sent them, and valid until the next push() or reset().

  /// The body is a whole JSON object.
  bool complete() const { return scanner_.complete(); }
  /// `model`, else `message.model`.
  std::string_view model() const { return scanner_.complete() ? scanner_.model() : std::string_view(); }
  /// The top-level `stream` is true.
  bool stream() const { return scanner_.complete() && scanner_.stream(); }
  /// The greatest of `max_tokens`, `max_completion_tokens` and `max_output_tokens`; -1: none of them is a number.
  std::int64_t max_output_tokens() const { return number(Number::max_output_tokens); }
  /// `n`: answers that are asked for at once; -1: it is no number.
  std::int64_t choices() const { return number(Number::choices); }
  /// `stream_options.include_usage`, where it is a boolean.
  Flag include_usage() const { return scanner_.complete() ? scanner_.include_usage() : Flag::absent; }
  /// `service_tier`, as asked for.
  std::string_view service_tier() const { return text(Text::service_tier); }
  BodySession session() const {
    if (!scanner_.complete()) return {};
    return {.metadata = scanner_.text(Text::metadata_session),
            .user = scanner_.text(Text::user),
            .safety_identifier = scanner_.text(Text::safety_identifier),
            .prompt_cache_key = scanner_.text(Text::prompt_cache_key),
            .metadata_user_id = scanner_.text(Text::metadata_user_id)};
  }

 private:
  std::int64_t number(Number n) const { return scanner_.complete() ? scanner_.number(n) : -1; }
  std::string_view text(Text t) const { return scanner_.complete() ? scanner_.text(t) : std::string_view(); }

  FieldScanner scanner_;
  TextStart start_;
};

}  // namespace gw::provider
