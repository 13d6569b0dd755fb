#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>

#include "provider/provider_test_util.h"

namespace gw::provider::test {
namespace {

std::string zlib_encode(std::string_view s, int window_bits) {
  std::string out(s.size() + s.size() / 100 + 200, '\0');
  z_stream z{};
  deflateInit2(&z, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(s.data()));
  z.avail_in = static_cast<uInt>(s.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  if (deflate(&z, Z_FINISH) != Z_STREAM_END) throw std::runtime_error("deflate");
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// The value of the payload's first `type`, which the recordings have at the front.
std::string event_name(const std::string& payload) {
  const std::string key = "{\"type\":\"";
  if (!payload.starts_with(key)) return "";
  return payload.substr(key.size(), payload.find('"', key.size()) - key.size());
}

std::string framed(const std::string& chunks, bool done) {
  std::istringstream lines(chunks);
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    if (const std::string name = event_name(line); !name.empty()) out += "event: " + name + "\n";
    out += "data: " + line + "\n\n";
  }
  return done ? out + "data: [DONE]\n\n" : out;
}

std::filesystem::path fixture_folder() {
  if (const char* shared = std::getenv("GW_SHARED_DIR")) return std::filesystem::path(shared) / "fixtures/recorded";
  const std::filesystem::path source = __FILE__;
  return source.parent_path() / "../../../shared/fixtures/recorded";
}

std::vector<Fixture> load() {
  std::vector<Fixture> all;
  const std::filesystem::path folder = fixture_folder();
  if (!std::filesystem::is_directory(folder)) {
    std::cout
        << "The recorded fixtures are not there (GW_SHARED_DIR names their folder's parent); nothing to compare.\n";
    return all;
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    Fixture f{.name = std::filesystem::relative(entry.path(), folder).string(),
              .events = false,
              .body = read_file(entry.path())};
    f.events = !f.name.ends_with(".json");
    const bool anthropic = f.name.starts_with("anthropic/");
    const bool responses = f.name.find("responses/") != std::string::npos;
    if (f.name.ends_with(".txt")) f.body = framed(f.body, !anthropic && !responses);
    all.push_back(std::move(f));
  }
  std::sort(all.begin(), all.end(), [](const Fixture& a, const Fixture& b) { return a.name < b.name; });
  return all;
}

}  // namespace

std::string gzip(std::string_view s) { return zlib_encode(s, 15 + 16); }
std::string deflate_wrapped(std::string_view s) { return zlib_encode(s, 15); }
std::string deflate_raw(std::string_view s) { return zlib_encode(s, -15); }

std::string brotli(std::string_view s) {
  std::size_t size = BrotliEncoderMaxCompressedSize(s.size()) + 100;
  std::string out(size, '\0');
  if (BrotliEncoderCompress(5, 22, BROTLI_MODE_TEXT, s.size(), reinterpret_cast<const std::uint8_t*>(s.data()), &size,
                            reinterpret_cast<std::uint8_t*>(out.data())) != BROTLI_TRUE) {
    throw std::runtime_error("brotli");
  }
  out.resize(size);
  return out;
}

std::string zstd(std::string_view s) {
  std::string out(ZSTD_compressBound(s.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), s.data(), s.size(), 3));
  return out;
}

std::string encode(std::string_view coding, std::string_view s) {
  if (coding == "gzip" || coding == "x-gzip") return gzip(s);
  if (coding == "deflate") return deflate_wrapped(s);
  if (coding == "br") return brotli(s);
  if (coding == "zstd") return zstd(s);
  return std::string(s);
}

const std::vector<Fixture>& fixtures() {
  static const std::vector<Fixture> all = load();
  return all;
}

}  // namespace gw::provider::test
