#pragma once
// Picks a few values out of one JSON object while its bytes pass, without keeping them.
//
// Owner: one reader. Thread: the reader's. Memory: about 600 bytes plus the model names (at most 256 bytes each, kept
// for reuse); never grows with the input. Work: proportional to the bytes pushed, several of them per nanosecond inside
// values that are skipped.
//
// Read are: `model`, `stream`, `usage` and, of a `message` or `response` object beside them, `model` and `usage` again.
// Key names are case-sensitive and may be written with escapes; the last of duplicate keys wins; order and nesting
// elsewhere do not matter. Checked are strings, nesting, and keys, punctuation and scalars of the objects that are
// read. Values that are skipped are only followed to their end, so a document that is malformed inside them still
// counts; text is not checked for being UTF-8.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "provider/scan.h"
#include "provider/usage_totals.h"

namespace gw::provider {

class FieldScanner {
 public:
  static constexpr std::size_t kMaxModelBytes = 256;  ///< a longer model name is cut, at a character

  struct Wanted {
    bool model = false;
    bool stream = false;
    bool usage = false;  ///< only then `response` is looked into
  };

  /// Forgets everything and expects a new document.
  void restart(Wanted wanted);
  void push(std::string_view bytes);

  /// The root object is closed and nothing but white space came after it.
  const scan::Kernel& kernel() const { return *kernel_; }
  bool complete() const { return state_ == State::done; }
  /// This is not a JSON object; what was found does not count.
  bool failed() const { return state_ == State::failed; }

  // Valid until the next restart() or push().

  /// Of the root, else of `message`, else of `response`: trimmed, not blank. Empty if there is none.
  std::string_view model() const;
  bool stream() const { return stream_; }
  /// Of the root, else of `message`, else of `response`: one that is an object and closed. Null if there is none.
  const RawUsage* usage() const;

 private:
  enum class State : std::uint8_t {
    start,
    key_or_end,
    next_key,
    in_key,
    colon,
    value,
    in_scalar,
    in_model,
    in_string,
    in_nested,
    comma_or_end,
    done,
    failed
  };
  enum class Context : std::uint8_t {
    root,
    message,
    response,
    usage,
    cache_creation,
    prompt_details,
    input_details,
    completion_details,
    output_details
  };
  enum class Action : std::uint8_t { skip, descend, model, stream, count };
  static constexpr std::size_t kSources = 3;  ///< root, message, response

  const char* step(const char* p, const char* end);
  const char* read_around(const char* p, const char* end);
  const char* read_key(const char* p, const char* end);
  const char* read_string(const char* p, const char* end);
  const char* skip_string(const char* p, const char* end);
  const char* read_escape(const char* p, const char* end);
  const char* start_value(const char* p, const char* end);
  const char* read_digits(const char* p, const char* end);
  const char* after_value(const char* p, const char* end);
  const char* read_scalar(const char* p, const char* end);
  const char* read_nested(const char* p, const char* end);

  void end_string();
  void append_text(std::string_view text);
  void append_code_unit(std::uint32_t unit);
  void flush_surrogate();
  void on_key(std::string_view key);
  void on_object_key(std::string_view key);
  void on_usage_key(std::string_view key);
  void on_details_key(std::string_view key);
  void count_key(UsageField field);
  void details_key(Context details, UsageField first, UsageField last);
  void on_scalar(std::string_view text);
  void enter();
  void leave();
  Context context() const { return contexts_[level_]; }
  const char* fail(const char* end) {
    state_ = State::failed;
    return end;
  }

  const scan::Kernel* kernel_ = &scan::best();
  State state_ = State::start;
  Wanted wanted_;
  Action action_ = Action::skip;    ///< what to do with the value of the current key
  Context target_ = Context::root;  ///< the context that Action::descend enters
  UsageField field_{};              ///< the count that Action::count sets
  std::uint8_t source_ = 0;         ///< where the current model or usage belongs: root, message, response
  std::uint8_t level_ = 0;
  std::array<Context, 4> contexts_{};  ///< the objects being read, outermost first
  bool stream_ = false;
  std::array<bool, kSources> usage_closed_{};

  std::uint8_t escape_ = 0;  ///< 0: none; 1: after a backslash; 2 to 5: hex digits still to come plus one
  std::uint32_t code_unit_ = 0;
  std::uint32_t high_surrogate_ = 0;  ///< waiting for its other half
  std::uint8_t text_size_ = 0;        ///< of text_; kTooLong when it did not fit
  std::array<char, 48> text_{};       ///< a key or scalar that was cut or holds escapes

  char nested_open_ = 0;
  scan::Nesting nesting_;  ///< of the value or string that is being skipped
  std::array<std::string, kSources> models_;
  std::array<RawUsage, kSources> usages_;
};

}  // namespace gw::provider
