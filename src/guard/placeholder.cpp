#include "guard/placeholder.h"

#include <re2/re2.h>

#include "base/sha256.h"
#include "base/strings.h"

namespace gw::guard {
namespace {

constexpr std::string_view kDefaultFormat = "[{type}_REDACTED:{hash}]";
constexpr std::string_view kType = "{type}";
constexpr std::string_view kHash = "{hash}";
/// Fewer fixed characters around a bare hash could as well be a secret in hex.
constexpr std::size_t kMinFixed = 4;

std::string_view type_name(Kind kind) {
  switch (kind) {
    case Kind::field_name:
      return "FIELD";
    case Kind::email:
      return "EMAIL";
    case Kind::phone:
      return "PHONE";
    case Kind::ssn:
      return "SSN";
    case Kind::token_like:
      return "TOKEN";
  }
  return "FIELD";
}

struct Piece {
  enum { text, type, hash } what;
  std::string_view fixed;
};

/// The next part of a format; removes it.
Piece next_piece(std::string_view& rest) {
  if (rest.starts_with(kType)) {
    rest.remove_prefix(kType.size());
    return {Piece::type, {}};
  }
  if (rest.starts_with(kHash)) {
    rest.remove_prefix(kHash.size());
    return {Piece::hash, {}};
  }
  const std::size_t end = std::min({rest.find(kType), rest.find(kHash), rest.size()});
  const std::string_view fixed = rest.substr(0, end);
  rest.remove_prefix(end);
  return {Piece::text, fixed};
}

}  // namespace

std::string_view count_key(Kind kind) {
  switch (kind) {
    case Kind::field_name:
      return "field_name";
    case Kind::email:
      return "email";
    case Kind::phone:
      return "phone";
    case Kind::ssn:
      return "ssn";
    case Kind::token_like:
      return "token_like";
  }
  return "field_name";
}

Placeholder::Placeholder(std::string_view format, std::string_view salt)
    : format_(trim(format).empty() ? kDefaultFormat : trim(format)), salt_(salt) {
  for (char& c : format_)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  std::string pattern;
  std::size_t fixed = 0;
  bool has_type = false;
  bool has_hash = false;
  for (std::string_view rest = format_; !rest.empty();) {
    const Piece piece = next_piece(rest);
    if (piece.what == Piece::text) {
      fixed += piece.fixed.size();
      pattern += re2::RE2::QuoteMeta(re2::StringPiece(piece.fixed.data(), piece.fixed.size()));
      if (piece.fixed.size() > anchor_.size()) anchor_ = piece.fixed;
    } else {
      has_type |= piece.what == Piece::type;
      has_hash |= piece.what == Piece::hash;
      pattern += piece.what == Piece::type ? "(?:FIELD|EMAIL|PHONE|SSN|TOKEN)" : "[0-9a-f]{16}";
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
  std::string hash;
  for (std::string_view rest = format_; !rest.empty();) {
    const Piece piece = next_piece(rest);
    switch (piece.what) {
      case Piece::text:
        out += piece.fixed;
        break;
      case Piece::type:
        out += type_name(kind);
        break;
      case Piece::hash:
        if (hash.empty()) {
          const std::string_view workspace = trim(workspace_id);
          std::string input(workspace.empty() ? "default" : workspace);
          input.append(":").append(salt_).append(":").append(value);
          hash = sha256_hex(input).substr(0, 16);
        }
        out += hash;
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
