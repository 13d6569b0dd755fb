#include "guard/field_names.h"

#include <gtest/gtest.h>

namespace gw::guard {
namespace {

FieldNames defaults() {
  return FieldNames({"email", "phone", "password", "token", "secret", "ssn", "api_key", "authorization"});
}

TEST(FieldNames, HitOnWordBoundaries) {
  const FieldNames f = defaults();
  for (const char* name : {"token",
                           "TOKEN",
                           "access_token",
                           "user-token",
                           "apiToken",
                           "APIToken",
                           "token_type",
                           "Token",
                           "x.token",
                           "token2",
                           "my token",
                           "tokenID",
                           "email",
                           "user_email",
                           "userEmail",
                           "emailAddress",
                           "EMail_1",
                           "phone_number",
                           "client_secret",
                           "secretKey",
                           "SSN",
                           "ssn_last4",
                           "userSSN",
                           "SSNumber_ssn",
                           "api_key",
                           "apikey",
                           "apiKey",
                           "APIKey",
                           "API_KEY",
                           "x-api-key",
                           "openai_api_key",
                           "openaiApiKey",
                           "api key id",
                           "Proxy-Authorization",
                           "db.password"})
    EXPECT_TRUE(f.is_denied(name)) << name;
}

TEST(FieldNames, DoNotHitInsideWords) {
  const FieldNames f = defaults();
  for (const char* name : {"max_tokens",
                           "prompt_tokens",
                           "total_tokens",
                           "maxTokens",
                           "tokenizer",
                           "tokens",
                           "emails",
                           "secretary",
                           "phones",
                           "lessn",
                           "api",
                           "key",
                           "api_id_key",
                           "apikeys",
                           "passwords",
                           "microphone",
                           "headphones",
                           "tokenized",
                           "detokenize",
                           "",
                           "_",
                           "a",
                           "completion_tokens_details",
                           "authorizations"})
    EXPECT_FALSE(f.is_denied(name)) << name;
}

TEST(FieldNames, EntriesMayBeWrittenAnyWay) {
  for (const char* entry : {"credit_card", "creditcard", "Credit-Card", " credit card "}) {
    const FieldNames f({entry});
    for (const char* name : {"credit_card", "creditCard", "CREDIT-CARD", "my_creditcard"})
      EXPECT_TRUE(f.is_denied(name)) << entry << " " << name;
    EXPECT_FALSE(f.is_denied("credit_cards")) << entry;
  }
}

TEST(FieldNames, AnEmptyListDeniesNothing) {
  EXPECT_FALSE(FieldNames({}).is_denied("password"));
  EXPECT_FALSE(FieldNames({"", " - "}).is_denied("password"));
}

TEST(FieldNames, NonAsciiLettersBelongToWords) {
  const FieldNames f({"token",
                      "stra\xC3\x9F"
                      "e"});
  EXPECT_FALSE(f.is_denied("t\xC3\xB6token"));
  EXPECT_TRUE(f.is_denied("t\xC3\xB6_token"));
  EXPECT_TRUE(
      f.is_denied("meine_stra\xC3\x9F"
                  "e"));
}

TEST(FieldNames, KnowAccounting) {
  for (const char* name : {"usage", "Usage", "usageMetadata", "usage_metadata"})
    EXPECT_TRUE(FieldNames::is_usage(name)) << name;
  for (const char* name : {"usages", "api_usage", "usage_notes", "u", "usag"})
    EXPECT_FALSE(FieldNames::is_usage(name)) << name;
}

}  // namespace
}  // namespace gw::guard
