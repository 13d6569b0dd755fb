#include "config/load.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <system_error>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "config/bind.h"
#include "config/yaml_document.h"

namespace gw::config {
namespace {

std::string read_fault(const std::string& path, std::string_view call, int error) {
  std::string reason = std::generic_category().message(error);
  if (!reason.empty()) reason[0] = to_lower(reason[0]);
  return "read config " + in_quotes(path) + ": " + std::string(call) + " " + path + ": " + reason;
}

/// The file's bytes; nothing when it is missing and may be.
Result<std::optional<std::string>> read_file(const std::string& path, bool required) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    if (errno == ENOENT && !required) return std::nullopt;
    return fail(read_fault(path, "open", errno));
  }
  std::string content;
  std::array<char, 16'384> buffer;
  for (;;) {
    const ssize_t n = ::read(file.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(read_fault(path, "read", errno));
    if (n == 0) return content;
    content.append(buffer.data(), static_cast<std::size_t>(n));
    if (content.size() > kMaxYamlBytes) return content;  // refused by the parser, which names the bound
  }
}

}  // namespace

Result<Config> parse_config(std::string_view yaml, std::string_view path) {
  const std::string prefix = "parse yaml " + in_quotes(path) + ": ";
  const auto document = read_yaml(yaml);
  if (!document) return fail(prefix + document.error().message);
  Config config;
  const auto problems = bind(*document, path, config);
  if (problems.empty()) return config;
  std::string message = prefix + "yaml: unmarshal errors:";
  for (const YamlProblem& problem : problems)
    message += "\n  line " + std::to_string(problem.line) + ": " + problem.message;
  return fail(std::move(message));
}

Result<Config> load(const LoadOptions& options) {
  Config config;
  if (!options.path.empty()) {
    const auto content = read_file(options.path, options.path_given);
    if (!content) return tl::make_unexpected(content.error());
    if (*content) {
      auto parsed = parse_config(**content, options.path);
      if (!parsed) return parsed;
      config = std::move(*parsed);
    }
  }
  if (auto applied = apply_environment(config, options.env); !applied) return tl::make_unexpected(applied.error());
  return config;
}

}  // namespace gw::config
