#include "guard/credentials.h"

#include <bit>
#include <cstdint>

#include "base/strings.h"
#include "guard/credential_forms.h"
#include "guard/detectors.h"
#include "guard/text_class.h"
#include "guard/trigger_scan.h"

namespace gw::guard {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----";
constexpr std::size_t kMaxLabel = 48;  // "ENCRYPTED PRIVATE KEY", "PGP PRIVATE KEY BLOCK" and what may come

/// Whatever may stand between the two lines of a key, also when its newlines are escaped once more.
constexpr bool is_pem_char(char c) {
  return is_alnum(c) || c == '+' || c == '/' || c == '=' || c == '-' || c == '\\' || c == ':' || c == ',' || c == ' ' ||
         c == '\t' || c == '\r' || c == '\n';
}

class Scanner {
 public:
  Scanner(std::string_view text, Scan& scan, const CredentialKinds& kinds)
      : text_(text), scan_(scan), kinds_(kinds), floor_(scan.floor), pem_run_end_(scan.known) {}

  void run(std::size_t stop, std::vector<Match>& out) {
    // Every form has one of these; what stands around it is looked at closely.
    const auto is_start = [](Block v) {
      return (Block)((v - byte_of('-')) <= byte_of('.' - '-')) | (Block)(v == byte_of('_')) |
             (Block)(v == byte_of('I'));
    };
    each_hit(text_, scan_.at, stop, is_start, [&](std::size_t i) {
      const char c = text_[i];
      std::size_t begin = npos;
      std::size_t end = npos;
      if (c == '-' && private_key_starts(i))
        end = kinds_.private_keys ? private_key(i, begin) : npos;
      else if (kinds_.keys)
        end = c == 'I' ? cloud_key(i, begin) : prefixed(i, begin);
      if (end == npos || begin < floor_) return i + 1;
      out.emplace_back(begin, end, Kind::token_like);
      return floor_ = end;
    });
    scan_ = {.at = std::max(stop, floor_), .floor = floor_, .known = pem_run_end_};
  }

 private:
  bool starts_word(std::size_t i) const { return i >= floor_ && (i == 0 || !is_word(text_[i - 1])); }

  std::size_t run_end(std::size_t i, Alphabet a) const {
    while (i < text_.size() && in_alphabet(a, text_[i])) ++i;
    return i;
  }

  std::size_t prefixed(std::size_t trigger, std::size_t& begin) const {
    const std::string_view head = text_.substr(0, trigger + 1);
    for (std::uint64_t left = forms_ending(text_, trigger); left != 0; left &= left - 1) {
      const Form& form = kForms[static_cast<std::size_t>(std::countr_zero(left))];
      if (!head.ends_with(form.prefix)) continue;
      const std::size_t start = head.size() - form.prefix.size();
      const std::size_t end = run_end(head.size(), form.alphabet);
      if (!starts_word(start) || end - head.size() < form.min) continue;
      begin = start;
      return end;
    }
    return npos;
  }

  /// AKIA… and its kin around their I, AIza… around its.
  std::size_t cloud_key(std::size_t i, std::size_t& begin) const {
    if (i >= 1 && text_.substr(i - 1, 4) == "AIza" && starts_word(i - 1)) {
      const std::size_t end = run_end(i + 3, Alphabet::url_safe);
      if (end - (i + 3) < 30) return npos;
      begin = i - 1;
      return end;
    }
    if (i < 2) return npos;
    const std::string_view kind = text_.substr(i - 2, 4);
    if ((kind != "AKIA" && kind != "ASIA" && kind != "ABIA") || !starts_word(i - 2)) return npos;
    const std::size_t end = i + 2 + 16;
    if (end > text_.size() || !boundary_at(text_, end)) return npos;
    for (char c : text_.substr(i + 2, 16))
      if (!is_upper(c) && !is_digit(c)) return npos;
    begin = i - 2;
    return end;
  }

  bool private_key_starts(std::size_t i) const {
    return i + kBegin.size() <= text_.size() && text_[i + kDashes.size()] == 'B' &&
           text_.substr(i, kBegin.size()) == kBegin;
  }

  std::size_t private_key(std::size_t i, std::size_t& begin) {
    const std::size_t label_at = i + kBegin.size();
    const std::string_view near = text_.substr(label_at, kMaxLabel + kDashes.size());
    const std::size_t label_end = near.find(kDashes);
    if (label_end == npos) return npos;
    const std::string_view label = near.substr(0, label_end);
    if (label.find("PRIVATE KEY") == npos) return npos;
    for (char l : label)
      if (!is_upper(l) && !is_digit(l) && l != ' ') return npos;
    const std::size_t content = label_at + label_end + kDashes.size();
    if (content > pem_run_end_) {
      pem_run_end_ = content;
      while (pem_run_end_ < text_.size() && is_pem_char(text_[pem_run_end_])) ++pem_run_end_;
    }
    begin = i;
    const std::size_t last = text_.substr(0, pem_run_end_).find(kEnd, content);
    if (last == npos) return pem_run_end_;
    const std::size_t close = text_.substr(0, pem_run_end_).find(kDashes, last + kEnd.size());
    return close == npos ? pem_run_end_ : close + kDashes.size();
  }

  std::string_view text_;
  Scan& scan_;
  const CredentialKinds& kinds_;
  std::size_t floor_;        // nothing before this belongs to a further match
  std::size_t pem_run_end_;  // end of the run of key characters last measured; 0: none was
};

}  // namespace

bool credential_starts(std::string_view text, std::size_t i) {
  const char c = text[i];
  if (c == 'I') {
    if (i == 0) return false;
    if (text[i - 1] == 'A') return text.substr(i - 1, 4) == "AIza";
    return i >= 2 && text[i - 2] == 'A' && text.substr(i + 1, 1) == "A";
  }
  if (c == '-' && text.substr(i, 5) == kDashes) return true;
  if (i < 2) return false;
  const std::string_view head = text.substr(0, i + 1);
  for (std::uint64_t left = forms_ending(text, i); left != 0; left &= left - 1)
    if (head.ends_with(kForms[static_cast<std::size_t>(std::countr_zero(left))].prefix)) return true;
  return false;
}

void find_credentials(std::string_view text, Scan& scan, std::size_t stop, const CredentialKinds& kinds,
                      std::vector<Match>& out) {
  Scanner(text, scan, kinds).run(stop, out);
}

}  // namespace gw::guard
