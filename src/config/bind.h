#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/yaml_document.h"

namespace gw::config {

inline constexpr std::size_t kMaxReportedProblems = 100;

/// Writes what the document holds over `config`, strictly: each unknown key and wrong type is a problem, and so is each
/// of the document's own. Null keeps the default, except that it empties a list; a list replaces the default list.
/// Problems come ordered by line, at most kMaxReportedProblems; with any of them `config` is half written and of no
/// use. Messages show values only where no secret can stand.
/// `config.places` gets the place of each key, in a file that is called `path`.
std::vector<YamlProblem> bind(const YamlDocument& document, std::string_view path, Config& config);

}  // namespace gw::config
