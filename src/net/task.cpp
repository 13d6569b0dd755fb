#include "net/task.h"

#include <array>
#include <new>

namespace gw::net {
namespace {

constexpr std::size_t kStep = 128;
constexpr std::size_t kClasses = 64;
constexpr std::size_t kKeptPerClass = 256;  // frames kept for reuse; a burst's surplus goes back to the heap

struct FreeList {
  struct Node {
    Node* next;
  };
  std::array<Node*, kClasses> head{};
  std::array<std::size_t, kClasses> count{};

  ~FreeList() {
    for (Node* n : head)
      while (n != nullptr) ::operator delete(std::exchange(n, n->next));
  }
};
thread_local FreeList free_list;

}  // namespace

void* frame_allocate(std::size_t size) {
  const std::size_t cls = (size - 1) / kStep;
  if (cls >= kClasses) return ::operator new(size);
  if (auto*& head = free_list.head[cls]; head != nullptr) {
    --free_list.count[cls];
    return std::exchange(head, head->next);
  }
  return ::operator new((cls + 1) * kStep);
}

void frame_release(void* p, std::size_t size) noexcept {
  const std::size_t cls = (size - 1) / kStep;
  if (cls >= kClasses || free_list.count[cls] >= kKeptPerClass) {
    ::operator delete(p);
    return;
  }
  auto* node = static_cast<FreeList::Node*>(p);
  node->next = free_list.head[cls];
  free_list.head[cls] = node;
  ++free_list.count[cls];
}

}  // namespace gw::net
