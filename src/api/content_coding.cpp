#include "api/content_coding.h"

#include <zlib.h>
#include <zstd.h>

#include <optional>

#include "base/strings.h"

namespace gw::api {
namespace {

constexpr std::size_t kStep = 64 * 1024;

// Little memory and wire speed are worth more here than the last per cent of size.
constexpr int kGzipLevel = 1;
constexpr int kGzipWindow = 15 + 16;  // 16: a gzip frame
constexpr int kGzipMemory = 8;
constexpr int kZstdLevel = 1;
constexpr int kZstdWindowLog = 18;

/// Thousandths. Nothing for what is no weight.
std::optional<int> weight(std::string_view s) {
  if (s.empty() || (s[0] != '0' && s[0] != '1') || s.size() > 5 || (s.size() > 1 && s[1] != '.')) return std::nullopt;
  int value = (s[0] - '0') * 1000;
  int place = 100;
  for (const char c : s.substr(std::min<std::size_t>(s.size(), 2))) {
    if (c < '0' || c > '9') return std::nullopt;
    value += (c - '0') * place;
    place /= 10;
  }
  return value <= 1000 ? std::optional(value) : std::nullopt;
}

/// Takes one element off the list: its name and its weight, 0 when that is malformed.
std::pair<std::string_view, int> take_element(std::string_view& list) {
  const std::size_t comma = list.find(',');
  std::string_view element = list.substr(0, comma);
  list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  const std::size_t semicolon = element.find(';');
  const std::string_view name = trim(element.substr(0, semicolon));
  if (semicolon == std::string_view::npos) return {name, 1000};
  const std::string_view parameter = trim(element.substr(semicolon + 1));
  if (parameter.size() < 2 || to_lower(parameter[0]) != 'q' || parameter[1] != '=') return {name, 0};
  return {name, weight(parameter.substr(2)).value_or(0)};
}

}  // namespace

std::string_view to_string(ContentCoding coding) {
  return coding == ContentCoding::gzip ? "gzip" : coding == ContentCoding::zstd ? "zstd" : "";
}

ContentCoding choose_coding(std::string_view accept_encoding) {
  constexpr int kUnnamed = -1;
  int gzip = kUnnamed, zstd = kUnnamed, identity = kUnnamed, any = kUnnamed;
  while (!accept_encoding.empty()) {
    const auto [name, q] = take_element(accept_encoding);
    if (iequals(name, "gzip") || iequals(name, "x-gzip"))
      gzip = q;
    else if (iequals(name, "zstd"))
      zstd = q;
    else if (iequals(name, "identity"))
      identity = q;
    else if (name == "*")
      any = q;
  }
  const auto or_any = [any](int q, int unnamed) { return q != kUnnamed ? q : any != kUnnamed ? any : unnamed; };
  gzip = or_any(gzip, 0);
  zstd = or_any(zstd, 0);
  // Without a word about it identity is as good as the least that was named, and is taken only when nothing else is.
  if (identity == kUnnamed) identity = 0;
  if (zstd > 0 && zstd >= gzip && zstd >= identity) return ContentCoding::zstd;
  if (gzip > 0 && gzip >= identity) return ContentCoding::gzip;
  return ContentCoding::identity;
}

struct ContentEncoder::Impl {
  explicit Impl(ContentCoding c) : coding(c) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (deflating) ::deflateEnd(&z);
    ::ZSTD_freeCCtx(zstd);
  }

  bool start();
  bool gzip(std::string& out, std::string_view in, bool last);
  bool zstandard(std::string& out, std::string_view in, bool last);

  ContentCoding coding;
  bool deflating = false;
  z_stream z{};
  ZSTD_CCtx* zstd = nullptr;
};

bool ContentEncoder::Impl::start() {
  if (coding == ContentCoding::gzip) {
    if (!deflating)
      deflating = ::deflateInit2(&z, kGzipLevel, Z_DEFLATED, kGzipWindow, kGzipMemory, Z_DEFAULT_STRATEGY) == Z_OK;
    return deflating;
  }
  if (zstd != nullptr) return true;
  zstd = ::ZSTD_createCCtx();
  if (zstd == nullptr) return false;
  return ::ZSTD_isError(::ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, kZstdLevel)) == 0 &&
         ::ZSTD_isError(::ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, kZstdWindowLog)) == 0;
}

bool ContentEncoder::Impl::gzip(std::string& out, std::string_view in, bool last) {
  // zlib counts in 32 bits; a piece is far below, a page of huge rows need not be.
  constexpr std::size_t kMost = std::size_t{1} << 30;
  do {
    const std::string_view part = in.substr(0, kMost);
    in.remove_prefix(part.size());
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(part.data()));
    z.avail_in = static_cast<uInt>(part.size());
    int r = Z_OK;
    do {
      const std::size_t had = out.size();
      out.resize(had + kStep);
      z.next_out = reinterpret_cast<Bytef*>(out.data() + had);
      z.avail_out = kStep;
      r = ::deflate(&z, last && in.empty() ? Z_FINISH : Z_SYNC_FLUSH);
      out.resize(had + kStep - z.avail_out);
      if (r == Z_STREAM_ERROR) return false;
    } while (z.avail_out == 0);
  } while (!in.empty());
  return true;
}

bool ContentEncoder::Impl::zstandard(std::string& out, std::string_view in, bool last) {
  ZSTD_inBuffer from{.src = in.data(), .size = in.size(), .pos = 0};
  for (std::size_t left = 1; left != 0;) {
    const std::size_t had = out.size();
    out.resize(had + kStep);
    ZSTD_outBuffer to{.dst = out.data() + had, .size = kStep, .pos = 0};
    left = ::ZSTD_compressStream2(zstd, &to, &from, last ? ZSTD_e_end : ZSTD_e_flush);
    out.resize(had + to.pos);
    if (::ZSTD_isError(left) != 0) return false;
  }
  return true;
}

ContentEncoder::ContentEncoder(ContentCoding coding)
    : impl_(coding == ContentCoding::identity ? nullptr : std::make_unique<Impl>(coding)) {}
ContentEncoder::~ContentEncoder() = default;
ContentEncoder::ContentEncoder(ContentEncoder&&) noexcept = default;

bool ContentEncoder::append(std::string& out, std::string_view in, bool last) {
  if (!impl_) {
    out.append(in);
    return true;
  }
  if (in.empty() && !last) return true;
  if (!impl_->start()) return false;
  return impl_->coding == ContentCoding::gzip ? impl_->gzip(out, in, last) : impl_->zstandard(out, in, last);
}

}  // namespace gw::api
