#pragma once
// The request target of an HTTP/1.1 request line, taken apart. A Target points into the text that was parsed; that text
// must outlive it. Reusable: one Target per connection keeps its decode buffer, so that steady requests allocate
// nothing.
#include <cstdint>
#include <string>
#include <string_view>

namespace gw::route {

enum class TargetForm : std::uint8_t {
  origin,    ///< /path?query
  absolute,  ///< http://host/path?query
  asterisk,  ///< *, which only OPTIONS may use; the path is then empty
};

/// Why a target is refused with 400.
enum class TargetFault : std::uint8_t {
  none,
  malformed,     ///< none of the three forms
  bad_escape,    ///< '%' not followed by two hex digits, in the path
  control_byte,  ///< NUL, control byte or space, raw anywhere or escaped in the path
};

/// Text for the error body; no input is echoed.
const char* message(TargetFault fault);

class Target {
 public:
  TargetForm form = TargetForm::origin;
  /// `.` or `..` stands as a segment of the decoded path; escaped slashes and backslashes separate too, `;parameters`
  /// do not count. Such a path is refused on provider routes (RouteTable::match says so); the API router cleans it
  /// instead.
  bool has_dot_segment = false;
  bool has_query = false;      ///< a '?' was there, maybe with nothing behind it
  std::string_view authority;  ///< absolute form only
  std::string_view raw_path;   ///< as sent, starting with '/'
  std::string_view raw_query;  ///< as sent, without the '?'

  /// Percent-decoded path; what every decision is taken on.
  std::string_view path() const { return escaped_ ? std::string_view(decoded_) : raw_path; }

  /// Replaces what was there. After a fault the members mean nothing.
  TargetFault parse(std::string_view raw);

 private:
  TargetFault split(std::string_view raw);
  TargetFault decode();

  bool escaped_ = false;
  std::string decoded_;
};

/// The first value of `key` in a raw query, decoded; empty when there is none, or when it is malformed or over 256
/// bytes.
std::string query_value(std::string_view raw_query, std::string_view key);

}  // namespace gw::route
