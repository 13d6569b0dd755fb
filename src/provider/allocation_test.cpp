// The readers are reused for every exchange of a connection: after the first, none may touch the heap.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "provider/pricing.h"
#include "provider/request_reader.h"
#include "provider/usage_reader.h"

namespace {
thread_local std::size_t allocations = 0;
}

// Every form that a library may pair with these deletes. Not inlined: a compiler that sees malloc behind new takes free
// in delete for a mistake.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size != 0 ? size : 1);
}
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (void* p = operator new(size, std::nothrow)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace gw::provider {
namespace {

void exchange(RequestReader& request, UsageReader& response, bool events) {
  request.reset();
  request.push(
      R"({"model":"claude-3-5-haiku-20241022-with-a-long-name","metadata":{"user_id":"a-user-id-with-a-long-name"},"stre)");
  request.push(R"(am":true,"messages":[{"role":"user","content":"hello"}]})");
  request.finish();
  if (events) {
    response.begin("text/event-stream; charset=utf-8", "");
    response.push(
        "data: {\"message\":{\"model\":\"claude-3-5-haiku-20241022-as-served\",\"usage\":{\"input_tokens\":9}}}\n\nda");
    response.push("ta: {\"usage\":{\"output_tokens\":6}}\n\n");
  } else {
    response.begin("application/json", "identity");
    response.push(
        R"({"model":"claude-3-5-haiku-20241022-as-served","usage":{"input_tokens":9,"output_tokens":6},"service_tier":"a-tier-with-a-long-name"})");
  }
  response.finish();
}

TEST(Readers, ASecondExchangeAllocatesNothing) {
  RequestReader request;
  UsageReader response;
  PriceMemo memo;
  const auto table = PriceTable::built_in().value();
  for (const bool events : {true, false}) {
    exchange(request, response, events);
    const auto cost_of_exchange = [&] {
      return memo.price(*table, {.provider = "anthropic", .model = request.model()}, response.usage()).cost;
    };
    cost_of_exchange();
    const std::size_t before = allocations;
    exchange(request, response, events);
    const Cost cost = cost_of_exchange();
    EXPECT_EQ(allocations, before);
    EXPECT_EQ(response.usage().total_tokens, 15);
    EXPECT_EQ(response.model(), "claude-3-5-haiku-20241022-as-served");
    EXPECT_EQ(cost.nano_usd, 9 * 800 + 6 * 4000);
  }
}

}  // namespace
}  // namespace gw::provider
