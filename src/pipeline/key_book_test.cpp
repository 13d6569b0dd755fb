#include "pipeline/key_book.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/sha256.h"

namespace gw::pipeline {
namespace {

std::shared_ptr<const KeyView> view_of(int generation) {
  store::GatewayKey always, now;
  always.id = now.id = std::to_string(generation);
  always.token_hash = sha256_hex("always");
  now.token_hash = sha256_hex("only-" + std::to_string(generation));
  const std::vector<store::GatewayKey> keys = {always, now};
  return std::make_shared<const KeyView>(auth::Authorizer::of(keys), true);
}

auth::Decision ask(const KeyView& view, std::string_view token) {
  return view.authorizer().authorize({.method = "GET", .path = "/api/traces", .gateway_key = token});
}

TEST(KeyBook, WorkersSeeTheNewKeysAndWhatTheyHoldStaysWhole) {
  constexpr int kGenerations = 200;
  KeyBook book(auth::Authorizer::of({}));
  book.replace(view_of(0));
  std::atomic<bool> done{false};
  std::vector<std::thread> workers;
  workers.reserve(3);
  for (int i = 0; i < 3; ++i)
    workers.emplace_back([&] {
      WorkerKeys keys;
      for (int seen = 0; !done.load() || seen < kGenerations;) {
        const std::shared_ptr<const KeyView> held = keys.view(book)->view;
        const auth::Decision d = ask(*held, "always");
        ASSERT_NE(d.identity, nullptr);
        const int generation = std::stoi(d.identity->key_id);
        ASSERT_GE(generation, seen) << "keys never go back";
        seen = generation;
        held->used(*d.identity, seen + 1'000'000'000);
        ASSERT_EQ(ask(*held, "only-" + std::to_string(seen)).identity->key_id, d.identity->key_id);
      }
    });
  for (int i = 1; i <= kGenerations; ++i) book.replace(view_of(i));
  done = true;
  for (std::thread& t : workers) t.join();
}

TEST(KeyBook, AChangeIsSeenByTheNextRequest) {
  KeyBook book(auth::Authorizer::of({}));
  WorkerKeys keys;
  EXPECT_EQ(ask(*keys.view(book)->view, "only-1").identity, nullptr);
  book.replace(view_of(1));
  EXPECT_NE(ask(*keys.view(book)->view, "only-1").identity, nullptr);
  book.replace(view_of(2));
  EXPECT_EQ(ask(*keys.view(book)->view, "only-1").identity, nullptr);
}

TEST(KeyBook, ViewsAreGivenBackOnceNobodyHoldsThem) {
  KeyBook book(auth::Authorizer::of({}));
  WorkerKeys keys;
  WorkerKeyViewPtr exchange = keys.view(book);
  const std::weak_ptr<const KeyView> first = book.view();
  book.replace(view_of(1));
  keys.view(book);
  EXPECT_FALSE(first.expired()) << "an exchange holds it";
  exchange.reset();
  EXPECT_TRUE(first.expired());
}

}  // namespace
}  // namespace gw::pipeline
