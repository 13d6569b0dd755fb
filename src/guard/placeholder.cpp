#include "guard/placeholder.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/strings.h"

namespace gw::guard {
namespace {

constexpr auto npos = std::string_view::npos;
constexpr std::string_view kDefaultFormat = "[{type}_REDACTED:{hash}]";
constexpr std::string_view kType = "{type}";
constexpr std::string_view kHash = "{hash}";
/// Fewer fixed characters around a bare hash could as well be a secret in hex.
constexpr std::size_t kMinFixed = 4;

struct Name {
  std::string_view key, type;
};
constexpr Name kNames[] = {{"field_name", "FIELD"}, {"email", "EMAIL"},       {"phone", "PHONE"}, {"ssn", "SSN"},
                           {"token_like", "TOKEN"}, {"payment_card", "CARD"}, {"iban", "IBAN"},   {"ip_address", "IP"}};
static_assert(std::size(kNames) == static_cast<std::size_t>(Kind::pattern));

}  // namespace

KindNames::KindNames(std::vector<std::string> patterns) : patterns_(std::move(patterns)) {
  for (const std::string& p : patterns_) {
    types_.push_back(p);
    for (char& c : types_.back()) c = to_upper(c);
  }
}

std::string_view KindNames::count_key(Kind kind) const {
  const auto k = static_cast<std::size_t>(kind);
  if (kind < Kind::pattern) return kNames[k].key;
  const std::size_t i = k - static_cast<std::size_t>(Kind::pattern);
  return i < patterns_.size() ? std::string_view(patterns_[i]) : "pattern";
}

std::string_view KindNames::type(Kind kind) const {
  const auto k = static_cast<std::size_t>(kind);
  if (kind < Kind::pattern) return kNames[k].type;
  const std::size_t i = k - static_cast<std::size_t>(Kind::pattern);
  return i < types_.size() ? std::string_view(types_[i]) : "PATTERN";
}

Placeholder::Placeholder(std::string_view configured, std::string_view salt, KindNames names) : salt_(salt) {
  std::string format(trim(configured).empty() ? kDefaultFormat : trim(configured));
  for (char& c : format)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  plain_ = format.find_first_of("\"\\") == std::string::npos;
  forms_.resize(kKinds);
  std::size_t fixed = 0;
  bool has_type = false;
  bool has_hash = false;
  for (std::string_view rest = format; !rest.empty();) {
    std::size_t length = 0;
    if (rest.starts_with(kType)) {
      has_type = true;
      length = kType.size();
      for (std::size_t k = 0; k < kKinds; ++k) forms_[k].text += names.type(static_cast<Kind>(k));
    } else if (rest.starts_with(kHash)) {
      has_hash = true;
      length = kHash.size();
      for (Form& form : forms_) {
        form.hashes.push_back(form.text.size());
        form.text.append(ValueHash::kHexSize, '0');
      }
    } else {
      length = std::min({rest.find(kType), rest.find(kHash), rest.size()});
      const std::string_view text = rest.substr(0, length);
      const bool anchors = length > anchor_.size();
      if (anchors) anchor_ = text;
      fixed += length;
      for (Form& form : forms_) {
        if (anchors) form.anchor = form.text.size();
        form.text += text;
      }
    }
    rest.remove_prefix(length);
  }
  if (!has_hash || has_type || fixed >= kMinFixed) recognised_ = names.size();
}

Placeholder::Writer::Writer(const Placeholder& placeholder, std::string_view workspace_id)
    : placeholder_(placeholder),
      hash_(std::string(trim(workspace_id).empty() ? "default" : trim(workspace_id))
                .append(":")
                .append(placeholder.salt_)
                .append(":")) {}

void Placeholder::Writer::append(std::string& out, Kind kind, std::string_view value) const {
  const Form& form = placeholder_.forms_[static_cast<std::size_t>(kind)];
  const std::size_t at = out.size();
  out += form.text;
  if (form.hashes.empty()) return;
  const auto hash = hash_.hex(value);
  for (const std::size_t h : form.hashes) std::memcpy(out.data() + at + h, hash.data(), hash.size());
}

/// The end of a replacement of this form at `at`, or npos.
std::size_t Placeholder::end_of(const Form& form, std::string_view text, std::size_t at) {
  const std::string_view wanted = form.text;
  if (text.size() - at < wanted.size()) return npos;
  const std::string_view there = text.substr(at, wanted.size());
  std::size_t seen = 0;
  for (const std::size_t h : form.hashes) {
    if (there.substr(seen, h - seen) != wanted.substr(seen, h - seen)) return npos;
    seen = h + ValueHash::kHexSize;
    for (const char c : there.substr(h, ValueHash::kHexSize))
      if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) return npos;
  }
  return there.substr(seen) == wanted.substr(seen) ? at + wanted.size() : npos;
}

/// The end of the longest replacement that begins at or after `from` and has its anchor at `anchor`, or npos.
std::size_t Placeholder::longest_at(std::string_view text, std::size_t anchor, std::size_t from,
                                    std::size_t& begin) const {
  std::size_t longest = npos;
  for (std::size_t k = 0; k < recognised_; ++k) {
    const Form& form = forms_[k];
    if (anchor < from + form.anchor) continue;
    const std::size_t at = anchor - form.anchor;
    const std::size_t end = end_of(form, text, at);
    if (end == npos || (longest != npos && end - at <= longest - begin)) continue;
    begin = at;
    longest = end;
  }
  return longest;
}

bool Placeholder::find(std::string_view text, std::size_t from, std::size_t& begin, std::size_t& end) const {
  if (recognised_ == 0) return false;
  for (std::size_t i = from; (i = text.find(anchor_, i)) != npos && i < text.size(); ++i) {
    const std::size_t found = longest_at(text, i, from, begin);
    if (found == npos) continue;
    end = found;
    return true;
  }
  return false;
}

bool Placeholder::starts(std::string_view text) const {
  return std::any_of(forms_.begin(), forms_.begin() + static_cast<std::ptrdiff_t>(recognised_),
                     [text](const Form& form) { return end_of(form, text, 0) != npos; });
}

bool Placeholder::is_whole(std::string_view text) const {
  return std::any_of(forms_.begin(), forms_.begin() + static_cast<std::ptrdiff_t>(recognised_),
                     [text](const Form& form) { return end_of(form, text, 0) == text.size(); });
}

}  // namespace gw::guard
