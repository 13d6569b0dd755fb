#pragma once
// Credentials that clients and providers put where none belongs do not get into the ring: not in ids, names, paths and
// header values. Bodies are the guard's.
#include <deque>
#include <span>
#include <string>
#include <string_view>

#include "model/exchange_record.h"

namespace gw::pipeline {

/// Of one worker. What takes the place of a text lives here until the next record.
class StoredTexts {
 public:
  /// `request` and `response` are the headers that `record` refers to. Steadily, it does not allocate
  /// while it finds nothing.
  void scrub(ExchangeRecord& record, std::span<HeaderView> request, std::span<HeaderView> response);

 private:
  void scrub(std::string_view& text);

  std::deque<std::string> kept_;
  std::string all_;
};

}  // namespace gw::pipeline
