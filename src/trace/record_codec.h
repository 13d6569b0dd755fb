#pragma once
// The payload of a frame: one ExchangeRecord as bytes. Encoding writes straight into the ring and allocates nothing;
// decoding gives views into the payload.
//
// Compatible growth: the fixed block and the list of texts carry their sizes, and what follows is in a set order, so a
// reader takes a record with fewer fields (an older version: the rest is empty) and skips what it does not know.
// kRecordVersion changes only when that is not enough.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "model/exchange_record.h"

namespace gw::trace {

inline constexpr std::uint16_t kRecordVersion = 1;

/// What a record that is too large for its ring gives up, step by step.
enum class Cut : std::uint8_t {
  none,
  bodies,   ///< both bodies
  headers,  ///< and all headers
  texts,    ///< and what is over kCutTextBytes of every text
};
inline constexpr std::size_t kCutTextBytes = 512;

/// Bytes that encode_record wants free beyond what it writes, so that it checks the room once per string.
inline constexpr std::size_t kEncodeSlack = 16;

/// Writes the payload to [out, limit). Returns its end, or nullptr when it does not fit (what was written is garbage
/// then).
char* encode_record(const ExchangeRecord& record, Cut cut, char* out, const char* limit) noexcept;
/// Exactly what encode_record writes.
std::size_t encoded_bytes(const ExchangeRecord& record, Cut cut) noexcept;

/// Names and values apart, each a sequence of length-prefixed strings: clients repeat their header names, so a whole
/// names block is looked up at once when headers are turned into JSON.
struct HeaderBlock {
  std::uint32_t count = 0;
  std::string_view names;
  std::string_view values;
};

/// Views into the payload: valid while it is.
struct DecodedRecord {
  ExchangeRecord record;  ///< its header and redaction spans are not set
  HeaderBlock request_headers, response_headers;
  std::vector<RedactionCount> redaction_counts;  ///< kept between calls for its memory
};

/// False when the payload is no record of this or an older version.
bool decode_record(std::string_view payload, std::uint16_t version, DecodedRecord& out);

/// Takes the next string off a HeaderBlock's names or values. False at a malformed one.
bool next_string(std::string_view& block, std::string_view& out);

}  // namespace gw::trace
