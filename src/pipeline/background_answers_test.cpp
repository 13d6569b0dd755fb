#include "pipeline/background_answers.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace gw::pipeline {
namespace {

TEST(BackgroundAnswers, EachCountsOnceForItsProviderAndTheOldestAreForgotten) {
  const auto answers = std::make_unique<BackgroundAnswers>();
  EXPECT_TRUE(answers->add("openai", "resp_1"));
  EXPECT_FALSE(answers->add("openai", "resp_1"));
  EXPECT_TRUE(answers->add("azure", "resp_1"));
  for (std::size_t i = 0; i < BackgroundAnswers::kMost - 2; ++i) answers->add("openai", "more_" + std::to_string(i));
  EXPECT_FALSE(answers->add("openai", "resp_1"));
  answers->add("openai", "one too many");
  EXPECT_TRUE(answers->add("openai", "resp_1"));
}

}  // namespace
}  // namespace gw::pipeline
