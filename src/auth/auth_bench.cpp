#include <benchmark/benchmark.h>

#include "auth/authorizer.h"
#include "auth/credential_headers.h"

namespace {

void authorize_proxied(benchmark::State& state) {
  gw::auth::Options options{true, {}};
  for (int i = 0; i < 100; ++i) {
    gw::auth::KeyOptions key;
    key.id = key.token = "ogk_0123456789abcdef0123456789abcd" + std::to_string(i);
    options.keys.push_back(key);
  }
  const auto authorizer = gw::auth::Authorizer::build(options);
  const gw::auth::AuthRequest request{.method = "POST",
                                      .path = "/anthropic/v1/messages",
                                      .provider = "anthropic",
                                      .gateway_key = "ogk_0123456789abcdef0123456789abcd42",
                                      .has_provider_credential = true};
  for (auto _ : state) benchmark::DoNotOptimize(authorizer->authorize(request));
}
BENCHMARK(authorize_proxied);

void classify_header(benchmark::State& state) {
  const gw::auth::CredentialHeaders headers(true, "X-OngoingAI-Gateway-Key");
  const std::string_view names[] = {"host", "authorization", "content-type", "x-stainless-runtime-version",
                                    "user-agent"};
  std::size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(headers.use_of(names[i++ % 5]));
}
BENCHMARK(classify_header);

}  // namespace
