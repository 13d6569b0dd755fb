#include "guard/request_guard.h"

#include <algorithm>
#include <iterator>

#include "base/json_writer.h"
#include "base/strings.h"
#include "guard/multipart.h"

namespace gw::guard {
namespace {

constexpr bool is_token_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view s) {
  for (const char c : s)
    if (!is_token_char(c)) return false;
  return !s.empty();
}

/// The media type, lowercase, without its parameters; empty when it is not one.
std::string media_type(std::string_view content_type) {
  const std::string_view type = trim(content_type.substr(0, content_type.find(';')));
  const std::size_t slash = type.find('/');
  if (slash == std::string_view::npos || !is_token(type.substr(0, slash)) || !is_token(type.substr(slash + 1)))
    return {};
  return lowercase(type);
}

constexpr std::string_view kForm = "application/x-www-form-urlencoded";
constexpr std::string_view kMultipart = "multipart/form-data";

bool is_text(std::string_view type) {
  constexpr std::string_view kTexts[] = {
      "application/json", "application/x-ndjson", "application/jsonl",       "application/xml",
      "application/yaml", "application/x-yaml",   "application/x-jsonlines", kForm,
      kMultipart};
  return type.ends_with("+json") || type.ends_with("+xml") || type.starts_with("text/") ||
         std::find(std::begin(kTexts), std::end(kTexts), type) != std::end(kTexts);
}

/// Bytes below 128 are ASCII in it, and nothing else is.
bool is_readable_charset(std::string_view charset) {
  if (charset.empty()) return true;
  const std::string name = lowercase(charset);
  for (const std::string_view family :
       {"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-", "iso8859", "windows-125", "latin1"})
    if (name.starts_with(family)) return true;
  return false;
}

std::string quoted(std::string_view s) {
  std::string out;
  append_json_string(out, s);
  return out;
}

}  // namespace

BodyFormat body_format(std::string_view content_type, std::string_view boundary) {
  const std::string type = media_type(content_type);
  if (type == kForm) return {BodyFormat::Kind::form};
  if (type == kMultipart) return {BodyFormat::Kind::multipart, boundary};
  return {};
}

bool is_text_type(std::string_view content_type) { return is_text(media_type(content_type)); }

RequestGuard::RequestGuard(const BodyOptions& options, std::size_t max_body)
    : redactor_(options), max_body_(max_body) {}

std::string RequestGuard::too_long() const {
  return "request body exceeds pii inspection limit (" + std::to_string(max_body_) + " bytes)";
}

std::string RequestGuard::unreadable(std::span<const std::string_view> content_types,
                                     std::span<const std::string_view> encodings) const {
  for (const std::string_view encoding : encodings)
    if (!trim(encoding).empty() && !iequals(trim(encoding), "identity"))
      return "unsupported content encoding for pii guardrail mode: " + quoted(encoding);
  if (content_types.size() > 1) return "more than one content type";  // who knows which one counts
  for (const std::string_view type : content_types)
    if (!trim(type).empty() &&
        (!is_text(media_type(type)) || !is_readable_charset(trim(header_parameter(type, "charset")))))
      return "unsupported content type for pii guardrail mode: " + quoted(type);
  return {};
}

RequestGuard::Case::Case(const RequestGuard& guard, Mode mode, std::string_view content_type, std::string_view body,
                         std::string_view workspace_id)
    : mode_(mode),
      boundary_(media_type(content_type) == kMultipart ? multipart_boundary(content_type) : std::string()),
      job_(guard.redactor_, body, workspace_id, body_format(content_type, boundary_)) {}

bool RequestGuard::Case::step(std::size_t bytes) {
  if (judgement_.verdict == Verdict::unsure) return true;
  if (!job_.step(bytes)) return false;
  const BodyRedactor::Outcome& outcome = job_.outcome();
  judgement_.counts = outcome.counts;
  judgement_.skipped = outcome.skipped;
  if (outcome.failed) {
    judgement_.verdict = Verdict::unsure;
    judgement_.error = std::string("redact request body: ") + outcome.error;
  } else if (outcome.changed) {
    judgement_.verdict = mode_ == Mode::block     ? Verdict::refuse
                         : mode_ == Mode::observe ? Verdict::found
                                                  : Verdict::replace;
    judgement_.replacement = std::move(job_.out());
  }
  return true;
}

}  // namespace gw::guard
