#include "app/credential_keeper.h"

#include "auth/credential_headers.h"
#include "base/strings.h"
#include "config/credential.h"

namespace gw::app {
namespace {

std::string path_of(const config::ProviderConfig& p) { return std::string(trim(p.credential_file)); }

}  // namespace

CredentialKeeper::CredentialKeeper(std::vector<const config::ProviderConfig*> providers,
                                   pipeline::HeldCredentials& held)
    : held_(held), view_(providers.size()) {
  for (const config::ProviderConfig* p : providers) sources_.push_back({p, {}, {}, {}, {}});
}

Result<void> CredentialKeeper::read() {
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (!config::holds_credential(*sources_[i].provider)) continue;
    sources_[i].read = sources_[i].seen = FileStamp::of(path_of(*sources_[i].provider));
    if (auto ok = read(i); !ok) return ok;
  }
  held_.replace(view_);
  return {};
}

Result<void> CredentialKeeper::read(std::size_t route) {
  const config::ProviderConfig& p = *sources_[route].provider;
  const auto key = config::read_credential(p);
  if (!key) return tl::make_unexpected(key.error());
  proxy::AddedFields fields;
  for (const std::string_view name : auth::kKeyHeaders) fields.hide(name);
  fields.add_line(config::credential_line(p, *key));
  view_[route] = std::move(fields);
  return {};
}

std::vector<CredentialKeeper::Change> CredentialKeeper::poll() {
  std::vector<Change> changes;
  bool replaced = false;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    Source& s = sources_[i];
    const std::string path = path_of(*s.provider);
    if (path.empty()) continue;
    const FileStamp now = FileStamp::of(path);
    const bool settled = now == s.seen;
    s.seen = now;
    if (!settled || now == s.read) continue;
    const auto done = read(i);
    if (done) {
      s.read = now;
      s.told.clear();
      replaced = true;
      changes.push_back({s.provider->name, {}});
    } else if (s.failed != now || s.told != done.error().message) {
      s.failed = now;
      s.told = done.error().message;
      changes.push_back({s.provider->name, s.told});
    }
  }
  if (replaced) held_.replace(view_);
  return changes;
}

}  // namespace gw::app
