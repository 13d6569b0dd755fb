#pragma once
// Puts the names of an object in order: in linear time whatever they are, as who sends a body chooses them.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace gw::guard {

/// Reused from object to object.
class NameSort {
 public:
  /// Sorts them by their bytes; equal ones keep their order. They outlive the call only.
  void order(const std::vector<std::string_view>& names);
  /// Which of them is the i-th.
  std::size_t operator[](std::size_t i) const { return items_[i].name; }

 private:
  struct Item {
    std::uint64_t word;  ///< eight bytes of the name, the first one highest
    std::uint32_t name;
  };
  /// Those in [from, to), which have the same bytes before `at`.
  struct Group {
    std::size_t from, to, at;
  };
  void by_comparing(const std::vector<std::string_view>& names, const Group& group);
  void by_word(const Group& group);
  void split(const std::vector<std::string_view>& names, const Group& group);

  std::vector<Item> items_, other_;
  std::vector<Group> groups_;  // that are to be sorted
};

}  // namespace gw::guard
