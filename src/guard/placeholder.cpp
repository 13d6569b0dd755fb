#include "guard/placeholder.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/strings.h"
#include "guard/form_text.h"
#include "guard/json_text.h"
#include "guard/text_class.h"

namespace gw::guard {
namespace {

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

/// No document, line of events or lone value can begin so, nor go on so behind a letter or two of one.
bool begins_inert(std::string_view s) {
  if (s.empty() || is_word(s[0]) || static_cast<unsigned char>(s[0]) <= ' ') return false;
  if (s[0] == ':' || s[0] == '"' || s[0] == '-' || s[0] == '{') return false;
  // Behind a bracket a value would have to begin.
  return s[0] != '[' || (s.size() > 1 && is_upper(s[1]));
}

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
  for (auto& forms : forms_) forms.resize(kKinds);
  const auto each = [this](auto&& f) {
    for (std::size_t w = 0; w < kWritings; ++w)
      for (std::size_t k = 0; k < kKinds; ++k) f(forms_[w][k], w, static_cast<Kind>(k));
  };
  std::size_t fixed = 0;
  bool has_type = false;
  bool has_hash = false;
  for (std::string_view rest = format; !rest.empty();) {
    std::size_t length = 0;
    if (rest.starts_with(kType)) {
      if (!std::exchange(has_type, true)) probe_ = forms_[0][0].text.size();
      length = kType.size();
      each([&](Form& form, std::size_t w, Kind kind) { add(form, w, names.type(kind)); });
    } else if (rest.starts_with(kHash)) {
      has_hash = true;
      length = kHash.size();
      each([](Form& form, std::size_t, Kind) {
        form.hashes.push_back(form.text.size());
        form.text.append(ValueHash::kHexSize, '0');
      });
    } else {
      length = std::min({rest.find(kType), rest.find(kHash), rest.size()});
      const std::string_view text = rest.substr(0, length);
      const bool anchors = length > anchor_.size();
      if (anchors) anchor_ = text;
      fixed += length;
      each([&](Form& form, std::size_t w, Kind) {
        if (anchors) form.anchor = form.text.size();
        add(form, w, text);
      });
    }
    rest.remove_prefix(length);
  }
  if (!has_hash || has_type || fixed >= kMinFixed) recognised_ = names.size();
  if (!has_type) probe_ = forms_[0][0].anchor;
  const auto& texts = forms_.front();
  for (std::size_t k = 0; k < recognised_; ++k) {
    const Form& form = texts[k];
    shortest_ = std::min(shortest_, form.text.size());
    const bool hash_first = !form.hashes.empty() && form.hashes[0] == 0;
    for (const char c : hash_first ? std::string_view(kHexDigits) : std::string_view(form.text).substr(0, 1))
      begins_[static_cast<unsigned char>(c)] = true;
  }
  inert_ = std::all_of(texts.begin(), texts.end(), [](const Form& form) { return begins_inert(form.text); });
}

void Placeholder::add(Form& form, std::size_t writing, std::string_view text) {
  switch (static_cast<As>(writing)) {
    case As::text:
      form.text += text;
      break;
    case As::json:
      append_json_content(form.text, text);
      break;
    case As::form:
      append_form_value(form.text, text);
      break;
  }
}

ValueHash Placeholder::hash_in(std::string_view workspace_id) const {
  const std::string_view workspace = trim(workspace_id);
  return ValueHash(std::string(workspace.empty() ? "default" : workspace).append(":").append(salt_).append(":"));
}

void Placeholder::append(std::string& out, Kind kind, std::uint64_t hash, As as) const {
  const Form& form = forms_[static_cast<std::size_t>(as)][static_cast<std::size_t>(kind)];
  const std::size_t at = out.size();
  out += form.text;
  for (const std::size_t h : form.hashes) ValueHash::write_hex(hash, out.data() + at + h);
}

/// The end of a replacement of this form at `at`, or npos.
std::size_t Placeholder::end_of(const Form& form, std::string_view text, std::size_t at) const {
  const std::string_view wanted = form.text;
  if (text.size() - at < wanted.size() || wanted.empty() || text[at + probe_] != wanted[probe_]) return npos;
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
    const Form& form = forms_[0][k];
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
  if (text.empty() || !begins_[static_cast<unsigned char>(text[0])]) return false;
  const auto begin = forms_[0].begin();
  return std::any_of(begin, begin + static_cast<std::ptrdiff_t>(recognised_),
                     [&](const Form& form) { return end_of(form, text, 0) != npos; });
}

bool Placeholder::is_whole(std::string_view text) const {
  if (text.empty() || !begins_[static_cast<unsigned char>(text[0])]) return false;
  const auto begin = forms_[0].begin();
  return std::any_of(begin, begin + static_cast<std::ptrdiff_t>(recognised_),
                     [&](const Form& form) { return end_of(form, text, 0) == text.size(); });
}

}  // namespace gw::guard
