#include "guard/header_redactor.h"

#include <algorithm>

#include "base/strings.h"

namespace gw::guard {
namespace {

constexpr std::string_view kAlwaysDenied[] = {
    "authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "x-ongoingai-gateway-key",
    "proxy-authorization",
    "api-key",
    "x-goog-api-key",
    "sec-websocket-protocol"};  // where browsers put the key of OpenAI's Realtime API

}  // namespace

HeaderRedactor::HeaderRedactor(const std::vector<std::string>& denylist, bool stage_on, std::string_view auth_header) {
  for (std::string_view name : kAlwaysDenied) add(name);
  add(auth_header);
  if (!stage_on) return;
  for (const std::string& name : denylist) add(name);
}

void HeaderRedactor::add(std::string_view raw) {
  std::string name = lowercase(trim(raw));
  if (name.empty() || std::find(names_.begin(), names_.end(), name) != names_.end()) return;
  lengths_by_first_[static_cast<unsigned char>(name[0]) & 31] |= std::uint64_t{1} << (name.size() & 63);
  names_.push_back(std::move(name));
}

bool HeaderRedactor::is_listed(std::string_view name) const {
  for (const std::string& denied : names_)
    if (iequals(name, denied)) return true;
  return false;
}

}  // namespace gw::guard
