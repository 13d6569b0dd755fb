#pragma once
// What the beginning of a body says about the rest of it, for readers that know neither byte order marks nor lines that
// end in a lone CR.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace gw::provider {

/// Hands a body on without a UTF-8 byte order mark before it. Of server-sent events the first line end says how all
/// lines end: where it is a CR before another field, without an LF, each CR is handed on as LF. (One that stands before
/// anything else is white space in a line, as JSON has it.) How the body was cut makes no difference.
///
/// Costs a branch for each push once both are known, which a body's first bytes and its first line end make them.
class TextStart {
 public:
  void restart(bool events) {
    mark_ = 0;
    ends_ = events ? Ends::unknown : Ends::as_they_are;
    after_cr_ = false;
    held_crs_ = 0;
  }
  /// Nothing is left to do: what follows may be read as it is.
  bool over() const { return mark_ == kNoMark && ends_ == Ends::as_they_are; }
  /// The same, once the first bytes are seen to be what nearly all begin with.
  bool over_with(std::string_view bytes) {
    if (mark_ == 0 && !bytes.empty() && bytes.front() != kMark[0]) mark_ = kNoMark;
    return over();
  }

  /// `take` gets the text, in pieces.
  template <class Take>
  void push(std::string_view bytes, const Take& take) {
    if (mark_ != kNoMark && !skip_mark(bytes, take)) return;
    if (ends_ == Ends::unknown) find_end(bytes, take);
    if (bytes.empty()) return;
    if (ends_ == Ends::cr)
      convert(bytes, take);
    else
      take(bytes);
  }

 private:
  enum class Ends : std::uint8_t { unknown, as_they_are, cr };
  static constexpr std::string_view kMark = "\xEF\xBB\xBF";
  static constexpr std::uint8_t kNoMark = 0xFF;

  /// False: that was all of `bytes`.
  template <class Take>
  bool skip_mark(std::string_view& bytes, const Take& take) {
    while (!bytes.empty() && mark_ < kMark.size() && bytes.front() == kMark[mark_]) {
      bytes.remove_prefix(1);
      ++mark_;
    }
    if (bytes.empty() && mark_ < kMark.size()) return false;
    if (mark_ < kMark.size() && mark_ > 0) take(kMark.substr(0, mark_));  // it was none
    mark_ = kNoMark;
    return true;
  }

  static std::size_t first_end(std::string_view bytes, std::size_t from) {
    const std::size_t lf = bytes.find('\n', from);
    return std::min(lf, bytes.substr(0, lf).find('\r', from));
  }
  static bool begins_field(char c) { return c == 'd' || c == 'e' || c == 'i' || c == 'r'; }
  void decide(char behind_crs) {
    if (behind_crs == '\n') ends_ = Ends::as_they_are;
    if (begins_field(behind_crs)) ends_ = Ends::cr;
  }

  /// Goes on to the first line end. CRs whose next byte is not there yet are held back, and what precedes them is
  /// handed on.
  template <class Take>
  void find_end(std::string_view& bytes, const Take& take) {
    std::size_t at = 0;
    if (held_crs_ > 0) {
      at = std::min(bytes.find_first_not_of('\r'), bytes.size());
      if (at < bytes.size()) {
        decide(bytes[at]);
        for (; held_crs_ > 0; --held_crs_) take(ends_ == Ends::cr ? std::string_view("\n") : std::string_view("\r"));
      }
    }
    while (ends_ == Ends::unknown) {
      const std::size_t end = held_crs_ > 0 ? 0 : first_end(bytes, at);
      if (end == std::string_view::npos) return;
      at = bytes.find_first_not_of('\r', end);
      if (at == std::string_view::npos) {
        if (end > 0) take(bytes.substr(0, end));
        held_crs_ += bytes.size() - end;
        bytes = {};
        return;
      }
      decide(bytes[at]);
      if (ends_ != Ends::cr || end == 0) continue;
      take(bytes.substr(0, end));
      bytes.remove_prefix(end);
    }
  }

  /// A CR that has its LF after all is one end, as a lone one is.
  template <class Take>
  void convert(std::string_view bytes, const Take& take) {
    std::array<char, 1024> text;
    while (!bytes.empty()) {
      std::size_t n = 0, from = 0;
      for (; from < bytes.size() && n < text.size(); ++from) {
        const char c = bytes[from];
        if (!(after_cr_ && c == '\n')) text[n++] = c == '\r' ? '\n' : c;
        after_cr_ = c == '\r';
      }
      if (n > 0) take(std::string_view(text.data(), n));
      bytes.remove_prefix(from);
    }
  }

  std::uint8_t mark_ = 0;  ///< bytes of one that were seen; kNoMark: what follows is no part of it
  Ends ends_ = Ends::as_they_are;
  bool after_cr_ = false;     ///< of the text that is being converted
  std::size_t held_crs_ = 0;  ///< before the first line end is known
};

}  // namespace gw::provider
