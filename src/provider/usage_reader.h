#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/usage.h"
#include "provider/content_decoder.h"
#include "provider/field_scanner.h"
#include "provider/usage_totals.h"

namespace gw::provider {

/// Reads token counts (and on demand the model) out of a response body while it streams by, plain JSON or server-sent
/// events, compressed or not. The deltas of a stream are never parsed: each push is searched for `"usage":{`, and only
/// a line that has it is read.
///
/// Owner: the exchange's pipeline, one object per connection, reused. Thread: the worker's. Memory: sizeof, about 1
/// KiB, and no other buffers: a line or document of any length is read without being kept. Only compressed bodies
/// allocate, see ContentDecoder; that ends with finish(). No errors: what cannot be read gives no counts, and
/// Usage::estimated says when reading was given up (a coding that is unknown, does not decode, or is over a bound of
/// ContentDecoder; for those alone how the body was cut may move the point of giving up).
///
/// One JSON body: its usage object, also when the body breaks off after it. A stream: each `data:` line is a payload of
/// its own; a payload that is no complete JSON object counts nothing; later counts replace earlier ones field by field,
/// zeros excepted. In a stream the key `usage` is found only when written without escapes. Which objects and keys
/// count: FieldScanner, UsageTotals.
class UsageReader {
 public:
  /// A response's head has come. `content_type`: server-sent events when it contains `text/event-stream`, else one JSON
  /// document. `want_model`: the request named no model, so look for one here as well.
  void begin(std::string_view content_type, std::string_view content_encoding, bool want_model = false);
  void push(std::string_view bytes);
  /// From here on hands on what it reads, decoded, until reset(); for what else wants to see it.
  void tee(ContentDecoder::Sink sink) { tee_ = sink; }
  /// The body has ended, well or not. push() must not follow before begin().
  void finish();
  /// Forgets the exchange; begin() does so too.
  void reset();

  /// What is known so far; complete after finish().
  const Usage& usage() const { return usage_; }
  /// Empty unless wanted and found. Valid until reset().
  std::string_view model() const { return model_; }
  /// The response is a stream of server-sent events.
  bool streaming() const { return streaming_; }

 private:
  enum class Line : std::uint8_t { start, prefix, payload, ignored };

  void decoded(std::string_view bytes);
  void push_events(std::string_view bytes);
  void push_lines(std::string_view bytes);
  void hold_line(std::string_view part);
  void push_line(std::string_view part);
  void end_line();
  void take_usage();
  void take_model();
  void give_up();
  bool line_open() const { return line_ != Line::start || held_size_ > 0; }
  bool model_missing() const { return want_model_ && model_.empty(); }

  ContentDecoder::Sink tee_{};
  Usage usage_;
  UsageTotals totals_;
  bool streaming_ = false;
  bool want_model_ = false;
  bool given_up_ = false;
  Line line_ = Line::start;
  std::uint8_t prefix_size_ = 0;  ///< how much of `data:` the line has shown
  std::uint16_t held_size_ = 0;
  std::array<char, 384>
      held_;  ///< the beginning of a cut line, while it fits: most lines do and then need no more than a search
  std::string model_;
  ContentDecoder decoder_;
  FieldScanner scanner_;  ///< of the document, or of the payload in the current line
};

}  // namespace gw::provider
