// The OpenAPI file beside the tables that decide what the gateway really answers. That the answers are as it says is
// tested end to end (tests/e2e/suites/openapi.test.js).
#include <set>
#include <string>
#include <utility>

#include "api/embedded_openapi.h"
#include "api/json_value.h"
#include "api/route_table.h"
#include "api/test_router.h"
#include "auth/policy.h"

namespace gw::api {
namespace {

using Operations = std::set<std::pair<std::string, std::string>>;

std::string upper(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return text;
}

class OpenApi : public ApiRouter {
 protected:
  void SetUp() override {
    auto parsed = parse_json(embedded::openapi());
    ASSERT_TRUE(parsed);
    document_ = std::move(*parsed);
    paths_ = document_.find("paths");
    ASSERT_NE(paths_, nullptr);
  }

  /// Calls `f` with path, method and operation.
  template <class Fn>
  void each_operation(Fn f) const {
    for (std::size_t i = 0; i < paths_->keys.size(); ++i) {
      const JsonValue& path = paths_->items[i];
      for (std::size_t j = 0; j < path.keys.size(); ++j)
        if (path.keys[j] != "parameters") f(paths_->keys[i], upper(path.keys[j]), path.items[j]);
    }
  }

  JsonValue document_;
  const JsonValue* paths_ = nullptr;
};

TEST_F(OpenApi, IsServedAsItIsInTheRepository) {
  const ApiResponse r = get("/api/openapi.json");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(header(r, "Content-Type"), "application/json");
  EXPECT_EQ(header(r, "Cache-Control"), "public, max-age=300");
  EXPECT_EQ(r.body, embedded::openapi());
  ASSERT_NE(document_.find("openapi"), nullptr);
  EXPECT_TRUE(document_.find("openapi")->string.starts_with("3.1."));
}

TEST_F(OpenApi, ItsPathsAndMethodsAreThoseOfTheRouteTable) {
  Operations routed, documented;
  // A route for any method is documented once.
  for (const Route& r : routes()) routed.emplace(r.path, r.method.empty() ? "GET" : r.method);
  each_operation(
      [&](const std::string& path, const std::string& method, const JsonValue&) { documented.emplace(path, method); });
  EXPECT_EQ(documented, routed);
}

TEST_F(OpenApi, AsksForAKeyWhereThePolicyTableDoes) {
  each_operation([&](const std::string& path, const std::string& method, const JsonValue& operation) {
    const auth::Requirement r = auth::requirement_of(method, path, "");
    const JsonValue* security = operation.find("security");
    const bool is_open = security != nullptr && security->items.empty();
    EXPECT_EQ(is_open, r.access == auth::Access::open) << method << " " << path;
    const JsonValue* answers = operation.find("responses");
    ASSERT_NE(answers, nullptr) << method << " " << path;
    EXPECT_EQ(answers->find("401") == nullptr, is_open) << method << " " << path;
  });
}

TEST_F(OpenApi, SaysThatWhateverNeedsAStoreMayHaveToWaitTooLong) {
  each_operation([&](const std::string& path, const std::string& method, const JsonValue& operation) {
    const bool waits = reads_traces({method, path, {}, {}, {}});
    const JsonValue* answers = operation.find("responses");
    ASSERT_NE(answers, nullptr) << method << " " << path;
    const bool keys = handles_keys({method, path, {}, {}, {}});
    EXPECT_EQ(answers->find("503") != nullptr, waits || keys || path == "/api/ready") << method << " " << path;
  });
}

}  // namespace
}  // namespace gw::api
