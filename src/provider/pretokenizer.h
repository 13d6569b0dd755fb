#pragma once
// The first step of both tokenizers: a text in the pieces that byte pair encoding then works on, one by one.
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gw::provider {

enum class Encoding : std::uint8_t { o200k, cl100k };

/// A longer piece (a run of one kind of character; ordinary text has none) is cut here, after a whole character. So a
/// hostile text costs no more per byte than any other; at most about one token per cut differs from the published
/// tokenizers.
inline constexpr std::size_t kMaxPieceBytes = 4080;

/// Bytes of the piece that `text`, which is not empty, begins with. With `last` the text ends here; without it more may
/// follow, and 0 says that the piece depends on what does: never once text has kMaxPieceBytes + 16.
std::size_t next_piece(Encoding encoding, std::string_view text, bool last);

}  // namespace gw::provider
