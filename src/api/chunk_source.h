#pragma once
// An answer's body that is pulled piece by piece instead of being made whole. next() is plain blocking code on a query
// thread, a different one each time perhaps, never two at once; between calls nobody holds a thread. Destroyed on any
// thread.
#include <cstddef>
#include <cstdint>
#include <string>

#include "store/trace_store.h"

namespace gw::api {

/// What a piece has at least before it ends with the row that reached it: large enough for wire speed, small enough
/// that streams share query threads fairly.
inline constexpr std::size_t kChunkBytes = std::size_t{256} << 10;

struct Chunk {
  enum class Then : std::uint8_t {
    more,    ///< ask again at once
    wait,    ///< ask again when something was committed, at the latest after wait_ns
    end,     ///< that was all
    failed,  ///< the body stays incomplete, and the client must see that it is
  };

  std::string bytes;  ///< may be empty
  Then then = Then::end;
  std::int64_t wait_ns = 0;
  std::string error;  ///< with `failed`: for the log
};

class ChunkSource {
 public:
  virtual ~ChunkSource() = default;
  /// Never fails otherwise than by the chunk.
  virtual Chunk next(store::TraceReader& traces) = 0;
  /// It has no end of its own: a process that shuts down ends it, in order.
  virtual bool endless() const { return false; }
};

}  // namespace gw::api
