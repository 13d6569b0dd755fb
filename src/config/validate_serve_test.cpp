#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "config/test_support.h"
#include "config/validate.h"
#include "telemetry/scrub.h"

namespace gw::config {
namespace {

using testing::contains;
using testing::error_of;

const std::string kServable = "(no error)";

std::string serve_verdict(const std::function<void(Config&)>& change) {
  Config config;
  change(config);
  EXPECT_EQ(error_of(validate_values(config)), kServable) << "the contract's own table must let it pass";
  EXPECT_EQ(error_of(validate(config)), error_of(validate_for_serve(config)));
  return error_of(validate_for_serve(config));
}

TEST(ValidateServe, AMaximumSizeIsNoneOrLargeEnoughToBeMeant) {
  for (const std::int64_t good : {std::int64_t{0}, std::int64_t{64} << 20, std::int64_t{64} << 40})
    EXPECT_EQ(serve_verdict([&](Config& c) { c.storage.max_bytes = good; }), kServable) << good;
  for (const std::int64_t bad : {std::int64_t{-1}, std::int64_t{10}, (std::int64_t{64} << 20) - 1})
    EXPECT_TRUE(contains(serve_verdict([&](Config& c) { c.storage.max_bytes = bad; }), "storage.max_bytes")) << bad;
}

TEST(ListenHost, MustBeSomethingThatCanBeListenedOn) {
  for (const char* host :
       {"", "0.0.0.0", "127.0.0.1", "localhost", "gateway-1.internal", "[::]", "[::1]", "[fe80::1%eth0]"})
    EXPECT_EQ(serve_verdict([&](Config& c) { c.server.host = host; }), kServable) << host;
  for (const char* host : {"::1", "::", "127.0.0.1:80", "[::1", "[::1] ", " [::1]", "::1]", "[x]", "[127.0.0.1]",
                           "999.1.1.1", "1.2.3", " ", "a b", "a/b", "http://h"})
    EXPECT_TRUE(contains(serve_verdict([&](Config& c) { c.server.host = host; }), "server.host must")) << host;
  EXPECT_EQ(serve_verdict([](Config& c) { c.server.host.assign(253, 'h'); }), kServable);
  EXPECT_TRUE(contains(serve_verdict([](Config& c) { c.server.host.assign(254, 'h'); }),
                       "server.host must be at most 253 characters long (got 254)"));
}

TEST(PaddedDriver, IsRefusedBecauseServeWouldRefuseIt) {
  EXPECT_TRUE(contains(serve_verdict([](Config& c) { c.storage.driver = " sqlite"; }),
                       "unsupported storage.driver \" sqlite\""));
}

TEST(Prefixes, ThatHideRoutesAreRefused) {
  const auto prefixes = [](const std::string& openai, const std::string& anthropic) {
    return serve_verdict([&](Config& c) {
      c.providers.openai.prefix = openai;
      c.providers.anthropic.prefix = anthropic;
    });
  };
  EXPECT_EQ(prefixes("/llm/openai", "/llm/anthropic/"), kServable);
  EXPECT_EQ(prefixes("/apiary", "/a"), kServable);
  EXPECT_TRUE(contains(prefixes("/", "/a"), "providers.openai.prefix must not be root"));
  EXPECT_TRUE(contains(prefixes("/o", " // "), "providers.anthropic.prefix must not be root"));
  EXPECT_TRUE(contains(prefixes("/api", "/a"), "providers.openai.prefix must not overlap with /api"));
  EXPECT_TRUE(contains(prefixes("/o", "/api/a/"), "providers.anthropic.prefix must not overlap with /api"));
  EXPECT_EQ(
      prefixes("/ai", "/ai/claude/"),
      "providers.openai.prefix and providers.anthropic.prefix must not overlap (got \"/ai\" and \"/ai/claude/\")");
  EXPECT_TRUE(contains(prefixes("/ai", "/ai"), "must not overlap (got"));
  EXPECT_TRUE(contains(prefixes("/o?x", "/a"), "providers.openai.prefix must be a path"));
  EXPECT_TRUE(contains(prefixes("/o/..", "/a"), "providers.openai.prefix must not hold a '..' segment"));
}

TEST(AuthHeader, MustBeAHeaderName) {
  EXPECT_EQ(serve_verdict([](Config& c) { c.auth.header = " X-Key_1 "; }), kServable);
  for (const char* bad : {"X Key", "X-Key:", "Schlüssel", "X\nY"})
    EXPECT_TRUE(contains(serve_verdict([&](Config& c) { c.auth.header = bad; }), "auth.header must be a header name"))
        << bad;
}

TEST(AuthKeys, MustHaveTokensOfTheirOwn) {
  const auto tokens = [](const std::vector<std::string>& list, bool enabled = true) {
    return serve_verdict([&](Config& c) {
      c.auth.enabled = enabled;
      for (const auto& token : list) c.auth.keys.emplace_back().token = token;
    });
  };
  EXPECT_EQ(tokens({}), kServable) << "auth without any key starts and denies everything";
  EXPECT_EQ(tokens({"one", "two"}), kServable);
  EXPECT_EQ(tokens({"one", " "}), "auth.keys[1].token: gateway key token cannot be empty");
  const std::string twice = tokens({"same-secret", "other", " same-secret "});
  EXPECT_TRUE(contains(twice, "auth.keys[2].token: duplicate gateway key token in auth config (same as auth.keys[0])"));
  EXPECT_EQ(twice.find("same-secret"), std::string::npos) << "an error must not show a token";
  EXPECT_EQ(tokens({"", ""}, false), kServable);
}

TEST(Tls, NeedsBothFiles) {
  EXPECT_EQ(serve_verdict([](Config& c) { c.server.tls.cert = "c.pem"; }),
            "server.tls.key is required when server.tls.cert is set");
  EXPECT_EQ(serve_verdict([](Config& c) { c.server.tls.key = "k.pem"; }),
            "server.tls.cert is required when server.tls.key is set");
}

TEST(Bounds, HoldForEveryNumberOfOurs) {
  struct Case {
    std::string path;
    std::function<std::int64_t&(Config&)> member;
    std::int64_t min, max;
  };
  constexpr std::int64_t kHour = 3'600'000;
  constexpr std::int64_t kDay = 24 * kHour;
  std::vector<Case> cases = {
      {"server.max_header_bytes", [](Config& c) -> std::int64_t& { return c.server.max_header_bytes; }, 1'024,
       1'048'576},
      {"server.header_timeout_ms", [](Config& c) -> std::int64_t& { return c.server.header_timeout_ms; }, 1, kHour},
      {"server.idle_timeout_ms", [](Config& c) -> std::int64_t& { return c.server.idle_timeout_ms; }, 1, kDay},
      {"server.max_connections", [](Config& c) -> std::int64_t& { return c.server.max_connections; }, 1, 1'000'000},
      {"server.workers", [](Config& c) -> std::int64_t& { return c.server.workers; }, 0, 256},
      {"server.drain_timeout_ms", [](Config& c) -> std::int64_t& { return c.server.drain_timeout_ms; }, 0, kHour},
      {"server.drain_delay_ms", [](Config& c) -> std::int64_t& { return c.server.drain_delay_ms; }, 0, kHour},
      {"storage.retention_days", [](Config& c) -> std::int64_t& { return c.storage.retention_days; }, 0, 36'500},
      {"storage.bodies_retention_days", [](Config& c) -> std::int64_t& { return c.storage.bodies_retention_days; }, 0,
       36'500},
      {"trace.ring_bytes", [](Config& c) -> std::int64_t& { return c.trace.ring_bytes; }, 1'048'576,
       std::int64_t{2} << 30},
      {"trace.spill_bytes", [](Config& c) -> std::int64_t& { return c.trace.spill_bytes; }, 0, std::int64_t{16} << 40},
      {"trace.sync_interval_ms", [](Config& c) -> std::int64_t& { return c.trace.sync_interval_ms; }, 0, kHour},
      {"accounting.inject_max_bytes", [](Config& c) -> std::int64_t& { return c.accounting.inject_max_bytes; }, 1'024,
       std::int64_t{64} << 20},
      {"auth.failure_delay_ms", [](Config& c) -> std::int64_t& { return c.auth.failure_delay_ms; }, 0, 10'000},
      {"auth.stale_keys_ms", [](Config& c) -> std::int64_t& { return c.auth.stale_keys_ms; }, 5'000, 3'600'000},
      {"accounting.drain_ms", [](Config& c) -> std::int64_t& { return c.accounting.drain_ms; }, 0, 600'000},
      {"limits.default_output_reserve", [](Config& c) -> std::int64_t& { return c.limits.default_output_reserve; }, 0,
       10'000'000},
      {"limits.hold_max_bytes", [](Config& c) -> std::int64_t& { return c.limits.hold_max_bytes; }, 1'024,
       std::int64_t{64} << 20},
  };
  using Member = std::int64_t ProviderConfig::*;
  const std::tuple<std::string, Member, std::int64_t, std::int64_t> provider[] = {
      {"connect_timeout_ms", &ProviderConfig::connect_timeout_ms, 1, kHour},
      {"idle_timeout_ms", &ProviderConfig::idle_timeout_ms, 1, kDay},
      {"pool_idle_timeout_ms", &ProviderConfig::pool_idle_timeout_ms, 0, kDay},
      {"max_idle_connections", &ProviderConfig::max_idle_connections, 0, 65'536},
  };
  for (const auto& [name, member, min, max] : provider) {
    const Member m = member;
    cases.push_back(
        {"providers.openai." + name, [m](Config& c) -> std::int64_t& { return c.providers.openai.*m; }, min, max});
    cases.push_back({"providers.anthropic." + name,
                     [m](Config& c) -> std::int64_t& { return c.providers.anthropic.*m; }, min, max});
  }
  for (const Case& c : cases) {
    for (std::int64_t good : {c.min, c.max})
      EXPECT_EQ(serve_verdict([&](Config& config) { c.member(config) = good; }), kServable) << c.path << " = " << good;
    for (std::int64_t bad : {c.min - 1, c.max + 1})
      EXPECT_EQ(serve_verdict([&](Config& config) { c.member(config) = bad; }),
                c.path + " must be between " + std::to_string(c.min) + " and " + std::to_string(c.max) + " (got " +
                    std::to_string(bad) + ")");
  }
}

/// A folder of its own for each test, removed at its end.
class Files : public ::testing::Test {
 protected:
  Files() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gw-config-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~Files() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }

  using Key = std::unique_ptr<EVP_PKEY, decltype(&::EVP_PKEY_free)>;
  static Key make_key() { return Key(::EVP_EC_gen("P-256"), ::EVP_PKEY_free); }

  std::string write_key(const std::string& name, const Key& key, const char* passphrase = nullptr) const {
    std::FILE* file = std::fopen(path(name).c_str(), "wb");
    const auto* cipher = passphrase != nullptr ? ::EVP_aes_256_cbc() : nullptr;
    const auto* phrase = reinterpret_cast<const unsigned char*>(passphrase);
    EXPECT_EQ(::PEM_write_PrivateKey(file, key.get(), cipher, phrase, passphrase != nullptr ? 6 : 0, nullptr, nullptr),
              1);
    std::fclose(file);
    return path(name);
  }
  std::string write_cert(const std::string& name, const Key& key) const {
    const std::unique_ptr<X509, decltype(&::X509_free)> cert(::X509_new(), ::X509_free);
    ::X509_gmtime_adj(X509_getm_notBefore(cert.get()), 0);
    ::X509_gmtime_adj(X509_getm_notAfter(cert.get()), 3600);
    ::X509_set_pubkey(cert.get(), key.get());
    ::X509_sign(cert.get(), key.get(), ::EVP_sha256());
    std::FILE* file = std::fopen(path(name).c_str(), "wb");
    EXPECT_EQ(::PEM_write_X509(file, cert.get()), 1);
    std::fclose(file);
    return path(name);
  }
  static std::string tls(const std::string& cert, const std::string& key) {
    Config config;
    config.server.tls = {cert, key};
    EXPECT_EQ(error_of(validate(config)), error_of(validate_files(config)));
    return error_of(validate_files(config));
  }

  std::filesystem::path folder_;
};

TEST_F(Files, OfTlsMayMatch) {
  const Key key = make_key();
  EXPECT_EQ(tls(write_cert("c.pem", key), write_key("k.pem", key)), kServable);
}

TEST_F(Files, OfTlsMustBeReadable) {
  const Key key = make_key();
  const std::string cert = write_cert("c.pem", key);
  EXPECT_TRUE(contains(tls(path("absent.pem"), cert),
                       "server.tls.cert: cannot read \"" + path("absent.pem") + "\": No such file or directory"));
  EXPECT_TRUE(contains(tls(cert, path("absent.pem")), "server.tls.key: cannot read "));
  EXPECT_TRUE(contains(tls(folder_.string(), cert), "server.tls.cert: \"" + folder_.string() + "\" is not a file"));
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  EXPECT_TRUE(contains(tls(path("fifo"), cert), "is not a file")) << "and a pipe must not block";
}

TEST_F(Files, OfTlsMustHoldACertificateAndItsKey) {
  const Key key = make_key();
  const std::string cert = write_cert("c.pem", key);
  EXPECT_TRUE(
      contains(tls(write("junk.pem", "junk"), write_key("k.pem", key)), "holds no usable PEM certificate chain"));
  EXPECT_TRUE(contains(tls(cert, write("junk.pem", "junk")), "holds no PEM private key"));
  EXPECT_TRUE(contains(tls(cert, write_key("other.pem", make_key())), "server.tls.key: "));
  EXPECT_TRUE(contains(tls(cert, write_key("locked.pem", key, "secret")), "without passphrase"))
      << "and must not ask on the terminal";
}

TEST_F(Files, OfStorageMustBeOfTheRightKind) {
  Config config;
  config.storage.path = folder_.string();
  EXPECT_TRUE(contains(error_of(validate(config)), "storage.path must name a file"));
  config.storage.path = path("new/deep.db");
  EXPECT_EQ(error_of(validate(config)), kServable) << "folders are created at start";
  config.trace.ring_path = write("plain", "x");
  EXPECT_TRUE(contains(error_of(validate(config)), "trace.ring_path must name a folder"));
  config.trace.ring_path = folder_.string();
  EXPECT_EQ(error_of(validate(config)), kServable);
}

TEST(ModelLimits, AreEntriesUnderAModelsNameInTheFilesOrder) {
  const Config c = testing::parsed(
      "limits:\n  per_model:\n    gpt-4o*: {requests_per_minute: 5}\n    \"*\": {max_cost_usd_per_day: 1.5}\n    "
      "o1:\n");
  const auto& list = c.limits.per_model.list;
  ASSERT_EQ(list.size(), 3U);
  EXPECT_EQ(list[0].model + " " + list[1].model + " " + list[2].model, "gpt-4o* * o1");
  EXPECT_EQ(list[0].limits.requests_per_minute, 5);
  EXPECT_EQ(list[1].limits.max_cost_usd_per_day, 1.5);
  EXPECT_EQ(list[2].limits.requests_per_minute, 0);
  EXPECT_TRUE(testing::contains(testing::refused("{limits: {per_model: {'a b': {}}}}"),
                                "name \"a b\" cannot be used (limits.per_model.a b: expected the name of a model"));
  EXPECT_TRUE(
      testing::contains(testing::refused("{limits: {per_model: {o1: {max_cost: 1}}}}"),
                        "field max_cost not found in type config.UsageLimitConfig (limits.per_model.o1.max_cost"));
}

TEST(SharedLimits, NeedAnAddressThatCanBeOneAndItIsNotRepeated) {
  EXPECT_EQ(serve_verdict([](Config& c) { c.limits.redis_url = "redis://:secret@cache:6380/1"; }), "(no error)");
  const std::string refused = serve_verdict([](Config& c) { c.limits.redis_url = "tls://:secret@cache"; });
  EXPECT_TRUE(refused.starts_with("limits.redis_url must be redis[s]://")) << refused;
  EXPECT_EQ(refused.find("secret"), std::string::npos);
  std::string scratch;
  EXPECT_EQ(telemetry::scrub(refused, scratch), refused) << "what to write is not taken for a password";
}

TEST(ModelLimits, HaveTheBoundsOfTheOthersAndAreAtMost256) {
  EXPECT_EQ(serve_verdict([](Config& c) {
              c.limits.per_model.list.push_back({.model = "o1", .limits = {.requests_per_minute = 1'048'577}});
            }),
            "limits.per_model.o1.requests_per_minute must be at most 1048576, or 0 for no limit (got 1048577)");
  EXPECT_EQ(serve_verdict([](Config& c) { c.limits.per_model.list.resize(256); }), "(no error)");
  EXPECT_EQ(serve_verdict([](Config& c) { c.limits.per_model.list.resize(257); }),
            "limits.per_model must have at most 256 entries (got 257)");
}

TEST(Limits, AreRefusedAboveWhatCanBeCountedAndOffAtZeroOrLess) {
  EXPECT_EQ(serve_verdict([](Config& c) {
              c.limits.per_key = {
                  .requests_per_minute = -1, .max_cost_usd_per_day = -5, .tokens_per_minute = INT64_MIN};
              c.limits.per_org.requests_per_minute = 1'048'576;
              c.limits.per_org.max_cost_usd_per_month = 9'000'000;
            }),
            kServable);
  EXPECT_EQ(serve_verdict([](Config& c) { c.limits.per_org.requests_per_minute = 1'048'577; }),
            "limits.per_org.requests_per_minute must be at most 1048576, or 0 for no limit (got 1048577)");
  EXPECT_EQ(serve_verdict([](Config& c) { c.limits.per_key.max_cost_usd_per_day = 9'000'001; }),
            "limits.per_key.max_cost_usd_per_day must be at most 9000000, or 0 for no limit (got 9000001)");
  EXPECT_EQ(serve_verdict([](Config& c) {
              c.limits.per_workspace.max_cost_usd_per_month = std::numeric_limits<double>::quiet_NaN();
            }),
            "limits.per_workspace.max_cost_usd_per_month must be at most 9000000, or 0 for no limit (got nan)");
}

}  // namespace
}  // namespace gw::config
