#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/usage.h"
#include "provider/content_decoder.h"
#include "provider/field_scanner.h"
#include "provider/text_start.h"
#include "provider/usage_totals.h"

namespace gw::provider {

/// Reads token counts, the model and what else prices depend on out of a response body while it streams by: plain JSON,
/// server-sent events or a JSON document per line, compressed or not. The deltas of a stream are never parsed: each
/// push is searched for `"usage":{`, and only a line that has it is read. Two more kinds of line are: those up to the
/// first that names a model, and in a stream of the Responses API those of finished output items.
///
/// Owner: the exchange's pipeline, one object per connection, reused. Thread: the worker's. Memory: sizeof, about 3.5
/// KiB, and the texts kept by FieldScanner and here; a line or document of any length is read without being kept. Only
/// compressed bodies allocate, see ContentDecoder; that ends with finish(). No errors: what cannot be read gives no
/// counts, and Usage::estimated says when reading was given up (a coding that is unknown, does not decode, or is over a
/// bound of ContentDecoder; for those alone how the body was cut may move the point of giving up).
///
/// One JSON body: its usage object, also when the body breaks off after it. A stream: each `data:` line that is a whole
/// JSON object is a payload, and so are the lines of one event that make an object when they are joined (of JSON lines:
/// each line); what makes no complete object counts nothing; later counts replace earlier ones field by field, see
/// UsageTotals. In a stream the key `usage` is found only when written without
/// escapes and on one line with the brace of its object. Which objects and keys count: field_keys.cpp. A byte order
/// mark before the body is skipped; lines of events end in LF, CRLF or, all of them, in CR: see TextStart.
class UsageReader {
 public:
  UsageReader() { scanner_.restart(Document::answer); }

  /// A response's head has come. `content_type`: server-sent events when it contains `text/event-stream`, JSON lines
  /// when it contains `application/x-ndjson`, else one JSON document.
  void begin(std::string_view content_type, std::string_view content_encoding);
  void push(std::string_view bytes);
  /// From here on hands on what it has read, decoded and in lines that end in LF or CRLF, until reset(); for what else
  /// wants to see it.
  void tee(ContentDecoder::Sink sink) { tee_ = sink; }
  /// The body has ended, well or not. push() must not follow before begin().
  void finish();
  /// Forgets the exchange; begin() does so too.
  void reset();

  /// What is known so far; complete after finish().
  const Usage& usage() const { return usage_; }
  /// A usage came that speaks of the whole answer: any but the one that Anthropic's streams begin with.
  bool final_usage() const { return final_usage_; }
  // Empty when the answer does not say. Valid until reset().

  /// The first that the answer names: of the root, else of `message`, else of `response`.
  std::string_view model() const { return document_read_ ? scanner_.model() : model_; }
  /// That was served: the last that is stated.
  std::string_view service_tier() const { return text(Text::service_tier, service_tier_); }
  /// Region that the answer was made in: the last that is stated.
  std::string_view inference_geo() const { return text(Text::inference_geo, inference_geo_); }
  /// Of a stream of the Responses API: the id of the response that stated its usage.
  std::string_view response_id() const { return response_id_; }
  /// The answer was made in the background, apart from the request that asked for it.
  bool background() const { return document_read_ ? scanner_.background() : background_; }
  /// The response is a stream of server-sent events.
  bool streaming() const { return format_ == Format::events; }

 private:
  enum class Format : std::uint8_t { document, events, lines };
  enum class Line : std::uint8_t { start, prefix, payload, ignored };

  void decoded(std::string_view bytes);
  void read(std::string_view text);
  void push_events(std::string_view bytes);
  void push_lines(std::string_view bytes);
  void hold_line(std::string_view part);
  void push_line(std::string_view part);
  void begin_payload();
  void end_line(bool event_over = false);
  void join_lines(const char* from, const char* line);
  void join_lines_of_event(const char* from, const char* line);
  bool is_unfinished(std::string_view line) const;
  void take_payload();
  void take_texts();
  std::string_view text(Text t, const std::string& kept) const {
    return document_read_ ? scanner_.text(t) : std::string_view(kept);
  }
  const char* find_payload(const char* p, const char* end) const;
  void give_up();
  bool line_open() const { return line_ != Line::start || held_size_ > 0; }
  /// Whether every line has to be read: the model may be in any; the next one may go on with a payload; the counts of
  /// JSON lines have no key to search for.
  bool reads_all() const { return model_.empty() || joined_ || format_ == Format::lines; }

  ContentDecoder::Sink tee_{};
  Usage usage_;
  UsageTotals totals_;
  Format format_ = Format::document;
  bool begun_ = false;  ///< since the last reset()
  bool given_up_ = false;
  bool straight_ = false;  ///< what is pushed is read as it is: not encoded, and its beginning is known
  bool final_usage_ = false;
  bool document_read_ = false;  ///< the scanner holds the texts of the one document
  bool item_events_ = false;    ///< a stream of the Responses API, which tells of each finished output item
  bool joined_ = false;         ///< the scanner holds lines of the present event that make no whole object yet
  Line line_ = Line::start;
  std::uint8_t prefix_size_ = 0;  ///< how much of `data:` the line has shown
  std::uint16_t held_size_ = 0;
  std::array<char, 384>
      held_;  ///< the beginning of a cut line, while it fits: most lines do and then need no more than a search
  bool background_ = false;
  std::string model_, service_tier_, inference_geo_, response_id_;
  ContentDecoder decoder_;
  TextStart start_;
  FieldScanner scanner_;  ///< of the document, or of the payload in the current line and those it is joined to
};

}  // namespace gw::provider
