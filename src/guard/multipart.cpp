#include "guard/multipart.h"

#include <algorithm>

#include "base/strings.h"

namespace gw::guard {
namespace {

constexpr const char* kMalformed = "multipart form is malformed";

/// Where the value of `name="…"` stands in a header's text; begin == end: nowhere.
std::pair<std::size_t, std::size_t> parameter(std::string_view header, std::string_view name) {
  for (std::size_t i = header.find(';'); i != npos;) {
    ++i;
    while (i < header.size() && is_space(header[i])) ++i;
    const std::size_t equals = header.find('=', i);
    if (equals == npos) return {};
    const std::string_view key = trim(header.substr(i, equals - i));
    std::size_t begin = equals + 1, end = begin;
    if (begin < header.size() && header[begin] == '"') {
      end = ++begin;
      while (end < header.size() && header[end] != '"') end += header[end] == '\\' ? 2 : 1;
      end = std::min(end, header.size());
      i = header.find(';', end);
    } else {
      i = header.find(';', begin);
      end = std::min(i, header.size());
    }
    if (iequals(key, name)) return {begin, end};
  }
  return {};
}

/// Drawings in SVG are text.
bool is_binary(std::string_view type) {
  const std::string name = lowercase(trim(type.substr(0, type.find(';'))));
  const std::string_view family = std::string_view(name).substr(0, name.find('/'));
  return (family == "image" || family == "audio" || family == "video") && !name.ends_with("+xml");
}

/// Bytes are what they are.
bool is_plain_transfer(std::string_view encoding) {
  constexpr std::string_view kPlain[] = {"7bit", "8bit", "binary", "identity"};
  return std::any_of(std::begin(kPlain), std::end(kPlain), [encoding](auto e) { return iequals(encoding, e); });
}

}  // namespace

std::string_view header_parameter(std::string_view header, std::string_view name) {
  const auto [begin, end] = parameter(header, name);
  return header.substr(begin, end - begin);
}

std::string multipart_boundary(std::string_view content_type) {
  constexpr std::size_t kLongest = 70;
  const std::string_view boundary = trim(header_parameter(content_type, "boundary"));
  return boundary.size() <= kLongest ? std::string(boundary) : std::string();
}

MultipartReader::MultipartReader(std::string_view body, std::string_view boundary)
    : body_(body), delimiter_("\r\n--" + std::string(boundary)) {
  const std::string_view first = std::string_view(delimiter_).substr(2);
  if (body_.starts_with(first)) {
    pos_ = first.size();
  } else {
    const std::size_t at = body_.find(delimiter_);
    pos_ = at == npos ? npos : at + delimiter_.size();
  }
  if (boundary.empty() || pos_ == npos) error_ = kMalformed;
  // What stands before the first delimiter or behind the last is for nobody, but it would go on.
  if (error_ == nullptr && pos_ > delimiter_.size()) error_ = kMalformed;
}

bool MultipartReader::next(Part& part) {
  if (error_ != nullptr) return false;
  part = {};
  if (body_.substr(pos_, 2) == "--") {
    if (!trim(body_.substr(pos_ + 2)).empty()) error_ = kMalformed;
    return false;
  }
  const std::size_t line = body_.find("\r\n", pos_);
  const std::size_t end = line == npos ? npos : body_.find(delimiter_, line);
  const std::size_t blank = line == npos ? npos : body_.find("\r\n\r\n", line);
  if (end == npos || blank == npos || blank + 2 > end || !trim(body_.substr(pos_, line - pos_)).empty()) {
    error_ = kMalformed;
    return false;
  }
  part.content_begin = std::min(blank + 4, end);
  part.content_end = end;
  // A reader that is content with other line ends would see more parts than this one.
  const std::string_view content = body_.substr(part.content_begin, end - part.content_begin);
  if (!read_headers(line + 2, blank, part) || content.find(std::string_view(delimiter_).substr(2)) != npos) {
    error_ = kMalformed;
    return false;
  }
  pos_ = end + delimiter_.size();
  return true;
}

/// False: they say what this reader does not understand.
bool MultipartReader::read_headers(std::size_t begin, std::size_t end, Part& part) const {
  while (begin < end) {
    const std::size_t line_end = std::min(body_.find("\r\n", begin), end);
    const std::string_view line = body_.substr(begin, line_end - begin);
    if (is_space(line[0])) return false;  // goes on with the line before
    const std::size_t colon = line.find(':');
    const std::string_view name = trim(line.substr(0, std::min(colon, line.size())));
    const std::string_view value = colon == npos ? std::string_view() : line.substr(colon + 1);
    if (iequals(name, "content-disposition")) {
      part.name = header_parameter(line, "name");
      if (const auto [file, file_end] = parameter(line, "filename"); file < file_end) {
        part.file_name_begin = begin + file;
        part.file_name_end = begin + file_end;
      }
      if (const auto [file, file_end] = parameter(line, "filename*"); file < file_end) {
        part.long_name_begin = begin + file;
        part.long_name_end = begin + file_end;
      }
    } else if (iequals(name, "content-type")) {
      part.binary = is_binary(value);
    } else if (iequals(name, "content-transfer-encoding") && !is_plain_transfer(trim(value))) {
      return false;
    }
    begin = line_end + 2;
  }
  return true;
}

}  // namespace gw::guard
