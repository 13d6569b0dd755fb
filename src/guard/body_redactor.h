#pragma once
// Redaction of captured bodies before they are stored. Immutable, shared by all workers; a call works on its own memory
// (a few times the body where something is found) and takes linear time, so bodies are to be cut to their capture limit
// first.
#include <string>
#include <string_view>
#include <vector>

#include "guard/detectors.h"
#include "guard/field_names.h"
#include "guard/placeholder.h"

namespace gw::guard {

struct BodyOptions {
  DetectorOptions detectors;
  std::vector<std::string> key_denylist = {"email",  "phone", "password", "token",
                                           "secret", "ssn",   "api_key",  "authorization"};
  std::string format;  ///< blank: [{type}_REDACTED:{hash}]
  std::string hash_salt;
};

class BodyRedactor {
 public:
  explicit BodyRedactor(const BodyOptions& options);

  struct Outcome {
    bool changed = false;
    bool failed = false;     ///< nothing is known about the body: it must not be stored
    const char* error = "";  ///< static, of a failure
    Counts counts{};         ///< by Kind
  };

  /// `out` is written only when the outcome says `changed`; otherwise the body may be stored as it is, unless it
  /// failed. JSON keeps its bytes but for the values replaced, however it is cut off at the end; JSON lines and
  /// server-sent events are taken document by document, with texts that are delivered in pieces searched as one;
  /// anything else must be UTF-8 and is searched as text. Redacting the result again changes nothing, as long as the
  /// format can be recognised (placeholder.h).
  Outcome redact(std::string_view body, std::string_view workspace_id, std::string& out) const;

 private:
  Detectors detectors_;
  FieldNames fields_;
  Placeholder placeholder_;
};

}  // namespace gw::guard
