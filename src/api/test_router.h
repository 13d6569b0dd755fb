#pragma once
// A router over a scripted store, for tests of its answers.
#include <gtest/gtest.h>

#include "api/json_value.h"
#include "api/router.h"
#include "store/test_traces.h"

namespace gw::api {

/// Answers from a script and remembers what it was asked.
class ScriptedReader final : public store::TraceReader {
 public:
  Result<store::TracePage> list(const store::TenantScope& scope, const store::TraceFilter& filter,
                                const std::optional<store::TraceCursor>& after, int limit) override {
    asked_scope = scope;
    asked_filter = filter;
    asked_after = after;
    asked_limit = limit;
    ++lists;
    if (broken || broken_lists) return fail("disk on fire at /secret/path");
    return page;
  }
  Result<std::optional<Trace>> find(const store::TenantScope& scope, std::string_view id) override {
    asked_scope = scope;
    asked_id = id;
    if (broken) return fail("disk on fire at /secret/path");
    for (const Trace& t : page.items)
      if (t.id == id) return t;
    return std::nullopt;
  }
  Result<store::ExportEnd> export_rows(const store::TenantScope&, const store::TraceFilter&, std::int64_t, std::int64_t,
                                       const store::ExportColumns&, const std::function<bool(const Trace&)>&) override {
    return fail("disk on fire at /secret/path");
  }
  Result<store::SequenceState> sequence() override { return fail("disk on fire at /secret/path"); }
  Result<std::vector<store::AnalyticsGroup>> analyze(const store::TenantScope&, const store::AnalyticsQuery&) override {
    return fail("disk on fire at /secret/path");
  }
  Result<store::TimeSpan> span(const store::TenantScope&) override { return fail("disk on fire at /secret/path"); }
  Result<std::int64_t> count() override {
    if (broken) return fail("disk on fire at /secret/path");
    return 17;
  }
  std::int64_t size_bytes() override { return broken ? 0 : 4096; }
  Result<bool> ping() override {
    if (broken) return fail("disk on fire at /secret/path");
    return true;
  }

  bool gave_up() const override { return slow; }

  store::TracePage page;
  bool slow = false;  ///< why it is broken
  bool broken = false, broken_lists = false;
  store::TenantScope asked_scope;
  store::TraceFilter asked_filter;
  std::optional<store::TraceCursor> asked_after;
  int asked_limit = 0;
  int lists = 0;
  std::string asked_id;
};

class ApiRouter : public testing::Test {
 protected:
  ApiDeps deps() {
    ApiDeps d;
    d.traces = &store();
    d.diagnostics = [this] { return figures_; };
    d.not_ready_reason = [this] { return not_ready_; };
    d.on_error = [this](std::string_view operation, std::string_view error) {
      logged_.append(operation).append(": ").append(error);
    };
    d.version = "ongoingai 1.2.3";
    d.storage_driver = "sqlite";
    d.auth_header = "X-OngoingAI-Gateway-Key";
    d.started_mono_ns = 0;
    d.clock.mono_ns = [] { return std::int64_t{5'999'999'999}; };
    d.clock.wall_ns = [] { return std::int64_t{1'770'861'601'500'000'000}; };
    return d;
  }
  ApiResponse ask(const ApiRequest& r) { return Router(deps()).handle(r); }
  ApiResponse get(const std::string& path, const std::string& query = {}) { return ask({"GET", path, query, {}, {}}); }
  ApiResponse send(const std::string& method, const std::string& path) { return ask({method, path, {}, {}, {}}); }
  ApiResponse get_as(const std::string& accept, const std::string& path, const std::string& query = {}) {
    return ask({"GET", path, query, {}, {}, accept});
  }
  /// Of an answer that is an error.
  static std::string error_of(const ApiResponse& r) {
    const auto body = parse_json(r.body);
    const JsonValue* error = body ? body->find("error") : nullptr;
    return error != nullptr ? error->string : "(no error) " + r.body;
  }

  static std::string header(const ApiResponse& r, std::string_view name) {
    for (const auto& [n, v] : r.headers)
      if (n == name) return v;
    return "(absent)";
  }

  /// What the router asks; the scripted one unless a test has its own.
  virtual store::TraceReader& store() { return reader_; }

  ScriptedReader reader_;
  std::optional<PipelineDiagnostics> figures_ = PipelineDiagnostics{};
  std::string not_ready_;
  std::string logged_;
};

}  // namespace gw::api
