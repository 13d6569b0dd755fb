#pragma once
// What the sockets of one loop are to send, until what became ready in the same turn had its go. The messages then
// leave back to back: the kernel's way down is warm for all but the first, and a peer finds many when it wakes.
// Measured: a tenth of what the kernel does for a proxied request. Belongs to the loop's thread.
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

namespace gw::net {

class Socket;

/// One run of bytes of what lies in parts.
inline void copy_parts(char* to, const iovec* parts, int count) {
  for (int i = 0; i < count; ++i) {
    std::memcpy(to, parts[i].iov_base, parts[i].iov_len);
    to += parts[i].iov_len;
  }
}

class Outbox {
 public:
  /// Longer messages leave at once: they are worth a call of their own, and no copy.
  static constexpr std::size_t kMaxMessage = 4096;
  /// More gain nothing further. Nor do they wait for more than so many others to have their go.
  static constexpr std::size_t kMaxMessages = 24;

  bool empty() const { return count_ == 0; }
  /// Copies `size` bytes, at most kMaxMessage; `socket` gets them by send_queued() and has to outlive that.
  void put(Socket& socket, const iovec* parts, int count, std::size_t size);
  /// Sends everything, in order.
  void flush();

 private:
  struct Message {
    Socket* socket;
    std::uint32_t offset, size;
  };
  std::array<Message, kMaxMessages> messages_;
  std::size_t count_ = 0, used_ = 0;
  std::unique_ptr<char[]> bytes_;  ///< room for the longest of all messages
};

}  // namespace gw::net
