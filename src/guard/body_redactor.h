#pragma once
// Redaction of captured bodies before they are stored. Immutable, shared by all workers; a call works on its own memory
// (a few times the body where something is found) and takes linear time, so bodies are to be cut to their capture limit
// first.
#include <cstdint>
#include <memory>
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

/// How a body is read.
struct BodyFormat {
  enum class Kind : std::uint8_t {
    any,        ///< JSON, JSON lines, server-sent events or text, whatever it looks like
    form,       ///< application/x-www-form-urlencoded
    multipart,  ///< multipart/form-data: its parts by their own types
  };
  Kind kind = Kind::any;
  std::string_view boundary = {};  ///< of multipart
};

class BodyRun;

class BodyRedactor {
 public:
  explicit BodyRedactor(const BodyOptions& options);

  struct Outcome {
    bool changed = false;
    bool failed = false;        ///< nothing is known about the body: it must not be stored, nor passed on
    const char* error = "";     ///< static, of a failure
    Counts counts{};            ///< by Kind
    std::uint32_t skipped = 0;  ///< pieces of content that cannot be searched: images, sounds
  };

  /// One redaction, a slice at a time. The redactor and the views outlive it.
  class Job {
   public:
    Job(const BodyRedactor& redactor, std::string_view body, std::string_view workspace_id, const BodyFormat& format);
    ~Job();
    /// Goes on until about `budget` bytes were looked at. True: done.
    bool step(std::size_t budget);
    const Outcome& outcome() const { return outcome_; }
    /// The redacted body, of an outcome that says `changed`.
    std::string& out() { return out_; }
    /// Where in the body something was found, by position; only of a job that was told to keep_findings().
    const std::vector<Match>& findings() const { return findings_; }
    void keep_findings() { keep_findings_ = true; }

   private:
    void begin();

    const BodyRedactor& redactor_;
    std::string_view body_, workspace_id_;
    BodyFormat format_;
    Outcome outcome_;
    std::string out_, previous_;
    std::unique_ptr<BodyRun> run_;
    std::vector<Match> findings_;
    bool keep_findings_ = false;
    int pass_ = 0;
  };

  /// `out` is written only when the outcome says `changed`; otherwise the body may be stored as it is, unless it
  /// failed. JSON keeps its bytes but for the values replaced, however it is cut off at the end; JSON lines and
  /// server-sent events are taken document by document, with texts that are delivered in pieces searched as one;
  /// anything else must be UTF-8 and is searched as text. Redacting the result again changes nothing, as long as the
  /// format can be recognised (placeholder.h).
  Outcome redact(std::string_view body, std::string_view workspace_id, std::string& out,
                 const BodyFormat& format = {}) const;

 private:
  friend class BodyRun;

  Detectors detectors_;
  FieldNames fields_;
  Placeholder placeholder_;
};

}  // namespace gw::guard
