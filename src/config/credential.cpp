#include "config/credential.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "base/strings.h"
#include "base/unique_fd.h"

namespace gw::config {
namespace {

Result<std::string> cannot_read(const ProviderConfig& p, std::string_view why) {
  return fail(credential_setting(p) + ": the file that it names cannot be read: " + std::string(why));
}

Result<std::string> read_file(const ProviderConfig& p) {
  const std::string path(trim(p.credential_file));
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info{};
  if (!file || ::fstat(file.get(), &info) != 0) return cannot_read(p, std::generic_category().message(errno));
  if (!S_ISREG(info.st_mode)) return cannot_read(p, "it is not a file");
  std::array<char, kMaxCredentialBytes + 3> buffer;  // with a line end, and a byte too many
  std::string content;
  while (content.size() < buffer.size()) {
    const ssize_t n = ::read(file.get(), buffer.data(), buffer.size() - content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return cannot_read(p, std::generic_category().message(errno));
    if (n == 0) break;
    content.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return content;
}

/// A key is one word. Spaces are a slip: a scheme before it, a comment behind it, two keys.
bool is_word_character(char c) { return c > 0x20 && c < 0x7F; }

}  // namespace

bool holds_credential(const ProviderConfig& p) {
  return !trim(p.credential_env).empty() || !trim(p.credential_file).empty();
}

std::string credential_setting(const ProviderConfig& p) {
  return "providers." + p.name + (trim(p.credential_env).empty() ? ".credential_file" : ".credential_env");
}

std::string credential_header(const ProviderConfig& p) {
  if (const std::string_view own = trim(p.credential_header); !own.empty()) return std::string(own);
  return p.kind == "anthropic" ? "X-API-Key" : "Authorization";
}

Result<std::string> read_credential(const ProviderConfig& p) {
  const std::string key = credential_setting(p);
  const bool in_file = trim(p.credential_env).empty();
  auto found = in_file ? read_file(p) : Result<std::string>(p.credential);
  if (!found) return found;
  std::string_view text = *found;
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (trim(text).empty())
    return fail(key +
                (in_file ? ": the file that it names is empty" : ": the variable that it names is not set or empty"));
  if (text.size() > kMaxCredentialBytes)
    return fail(key + ": the key must have at most " + std::to_string(kMaxCredentialBytes) + " bytes");
  if (!std::all_of(text.begin(), text.end(), is_word_character))
    return fail(key + ": the key must be one word of visible ASCII characters, without a scheme like Bearer before it");
  return std::string(text);
}

std::string credential_line(const ProviderConfig& p, std::string_view credential) {
  std::string line = credential_header(p);
  const bool bearer = iequals(line, "Authorization");
  return line.append(bearer ? ": Bearer " : ": ").append(credential).append("\r\n");
}

Config without_credentials(Config config) {
  const auto clear = [](ProviderConfig& p) {
    for (std::string* s : {&p.credential_env, &p.credential_file, &p.credential_header, &p.credential}) s->clear();
  };
  clear(config.providers.openai);
  clear(config.providers.anthropic);
  for (ProviderConfig& p : config.providers.named) clear(p);
  return config;
}

std::string credential_warning(const ProviderConfig& p) {
  struct stat info{};
  const std::string path(trim(p.credential_file));
  if (path.empty() || ::stat(path.c_str(), &info) != 0 || (info.st_mode & S_IROTH) == 0) return {};
  return credential_setting(p) +
         ": every user of this machine can read the file; take the right to read it from others";
}

}  // namespace gw::config
