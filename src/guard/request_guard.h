#pragma once
// What is done about a request's body before it is forwarded (pii.mode redact_upstream, block and observe). Immutable,
// shared by all workers; a judgement belongs to its exchange.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "guard/body_redactor.h"
#include "guard/policy.h"

namespace gw::guard {

/// `boundary` as multipart_boundary() gives it; it has to outlive what is returned.
BodyFormat body_format(std::string_view content_type, std::string_view boundary);

/// The mode has the request's body looked at before it is forwarded.
constexpr bool guards_requests(Mode mode) {
  return mode == Mode::redact_upstream || mode == Mode::block || mode == Mode::observe;
}

enum class Verdict : std::uint8_t {
  pass,     ///< as it came
  replace,  ///< with `replacement` for its body
  refuse,   ///< something was found, and the policy blocks that
  unsure,   ///< it cannot be judged, and is refused for that where the mode is not observe
  found,    ///< something was found, and the policy only observes
};
inline constexpr std::size_t kVerdicts = 5;

struct Judgement {
  Verdict verdict = Verdict::pass;
  Counts counts{};            ///< what was found, by Kind
  std::uint32_t skipped = 0;  ///< pieces of content that cannot be searched: images, sounds
  std::string replacement;    ///< of the body, when that is the verdict
  std::string error;          ///< why it is `unsure`; tells nothing of the body's content
};

/// Bodies with this Content-Type can be read: JSON, text, forms.
bool is_text_type(std::string_view content_type);

class RequestGuard {
 public:
  /// `max_body`: bytes; what is longer cannot be judged.
  RequestGuard(const BodyOptions& options, std::size_t max_body);

  std::size_t max_body() const { return max_body_; }
  std::string too_long() const;

  /// What the head says of the body. `content_types` are all values of that field, `encodings` those of
  /// Content-Encoding. Empty: it can be read; else why not.
  std::string unreadable(std::span<const std::string_view> content_types,
                         std::span<const std::string_view> encodings) const;

  /// One body being judged, a slice at a time. The guard and the views outlive it.
  class Case {
   public:
    /// `mode` is one that guards_requests(); `content_type` one that is not unreadable().
    Case(const RequestGuard& guard, Mode mode, std::string_view content_type, std::string_view body,
         std::string_view workspace_id);

    /// Goes on for about `bytes` of the body. True: the judgement is there.
    bool step(std::size_t bytes);
    Judgement& judgement() { return judgement_; }
    /// See BodyRedactor::Job.
    void keep_findings() { job_.keep_findings(); }
    const std::vector<Match>& findings() const { return job_.findings(); }

   private:
    Mode mode_;
    std::string boundary_;
    BodyRedactor::Job job_;
    Judgement judgement_;
  };

 private:
  BodyRedactor redactor_;
  std::size_t max_body_;
};

}  // namespace gw::guard
