#include "config/redis_url.h"

#include <gtest/gtest.h>

namespace gw::config {
namespace {

TEST(RedisUrl, NamesAHostOrASocketAndWhoAsks) {
  RedisUrl u = *parse_redis_url(" redis://cache ");
  EXPECT_EQ(u.host + " " + std::to_string(u.port) + " " + std::to_string(u.database), "cache 6379 0");
  u = *parse_redis_url("redis://me:p%40ss%3a@10.0.0.1:7000/5");
  EXPECT_EQ(u.host + " " + u.user + " " + u.password, "10.0.0.1 me p@ss:");
  EXPECT_EQ(u.port * 10 + u.database, 70'005);
  u = *parse_redis_url("redis://:secret@[::1]:1/");
  EXPECT_EQ(u.host + u.user + u.password, "::1secret");
  EXPECT_FALSE(u.tls);
  u = *parse_redis_url("rediss://:secret@cache.example:6380/2");
  EXPECT_TRUE(u.tls);
  EXPECT_EQ(u.host + " " + std::to_string(u.port), "cache.example 6380");
  u = *parse_redis_url("unix://:secret@/run/redis/redis.sock?db=2");
  EXPECT_EQ(u.host + u.path + u.password, "/run/redis/redis.socksecret");
  EXPECT_EQ(u.database, 2);
}

TEST(RedisUrl, IsShownWithoutWhatIsSecret) {
  EXPECT_EQ(parse_redis_url("redis://me:secret@h/5")->shown(), "redis://h:6379/5");
  EXPECT_EQ(parse_redis_url("redis://:secret@[::1]")->shown(), "redis://[::1]:6379");
  EXPECT_EQ(parse_redis_url("rediss://:secret@h/5")->shown(), "rediss://h:6379/5");
  EXPECT_EQ(parse_redis_url("unix://:secret@/a.sock?db=2")->shown(), "unix:///a.sock?db=2");
}

TEST(RedisUrl, IsRefusedWithoutRepeatingIt) {
  for (const char* bad :
       {"", "cache:6379", "http://cache", "redis://", "redis://h:0", "redis://h:70000", "redis://h:x", "redis://h/x",
        "redis://h/-1", "redis://user@h", "redis://u:%zz@h", "redis://h?x=1", "redis://[::1", "redis://[::1]x",
        "rediss://", "rediss:///a.sock", "unix://", "unix://relative", "unix:///a?x=1"}) {
    const auto r = parse_redis_url(bad);
    ASSERT_FALSE(r) << bad;
    EXPECT_TRUE(r.error().message.starts_with("must be redis[s]://host[:port][/database] or unix:///"))
        << r.error().message;
  }
}

}  // namespace
}  // namespace gw::config
