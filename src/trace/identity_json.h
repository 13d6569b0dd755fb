#pragma once
// What metadata says of the caller. One thread (storage).
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "model/exchange_record.h"
#include "trace/json_text.h"

namespace gw::trace {

/// Members of an object, each with its key and a comma in front; empty: there is none.
struct IdentityMembers {
  std::string gateway_key_id, org_id, role, team, workspace_id;
};

/// Remembers those of callers that came before, by their keys: what is in a record's identity was configured, and comes
/// again and again. Memory: kEntries times that of an identity, twice.
class IdentityJson {
 public:
  static constexpr std::size_t kEntries = 256;

  /// Until the next call.
  const IdentityMembers& members(const IdentityView& who) {
    if (entries_.empty()) entries_.resize(kEntries);
    Entry& entry = entries_[place_of(who.key_id)];
    if (!entry.is_of(who)) write(who, entry);
    return entry.members;
  }
  /// Gives its memory back.
  void clear() {
    entries_ = {};
    text_.release();
  }

 private:
  struct Entry {
    std::string key_id, org_id, workspace_id, team, role;
    IdentityMembers members;

    bool is_of(const IdentityView& who) const;
  };

  static std::size_t place_of(std::string_view key_id);
  void write(const IdentityView& who, Entry& entry);
  void member(std::string_view name, std::string_view value, std::string& out);

  std::vector<Entry> entries_;
  JsonText text_;
};

}  // namespace gw::trace
