#pragma once
// Credentials that clients and providers put where none belongs do not get into the ring: not in ids, names, paths and
// header values. Bodies are the guard's.
#include <array>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>

#include "model/exchange_record.h"

namespace gw::pipeline {

/// Of one worker. What takes the place of a text lives here until the next record. Nearly all texts of a record stood
/// in the one before, in the same place: those are compared, and only others are searched.
class StoredTexts {
 public:
  /// `request` and `response` are the headers that came in, to be stored with `record`; `own_id`: its correlation id
  /// was made here. Steadily, it does not allocate while it finds nothing.
  void scrub(ExchangeRecord& record, bool own_id, std::span<HeaderView> request, std::span<HeaderView> response);

 private:
  /// The last text in one place in which nothing was found.
  struct Known {
    std::array<char, 126> text;
    std::uint16_t size = 0;

    bool is(std::string_view other) const;
    void remember(std::string_view other);
  };
  static constexpr std::size_t kFields = 12, kHeaders = 24;

  void scrub(std::string_view& text, Known* known);
  void search(std::string_view& text, Known* known);

  std::deque<std::string> kept_;
  std::array<Known, kFields> fields_{};
  std::array<Known, kHeaders> request_{}, response_{};
};

}  // namespace gw::pipeline
