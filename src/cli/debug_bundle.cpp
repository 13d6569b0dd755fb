#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/json_writer.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "base/time_format.h"
#include "base/unique_fd.h"
#include "cli/debug_chain.h"
#include "cli/debug_selection.h"
#include "cli/json_indent.h"

namespace gw::cli {
namespace {

constexpr std::string_view kChainFile = "debug-chain.json", kManifestFile = "manifest.json";

Result<void> write_file(const std::string& folder, std::string_view name, std::string_view text) {
  const std::string path = folder + "/" + std::string(name);
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  bool written = static_cast<bool>(fd);
  while (written && !text.empty()) {
    const ssize_t n = ::write(fd.get(), text.data(), text.size());
    written = n > 0 || (n < 0 && errno == EINTR);
    if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (written) return {};
  return fail("write " + std::string(name) + ": " + std::strerror(errno));
}

Result<void> make_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error && !std::filesystem::is_directory(folder, error) && !error)
    error = std::make_error_code(std::errc::not_a_directory);
  if (!error) return {};
  return fail("create bundle directory " + gw::in_quotes(folder) + ": " + error.message());
}

std::string manifest(const DebugChain& c, std::string_view chain_text) {
  std::string out;
  JsonWriter w(out);
  w.begin_object()
      .field("schema_version", "debug-bundle.v1")
      .field("generated_at", format_rfc3339(c.generated_at_ns))
      .field("selection_mode", !c.selection.trace_id.empty() ? "trace_id"
                               : c.selection.by_chain()      ? "filter"
                                                             : "latest");
  write_selection(w, c.selection);
  w.field("limit", c.options.limit)
      .field("include_diff", c.options.diff)
      .field("include_bodies", c.options.bodies)
      .field("include_headers", c.options.headers)
      .key("chain")
      .begin_object()
      .field("source_trace_id", c.source_id)
      .field("checkpoint_count", static_cast<std::int64_t>(c.checkpoints.size()))
      .field("truncated", c.truncated)
      .field("diff_count", static_cast<std::int64_t>(c.diffs().size()))
      .field("target_checkpoint_id", c.source_id)
      .end_object()
      .key("files")
      .begin_array()
      .begin_object()
      .field("name", kChainFile)
      .field("bytes", static_cast<std::int64_t>(chain_text.size()))
      .field("sha256", sha256_hex(chain_text))
      .end_object()
      .end_array()
      .end_object();
  return indented_json(out);
}

}  // namespace

Result<std::string> write_debug_bundle(const DebugChain& chain, const std::string& folder) {
  const std::string text = debug_json(chain);
  if (auto ok = make_folder(folder); !ok) return tl::make_unexpected(ok.error());
  if (auto ok = write_file(folder, kChainFile, text); !ok) return tl::make_unexpected(ok.error());
  if (auto ok = write_file(folder, kManifestFile, manifest(chain, text)); !ok) return tl::make_unexpected(ok.error());
  return (std::filesystem::path(folder) / kManifestFile).string();
}

}  // namespace gw::cli
