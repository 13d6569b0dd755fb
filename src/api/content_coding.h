#pragma once
// Content codings of the API's large answers (RFC 9110 8.4, 12.5.3).
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace gw::api {

enum class ContentCoding : std::uint8_t { identity, gzip, zstd };

/// As it stands in Content-Encoding; empty for identity.
std::string_view to_string(ContentCoding coding);

/// What the client likes best of what there is; of equals zstd, then gzip. Without a header, or when it refuses all
/// there is: identity.
ContentCoding choose_coding(std::string_view accept_encoding);

/// Encodes one body in pieces. One thread at a time. Memory: at most 1 MiB, from the first piece on.
class ContentEncoder {
 public:
  explicit ContentEncoder(ContentCoding coding);
  ~ContentEncoder();
  ContentEncoder(ContentEncoder&&) noexcept;

  /// Appends the coded form of `in`, all of it: what was put in so far can be decoded from what came out so far.
  /// `last` ends the body. False: out of memory, and the encoder is of no further use.
  bool append(std::string& out, std::string_view in, bool last);
  /// Identity: nothing is done, and the bytes need not be copied.
  bool idle() const { return impl_ == nullptr; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gw::api
