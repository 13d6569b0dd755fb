#pragma once
// Reads the keys of providers that the gateway holds, and those in files again when they change.
#include <string>
#include <vector>

#include "app/file_stamp.h"
#include "base/result.h"
#include "config/config.h"
#include "pipeline/held_credentials.h"

namespace gw::app {

/// One thread at a time. A bad or missing file leaves the last good key in force.
class CredentialKeeper {
 public:
  /// Of all providers, which become routes in this order; they and `held` outlive this.
  CredentialKeeper(std::vector<const config::ProviderConfig*> providers, pipeline::HeldCredentials& held);

  /// All keys, for the start. An error names the setting.
  Result<void> read();

  struct Change {
    std::string provider;
    std::string error;  ///< why its key was not taken; empty: it was
  };
  /// At intervals. A file counts once it was the same at two looks: a key that is being written has no end to tell it
  /// by. One that could not be read is read again at the next look. What came of a change is told once.
  std::vector<Change> poll();

 private:
  struct Source {
    const config::ProviderConfig* provider;
    FileStamp read, seen, failed;
    std::string told;  ///< of `failed`: why it was not taken
  };
  Result<void> read(std::size_t route);

  std::vector<Source> sources_;
  pipeline::HeldCredentials& held_;
  pipeline::HeldCredentials::View view_;
};

}  // namespace gw::app
