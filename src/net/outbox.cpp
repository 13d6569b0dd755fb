#include "net/outbox.h"

#include "net/socket.h"

namespace gw::net {

void Outbox::put(Socket& socket, const iovec* parts, int count, std::size_t size) {
  if (count_ == kMaxMessages) flush();
  if (!bytes_) bytes_ = std::make_unique_for_overwrite<char[]>(kMaxMessages * kMaxMessage);
  messages_[count_++] = {&socket, static_cast<std::uint32_t>(used_), static_cast<std::uint32_t>(size)};
  copy_parts(bytes_.get() + used_, parts, count);
  used_ += size;
}

void Outbox::flush() {
  for (std::size_t i = 0; i < count_; ++i) {
    const Message& m = messages_[i];
    m.socket->send_queued({bytes_.get() + m.offset, m.size});
  }
  count_ = used_ = 0;
}

}  // namespace gw::net
