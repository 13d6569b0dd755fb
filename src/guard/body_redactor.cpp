#include "guard/body_redactor.h"

#include <algorithm>
#include <limits>

#include "guard/body_run.h"

namespace gw::guard {
namespace {

constexpr std::size_t kMaxBody = std::numeric_limits<std::uint32_t>::max() / 2;

KindNames names_of(const DetectorOptions& options) {
  std::vector<std::string> names;
  for (const PatternOptions& p : options.patterns)
    if (names.size() < kMaxPatterns && check_pattern(p)) names.push_back(p.name);
  return KindNames(std::move(names));
}

}  // namespace

BodyRedactor::BodyRedactor(const BodyOptions& options)
    : detectors_(options.detectors),
      fields_(options.key_denylist),
      placeholder_(options.format, options.hash_salt, names_of(options.detectors)) {}

BodyRedactor::Job::Job(const BodyRedactor& redactor, std::string_view body, std::string_view workspace_id,
                       const BodyFormat& format)
    : redactor_(redactor), body_(body), workspace_id_(workspace_id), format_(format) {
  if (body.size() > kMaxBody) {
    outcome_.failed = true;
    outcome_.error = "body is too large to redact";
  } else if (format.kind != BodyFormat::Kind::multipart && body.find('\0') != npos) {
    // Text in UTF-16 would pass for text without findings, and a store leaves NUL bytes out: what they cut in two is
    // whole there. What is no text stands in parts of forms only.
    outcome_.failed = true;
    outcome_.error = "it holds NUL bytes";
  } else if (!body.empty()) {
    begin();
  }
}
BodyRedactor::Job::~Job() = default;

void BodyRedactor::Job::begin() {
  run_ = std::make_unique<BodyRun>(redactor_, body_, workspace_id_, format_);
  if (pass_ > 0) run_->redaction().expect_placeholders();
}

bool BodyRedactor::Job::step(std::size_t budget) {
  constexpr int kMaxPasses = 8;
  if (run_ == nullptr) return true;
  if (!run_->step(budget)) return false;
  Redaction& redaction = run_->redaction();
  if (run_->error() != nullptr) {
    outcome_ = {};
    outcome_.failed = true;
    outcome_.error = run_->error();
    run_.reset();
    return true;
  }
  for (std::size_t i = 0; i < kKinds; ++i) outcome_.counts[i] += redaction.counts()[i];
  if (pass_ == 0) {
    outcome_.skipped = redaction.skipped();
    if (keep_findings_) redaction.append_findings(findings_);
    std::sort(findings_.begin(), findings_.end(), [](const Match& a, const Match& b) { return a.begin < b.begin; });
  }
  const bool again = redaction.changed() && run_->loose() && ++pass_ < kMaxPasses;
  if (redaction.changed()) {
    outcome_.changed = true;
    redaction.apply(out_);
  }
  run_.reset();
  if (!again) return true;
  previous_ = out_;
  body_ = previous_;
  begin();
  return false;
}

BodyRedactor::Outcome BodyRedactor::redact(std::string_view body, std::string_view workspace_id, std::string& out,
                                           const BodyFormat& format) const {
  Job job(*this, body, workspace_id, format);
  while (!job.step(std::numeric_limits<std::size_t>::max() / 2)) {
  }
  if (job.outcome().changed) out = std::move(job.out());
  return job.outcome();
}

}  // namespace gw::guard
