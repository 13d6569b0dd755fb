#pragma once
// The parts of a multipart/form-data body (RFC 7578), as bytes of it.
#include <cstddef>
#include <string>
#include <string_view>

namespace gw::guard {

/// The boundary parameter of a Content-Type; empty when there is none that can be one.
std::string multipart_boundary(std::string_view content_type);

/// The value of a parameter of a header, without its quotes; empty when it has none.
std::string_view header_parameter(std::string_view header, std::string_view name);

class MultipartReader {
 public:
  MultipartReader(std::string_view body, std::string_view boundary);

  struct Part {
    std::string name;                                    ///< of the field, as written
    bool binary = false;                                 ///< an image, sound or film by its type
    std::size_t file_name_begin = 0, file_name_end = 0;  ///< without quotes; empty: it is no file
    std::size_t long_name_begin = 0, long_name_end = 0;  ///< of `filename*`, with percent escapes
    std::size_t content_begin = 0, content_end = 0;
  };
  /// False at the end, or when the body is none of multipart: then error() says so.
  bool next(Part& part);
  const char* error() const { return error_; }

 private:
  bool read_headers(std::size_t begin, std::size_t end, Part& part) const;

  std::string_view body_;
  std::string delimiter_;  ///< with the line end before it
  std::size_t pos_ = 0;    ///< behind the delimiter that was read last
  const char* error_ = nullptr;
};

}  // namespace gw::guard
