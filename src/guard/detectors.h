#pragma once
// What counts as personal or secret in running text. Immutable, shared by all workers.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "guard/match.h"

namespace re2 {
class RE2;
}

namespace gw::guard {

struct DetectorOptions {
  bool email = true;
  bool phone = true;
  bool ssn = true;
  bool token_like = true;
};

/// In the order in which they are applied, each to what the ones before left. Issued credentials come first, so that no
/// phone number found inside one leaves the rest of it standing.
enum class Detector : std::uint8_t { credential, email, phone, ssn, token };
inline constexpr Detector kDetectors[] = {Detector::credential, Detector::email, Detector::phone, Detector::ssn,
                                          Detector::token};

/// Candidates are found by scanning for the rare bytes every match has (`@`, a run of digits, a known credential
/// prefix); only they are looked at closely. Time is linear in the text.
class Detectors {
 public:
  explicit Detectors(const DetectorOptions& options);
  ~Detectors();

  /// The detectors that could find something in `text`, one bit each by their value. Cheap, and never wrongly unset.
  unsigned candidates(std::string_view text) const;

  /// Appends what one detector finds, leftmost first, not overlapping. Nothing when the detector is switched off.
  void find(Detector detector, std::string_view text, std::vector<Match>& out) const;

 private:
  void find_emails(std::string_view text, std::vector<Match>& out) const;
  void find_phones(std::string_view text, std::vector<Match>& out) const;
  void find_tokens(std::string_view text, std::vector<Match>& out) const;

  DetectorOptions options_;
  std::unique_ptr<re2::RE2> email_tail_, phone_, underscore_token_, jwt_;
};

}  // namespace gw::guard
