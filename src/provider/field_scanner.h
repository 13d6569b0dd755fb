#pragma once
// Picks a few values out of one JSON object while its bytes pass, without keeping them.
//
// Owner: one reader. Thread: the reader's. Memory: about 2.5 KiB plus the texts (at most kMaxTextBytes each, kept for
// reuse); never grows with the input. Work: proportional to the bytes pushed, several of them per nanosecond inside
// values that are skipped.
//
// What is read is the table in field_keys.cpp. Key names are case-sensitive and may be written with escapes; the last
// of duplicate keys wins; order and nesting elsewhere do not matter. Checked are strings, nesting, and keys,
// punctuation and scalars of the objects that are read. Values that are skipped are only followed to their end, so a
// document that is malformed inside them still counts; text is not checked for being UTF-8.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "provider/scan.h"
#include "provider/usage_totals.h"

namespace gw::provider {

/// What sort of document is read: it decides which keys mean something.
enum class Document : std::uint8_t {
  request,
  answer,         ///< a whole answer or one event of it
  client_message  ///< of a WebSocket, where `session` and `response` hold what a request has at its root
};

/// A text of the document.
enum class Text : std::uint8_t {
  model_of_root,
  model_of_message,
  model_of_response,  ///< or, in an answer, of `session`
  service_tier,       ///< of the root, `message`, `response` or a usage object: whichever comes last
  inference_geo,      ///< of a usage object
  response_id,        ///< `response.id`, or `response_id` of the root
  event_id,           ///< of a client's message; in an answer that of `error`, which names the message at fault
  metadata_session,   ///< see kSessionKeys in field_keys.cpp; those listed first win
  metadata_user_id,
  user,
  safety_identifier,
  prompt_cache_key,
};
inline constexpr std::size_t kTexts = 12;

/// What the root's `type` says, where it matters.
enum class Event : std::uint8_t {
  other,  ///< none, or one that does not matter
  item_done,
  response_created,
  response_completed,
  response_incomplete,
  response_failed,
  response_cancelled,
  response_done,
  response_create,
  session,  ///< created, updated or to be updated
  delta,    ///< any whose type ends in `.delta`
  error,
};

/// A number that a request states; of several the greatest.
enum class Number : std::uint8_t {
  max_output_tokens,  ///< `max_tokens`, or what newer APIs call it
  choices,            ///< `n`
};
inline constexpr std::size_t kNumbers = 2;

/// A JSON literal.
enum class Flag : std::uint8_t { absent, no, yes };

class FieldScanner {
 public:
  static constexpr std::size_t kMaxTextBytes = 256;    ///< a longer text is cut, at a character
  static constexpr std::size_t kMaxUserIdBytes = 512;  ///< metadata.user_id, which holds a session behind other ids
  static constexpr std::size_t kMaxModelBytes = kMaxTextBytes;

  /// Forgets everything and expects a new document.
  void restart(Document document);
  void push(std::string_view bytes);
  /// The document goes on in another line. One that ends between the key `usage` and its value fails: it would not have
  /// been found by searching.
  void join_line();

  const scan::Kernel& kernel() const { return *kernel_; }
  /// The root object is closed and nothing but white space came after it.
  bool complete() const { return state_ == State::done; }
  /// The root object has begun and goes on.
  bool open() const { return state_ > State::start && state_ < State::done; }
  /// This is not a JSON object; what was found does not count.
  bool failed() const { return state_ == State::failed; }

  // Valid until the next restart() or push().

  /// Of the root, else of `message`, else of `response`: trimmed, not blank. Empty if there is none.
  std::string_view model() const;
  /// Trimmed; empty if there is none or it is no string.
  std::string_view text(Text t) const { return texts_[static_cast<std::size_t>(t)]; }
  bool stream() const { return stream_ == Flag::yes; }
  /// -1: there is none.
  std::int64_t number(Number n) const { return numbers_[static_cast<std::size_t>(n)]; }
  Flag include_usage() const { return include_usage_; }
  /// Of the root, else of `message`, `response`, `x_groq`: one that is an object and closed; else, if they are wanted,
  /// the counts that Ollama writes into the root. Null if there is none, or if the document is a batch, whose usage is
  /// that of others.
  const RawUsage* usage(bool counts_of_root) const;
  /// That one is of `message`: what a stream of Anthropic's begins with.
  bool usage_of_message() const { return !usage_closed_[0] && usage_closed_[1]; }
  /// The answer, or its `response`, was made in the background.
  bool background() const { return background_; }
  /// The key of one was written with escapes.
  bool usage_escaped() const { return usage_escaped_; }
  /// The model or usage is that of `response`.
  bool of_response() const { return response_seen_; }

  Event event() const { return event_; }
  /// `response.status`, as the event that it makes of `response.done`; `other` if there is none.
  Event status() const { return status_; }
  /// Of the array `output` of the root or `response`.
  const ToolCounts& output_items() const { return output_items_; }
  /// What `item` is, and its place; -1 if there is none.
  ToolItem item() const { return item_; }
  std::int64_t output_index() const { return output_index_; }

 private:
  enum class State : std::uint8_t {
    start,
    key_or_end,
    next_key,
    in_key,
    colon,
    element_or_end,
    value,
    in_scalar,
    in_text,
    in_string,
    in_nested,
    comma_or_end,
    done,
    failed
  };
  enum class Context : std::uint8_t {
    request,  ///< the root of a request or client message
    request_message,
    client_part,
    stream_options,
    metadata,
    answer,  ///< the root of an answer
    message,
    response,
    session,
    groq,
    usage,
    cache_creation,
    input_details,
    images_input_details,
    cached_details,
    output_details,
    server_tools,
    cost_details,
    output,  ///< an array
    output_item,
    item,
    action,
    error,
  };
  enum class Action : std::uint8_t {
    skip,
    descend,
    text,
    word,
    flag,
    count,
    root_count,   ///< one that the root of an answer states
    image_count,  ///< one that only the images API states
    nano,
    milli,
    number
  };
  enum class Word : std::uint8_t { event, object, status, item_type, action_type };
  enum class Literal : std::uint8_t { stream, include_usage, own_key, background };
  static constexpr std::size_t kSources = 5;  ///< root, message, response, x_groq, Ollama's root
  static constexpr std::uint8_t kOllama = 4;

  struct Key;
  struct Keys;
  struct Tables;
  static const Keys* keys_of(Context context, Document document);

  const char* step(const char* p, const char* end);
  const char* read_around(const char* p, const char* end);
  const char* read_members(const char* p, const char* end);
  const char* read_member(const char* p, const char* end);
  const char* read_string(const char* p, const char* end);
  const char* skip_string(const char* p, const char* end);
  const char* read_escape(const char* p, const char* end);
  const char* start_value(const char* p, const char* end);
  const char* read_digits(const char* p, const char* end);
  const char* after_value(const char* p, const char* end);
  const char* to_next_key(const char* p, const char* end);
  const char* leave_objects(const char* p, const char* end);
  const char* read_scalar(const char* p, const char* end);
  const char* read_nested(const char* p, const char* end);

  void end_string();
  void append_text(std::string_view text);
  void append_code_unit(std::uint32_t unit);
  void flush_surrogate();
  void on_key(std::string_view name);
  void take_back(const Key& key);
  void on_descend();
  void on_text(std::string_view text);
  void on_word(std::string_view word);
  void on_scalar(std::string_view text);
  void on_count_text(std::string_view text);
  void on_count(std::int64_t value, bool bad);
  void next_element();
  void enter();
  void leave();
  void leave_item();
  Context context() const { return contexts_[level_]; }
  bool before_key() const { return state_ == State::next_key || state_ == State::key_or_end; }
  bool key_is_usage() const {
    return action_ == Action::descend && argument_ == static_cast<std::uint8_t>(Context::usage);
  }
  const char* fail(const char* end) {
    state_ = State::failed;
    return end;
  }

  const scan::Kernel* kernel_ = &scan::best();
  State state_ = State::start;
  bool in_array_ = false;
  Document document_ = Document::answer;
  Action action_ = Action::skip;  ///< what to do with the value of the current key
  std::uint8_t argument_ = 0;     ///< of the action: a Context, Text, Word, Literal or UsageField
  std::uint8_t rank_ = 0;         ///< of the current key among those for the same text; 0 is the best
  std::uint8_t session_rank_ = 0;
  std::uint8_t source_ = 0;  ///< where the current model or usage belongs: root, message, response, x_groq
  std::uint8_t level_ = 0;
  std::array<Context, 6> contexts_{};  ///< the objects being read, outermost first
  std::array<const Keys*, 6> keys_{};  ///< of each of them
  Flag stream_ = Flag::absent;
  Flag include_usage_ = Flag::absent;
  bool batch_ = false;
  bool response_seen_ = false;
  bool background_ = false;
  bool key_escaped_ = false;  ///< the key being read
  bool usage_escaped_ = false;
  Event event_ = Event::other;
  Event status_ = Event::other;
  ToolItem item_ = ToolItem::none;
  ToolItem item_type_ = ToolItem::none;  ///< of the item being read
  bool unpaid_action_ = false;           ///< likewise
  std::int64_t output_index_ = -1;
  ToolCounts output_items_;
  std::array<bool, kSources> usage_closed_{};

  std::uint8_t escape_ = 0;  ///< 0: none; 1: after a backslash; 2 to 5: hex digits still to come plus one
  std::uint32_t code_unit_ = 0;
  std::uint32_t high_surrogate_ = 0;            ///< waiting for its other half
  std::uint16_t text_size_ = 0;                 ///< of text_; kTooLong when a key or scalar did not fit
  std::array<char, kMaxUserIdBytes + 4> text_;  ///< a key, text or scalar that was cut or holds escapes

  char nested_open_ = 0;
  scan::Nesting nesting_;  ///< of the value or string that is being skipped
  std::array<std::int64_t, kNumbers> numbers_{-1, -1};
  std::array<std::string, kTexts> texts_;
  std::array<RawUsage, kSources> usages_;
};

}  // namespace gw::provider
