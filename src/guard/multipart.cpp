#include "guard/multipart.h"

#include <algorithm>

#include "base/strings.h"

namespace gw::guard {
namespace {

constexpr auto npos = std::string_view::npos;
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

bool is_binary(std::string_view type) {
  const std::string family = lowercase(trim(type.substr(0, type.find('/'))));
  return family == "image" || family == "audio" || family == "video";
}

}  // namespace

std::string multipart_boundary(std::string_view content_type) {
  constexpr std::size_t kLongest = 70;
  const auto [begin, end] = parameter(content_type, "boundary");
  const std::string_view boundary = trim(content_type.substr(begin, end - begin));
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
  read_headers(line + 2, blank, part);
  part.content_begin = std::min(blank + 4, end);
  part.content_end = end;
  pos_ = end + delimiter_.size();
  return true;
}

void MultipartReader::read_headers(std::size_t begin, std::size_t end, Part& part) const {
  while (begin < end) {
    const std::size_t line_end = std::min(body_.find("\r\n", begin), end);
    const std::string_view line = body_.substr(begin, line_end - begin);
    const std::size_t colon = line.find(':');
    if (colon != npos && iequals(trim(line.substr(0, colon)), "content-disposition")) {
      const auto [name, name_end] = parameter(line, "name");
      part.name = line.substr(name, name_end - name);
      const auto [file, file_end] = parameter(line, "filename");
      if (file < file_end) {
        part.file_name_begin = begin + file;
        part.file_name_end = begin + file_end;
      }
    } else if (colon != npos && iequals(trim(line.substr(0, colon)), "content-type")) {
      part.binary = is_binary(line.substr(colon + 1));
    }
    begin = line_end + 2;
  }
}

}  // namespace gw::guard
