#include "provider/stored_answer.h"

namespace gw::provider {
namespace {

/// The segment of `path` that follows the last `parent`, which begins and ends with a slash; `rest` is what comes after
/// it.
std::string_view segment_after(std::string_view path, std::string_view parent, std::string_view& rest) {
  const std::size_t at = path.rfind(parent);
  if (at == std::string_view::npos) return {};
  path.remove_prefix(at + parent.size());
  const std::size_t slash = path.find('/');
  rest = slash == std::string_view::npos ? std::string_view() : path.substr(slash);
  return path.substr(0, slash);
}

}  // namespace

bool spends_usage(std::string_view method, std::string_view path) {
  std::string_view rest;
  // Whose request says nothing of its usage, and which can be fetched once.
  if (method == "GET") return !segment_after(path, "/chat/deferred-completion/", rest).empty();
  if (method != "POST") return false;
  if (path.ends_with("/cancel")) return false;
  return segment_after(path, "/chat/completions/", rest).empty();
}

std::string_view stored_response_id(std::string_view path) {
  std::string_view rest;
  const std::string_view id = segment_after(path, "/responses/", rest);
  return rest.empty() || rest == "/cancel" ? id : std::string_view();
}

}  // namespace gw::provider
