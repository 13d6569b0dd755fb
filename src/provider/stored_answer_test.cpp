#include "provider/stored_answer.h"

#include <gtest/gtest.h>

namespace gw::provider {
namespace {

TEST(StoredAnswer, OnlyWhatMakesAModelWorkSpendsItsUsage) {
  for (const char* path : {"/v1/responses", "/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/embeddings",
                           "/v1/responses/compact", "/openai/deployments/d/chat/completions", "/v1/images/edits"})
    EXPECT_TRUE(spends_usage("POST", path)) << path;
  for (const char* method : {"GET", "HEAD", "DELETE", "PATCH", "PUT"})
    EXPECT_FALSE(spends_usage(method, "/v1/responses/resp_1")) << method;
  EXPECT_TRUE(spends_usage("GET", "/v1/chat/deferred-completion/1f2e")) << "it comes once, and here alone";
  EXPECT_FALSE(spends_usage("GET", "/v1/chat/deferred-completion/"));
  EXPECT_FALSE(spends_usage("POST", "/v1/chat/completions/chatcmpl-1")) << "changes its metadata";
  EXPECT_FALSE(spends_usage("POST", "/v1/responses/resp_1/cancel"));
  EXPECT_FALSE(spends_usage("POST", "/v1/batches/batch_1/cancel"));
  EXPECT_FALSE(spends_usage("GET", "/v1/messages/batches/b/results"));
}

TEST(StoredAnswer, TheIdIsThatOfTheResponseItself) {
  EXPECT_EQ(stored_response_id("/v1/responses/resp_1"), "resp_1");
  EXPECT_EQ(stored_response_id("/openai/v1/responses/resp_1/cancel"), "resp_1");
  for (const char* path :
       {"/v1/responses", "/v1/responses/", "/v1/responses/resp_1/input_items", "/v1/chat/completions/c"})
    EXPECT_EQ(stored_response_id(path), "") << path;
}

}  // namespace
}  // namespace gw::provider
