#pragma once
// What counts as personal or secret in running text. Immutable, shared by all workers.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "guard/match.h"
#include "guard/patterns.h"

namespace gw::guard {

struct DetectorOptions {
  bool email = true;
  bool phone = true;
  bool phone_bare_digits = true;     ///< also ten or eleven digits without any separator
  bool phone_international = false;  ///< also `+` and a country's number
  bool ssn = true;
  bool ssn_ranges = false;  ///< only numbers that can have been issued
  bool token_like = true;
  // Parts of token_like.
  bool provider_keys = true;
  bool private_keys = true;
  bool jwt = true;

  bool payment_card = false;
  bool iban = false;
  bool ip_address = false;
  std::vector<PatternOptions> patterns{};
};

/// In the order in which they are applied, each to what the ones before left. Issued credentials come first, so that no
/// phone number found inside one leaves the rest of it standing; numbers with a checksum come before those without.
enum class Detector : std::uint8_t { credential, pattern, card, iban, email, phone, ssn, token, ip };
inline constexpr Detector kDetectors[] = {Detector::credential, Detector::pattern, Detector::card,
                                          Detector::iban,       Detector::email,   Detector::phone,
                                          Detector::ssn,        Detector::token,   Detector::ip};
constexpr unsigned bit_of(Detector d) { return 1U << static_cast<unsigned>(d); }
/// Those that look at numbers of JSON too. Others would take ids and times for phone numbers.
inline constexpr unsigned kOfNumbers = bit_of(Detector::card) | bit_of(Detector::pattern);

/// How far one detector has come in a text.
struct Scan {
  std::size_t at = 0;     ///< where to look on
  std::size_t floor = 0;  ///< nothing before this takes part in a further match
  std::size_t known = 0;  ///< the detector's own
};

/// Candidates are found by scanning for the rare bytes every match has (`@`, a run of digits, a known credential
/// prefix); only they are looked at closely. Time is linear in the text.
class Detectors {
 public:
  /// Bytes of what is found at the least (`a@b.cd`), but for patterns.
  static constexpr std::size_t kShortest = 6;

  explicit Detectors(const DetectorOptions& options);

  /// Those of the detectors `wanted` that could find something that has its trigger in [from, to) of `text`, one bit
  /// each. A few tenths of a nanosecond a byte, and never wrongly unset.
  unsigned candidates(std::string_view text, std::size_t from, std::size_t to, unsigned wanted = ~0U) const;
  unsigned candidates(std::string_view text) const { return candidates(text, 0, text.size()); }

  /// Goes on until `stop`; a candidate before it is looked at as far as it goes. Appends what is found, leftmost first,
  /// not overlapping. True: the text is done. Nothing when the detector is switched off.
  bool find(Detector detector, std::string_view text, Scan& scan, std::size_t stop, std::vector<Match>& out) const;
  void find(Detector detector, std::string_view text, std::vector<Match>& out) const;

  bool looks_at_numbers() const { return options_.payment_card || !patterns_.empty(); }
  unsigned on() const { return on_; }

 private:
  void find_emails(std::string_view text, Scan& scan, std::size_t stop, std::vector<Match>& out) const;
  void find_phones(std::string_view text, Scan& scan, std::size_t stop, std::vector<Match>& out) const;
  void find_ssns(std::string_view text, Scan& scan, std::size_t stop, std::vector<Match>& out) const;
  void find_tokens(std::string_view text, Scan& scan, std::size_t stop, std::vector<Match>& out) const;

  DetectorOptions options_;
  unsigned on_ = 0;
  Patterns patterns_;
};

}  // namespace gw::guard
