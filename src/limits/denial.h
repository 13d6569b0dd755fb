#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "limits/thresholds.h"

namespace gw::limits {

/// A refusal, and what it tells the client.
struct Denial {
  Subject subject = Subject::key;
  Measure measure = Measure::requests;
  /// Header and field of this name; 0: there is none.
  std::int64_t retry_after_s = 0;
  /// The limit is spent, not only reserved by requests in flight: asking again in a minute is in vain.
  bool lasting = false;
  /// This gateway's share is used up; others may have left some of theirs.
  bool short_of_share = false;

  std::string_view code() const;
  std::string_view message() const;
  /// JSON with its newline.
  std::string body() const;
};

/// Of what is asked of a subject, for log lines: `tokens per day`.
std::string_view to_string(Measure m);
std::string_view to_string(Subject s);

}  // namespace gw::limits
