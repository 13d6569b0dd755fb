#pragma once
// A file beside the database, `<database>.keys`, that grows with every change of a gateway key: whoever cannot read the
// database can still tell that nobody has changed a key. Gateways and the command line write it; what is changed by
// hand with SQL is not in it.
#include <sys/types.h>

#include <optional>
#include <string>

#include "base/result.h"
#include "store/sqlite/connection.h"

namespace gw::store::sqlite {

class KeyNotice {
 public:
  explicit KeyNotice(const std::string& db_path);

  /// Makes the file (0600) where there is none.
  void create() const;
  /// Before a change is committed, and again behind it: whoever looks in between sees that there is more to come.
  Result<void> add() const;

  struct State {
    FileId file;
    off_t size = 0;
    friend bool operator==(const State&, const State&) = default;
  };
  /// Nothing when it cannot be said.
  std::optional<State> state() const;

 private:
  std::string path_;
};

}  // namespace gw::store::sqlite
