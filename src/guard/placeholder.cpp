#include "guard/placeholder.h"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "base/sha256.h"
#include "base/strings.h"

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

Placeholder::Placeholder(std::string_view configured, std::string_view salt, KindNames names)
    : names_(std::move(names)), salt_(salt) {
  std::string format(trim(configured).empty() ? kDefaultFormat : trim(configured));
  for (char& c : format)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  std::string types;
  for (std::size_t k = 0; k < names_.size(); ++k)
    types.append(types.empty() ? "(?:" : "|").append(names_.type(static_cast<Kind>(k)));
  types += ')';
  std::string pattern;
  std::size_t fixed = 0;
  bool has_type = false;
  bool has_hash = false;
  for (std::string_view rest = format; !rest.empty();) {
    if (rest.starts_with(kType)) {
      parts_.push_back({Part::What::type, {}});
      pattern += types;
      has_type = true;
      rest.remove_prefix(kType.size());
    } else if (rest.starts_with(kHash)) {
      parts_.push_back({Part::What::hash, {}});
      pattern += "[0-9a-f]{16}";
      has_hash = true;
      rest.remove_prefix(kHash.size());
    } else {
      const std::string_view text = rest.substr(0, std::min({rest.find(kType), rest.find(kHash), rest.size()}));
      parts_.push_back({Part::What::text, std::string(text)});
      pattern += re2::RE2::QuoteMeta(re2::StringPiece(text.data(), text.size()));
      fixed += text.size();
      if (text.size() > anchor_.size()) anchor_ = text;
      rest.remove_prefix(text.size());
    }
  }
  if (has_hash && !has_type && fixed < kMinFixed) return;
  re2::RE2::Options options;
  options.set_encoding(re2::RE2::Options::EncodingLatin1);
  options.set_log_errors(false);
  auto compiled = std::make_unique<re2::RE2>(pattern, options);
  if (compiled->ok()) recognise_ = std::move(compiled);
}

Placeholder::~Placeholder() = default;

void Placeholder::append(std::string& out, Kind kind, std::string_view workspace_id, std::string_view value) const {
  constexpr std::size_t kHashBytes = 8;
  char hash[2 * kHashBytes];
  bool hashed = false;
  for (const Part& part : parts_) {
    switch (part.what) {
      case Part::What::text:
        out += part.fixed;
        break;
      case Part::What::type:
        out += names_.type(kind);
        break;
      case Part::What::hash:
        if (!std::exchange(hashed, true)) {
          const std::string_view workspace = trim(workspace_id);
          thread_local std::string input;  // keeps its memory: most values are short
          input.clear();
          input.append(workspace.empty() ? "default" : workspace).append(":").append(salt_).append(":").append(value);
          const Sha256 digest = sha256(input);
          constexpr std::size_t kKept = 4096;
          if (input.capacity() > kKept) std::string().swap(input);
          constexpr char kDigits[] = "0123456789abcdef";
          for (std::size_t i = 0; i < kHashBytes; ++i) {
            hash[2 * i] = kDigits[digest[i] >> 4];
            hash[2 * i + 1] = kDigits[digest[i] & 15];
          }
        }
        out.append(hash, sizeof hash);
        break;
    }
  }
}

bool Placeholder::find(std::string_view text, std::size_t from, std::size_t& begin, std::size_t& end) const {
  if (!recognise_ || text.find(anchor_, from) == std::string_view::npos) return false;
  re2::StringPiece hit;
  const re2::StringPiece all(text.data(), text.size());
  if (!recognise_->Match(all, from, text.size(), re2::RE2::UNANCHORED, &hit, 1)) return false;
  begin = static_cast<std::size_t>(hit.data() - text.data());
  end = begin + hit.size();
  return true;
}

bool Placeholder::starts(std::string_view text) const {
  if (!recognise_) return false;
  return recognise_->Match(re2::StringPiece(text.data(), text.size()), 0, text.size(), re2::RE2::ANCHOR_START, nullptr,
                           0);
}

bool Placeholder::is_whole(std::string_view text) const {
  if (!recognise_) return false;
  return recognise_->Match(re2::StringPiece(text.data(), text.size()), 0, text.size(), re2::RE2::ANCHOR_BOTH, nullptr,
                           0);
}

}  // namespace gw::guard
