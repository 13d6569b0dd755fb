#include "app/key_keeper.h"

#include <utility>
#include <vector>

namespace gw::app {

using pipeline::KeyView;

Result<void> KeyKeeper::refresh(store::KeyStore& store) {
  if (!book_.enabled()) return {};
  const std::lock_guard lock(mutex_);
  const std::int64_t now_ns = clock_.mono_ns();  // before reading: what is read is at least as new
  auto set = store.load(store::TenantScope::all());
  if (!set) {
    known_ = false;  // whoever asked knows of a change: the next poll is not to confirm what is in force
    return tl::make_unexpected(set.error());
  }
  auto view = std::make_shared<KeyView>(auth::Authorizer::of(set->keys), set->stored);
  // Uses that are not written down yet.
  std::map<std::string_view, std::int64_t> uses;
  const auto before = book_.view();
  for (const auth::Identity& i : before->authorizer().identities()) uses[i.key_id] = before->last_used_ns(i);
  for (const auth::Identity& i : view->authorizer().identities())
    if (const auto at = uses.find(i.key_id); at != uses.end() && at->second > 0) view->used(i, at->second);
  book_.replace(std::move(view));
  book_.confirm(now_ns);
  change_ = set->change;
  known_ = true;
  return {};
}

Result<KeyKeeper::Outcome> KeyKeeper::poll(store::KeyStore& store) {
  if (!book_.enabled()) return Outcome::unchanged;
  const std::int64_t now_ns = clock_.mono_ns();
  const auto change = store.change_number();
  if (!change) return tl::make_unexpected(change.error());
  {
    const std::lock_guard lock(mutex_);
    if (known_ && *change == change_) {
      book_.confirm(now_ns);
      return Outcome::unchanged;
    }
  }
  if (auto done = refresh(store); !done) return tl::make_unexpected(done.error());
  return Outcome::replaced;
}

Result<void> KeyKeeper::write_uses(store::KeyStore& store, bool all) {
  const std::int64_t now_ns = clock_.mono_ns();
  if (!all && now_ns < next_write_ns_) return {};
  next_write_ns_ = now_ns + kWriteUsesNs;
  const auto view = book_.view();
  if (!view->stored()) return {};
  std::map<std::string, std::int64_t> written;
  std::vector<store::KeyUse> uses;
  for (const auth::Identity& i : view->authorizer().identities()) {
    const std::int64_t at = view->last_used_ns(i);
    const auto known = written_.find(i.key_id);
    if (at > (known != written_.end() ? known->second : 0)) uses.push_back({i.key_id, at});
    written[i.key_id] = at;
  }
  if (auto done = store.touch(store::TenantScope::all(), uses); !done) return done;
  written_ = std::move(written);
  return {};
}

}  // namespace gw::app
