#pragma once
// What runs in the server, as one step each. Times are the server's.
//
// prefix + "instances": a sorted set of names, by the time in ms until which they are alive.
// prefix + "epoch": made anew when everything was lost. prefix + "heard": when an instance said something last. prefix
// + "frozen": while it is there nobody is granted anything. prefix + "c:" + counter: a hash of `b` (spent by instances
// that are no more, or known from elsewhere), `s<instance>` (spent by it), `h<instance>` (held by it), and of a window
// `u<second>` (used in it) and `t` (the second of b).
#include <string_view>

namespace gw::store::redis {

/// KEYS: instances, epoch, frozen, heard. ARGV: instance, fresh, returning, lease in ms, an epoch to begin with.
/// Answers known, instances, frozen, epoch.
inline constexpr std::string_view kHelloScript = R"lua(
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local id, fresh, returning, lease = ARGV[1], ARGV[2] == '1', ARGV[3] == '1', tonumber(ARGV[4])
-- Nobody was heard for longer than anybody is silent: they could not, and come back with what they hold.
local heard = tonumber(redis.call('GET', KEYS[4]) or now)
redis.call('SET', KEYS[4], string.format('%.0f', now))
if now - heard > 2000 and (not fresh or returning) then
  local all = redis.call('ZRANGE', KEYS[1], 0, -1)
  for _, name in ipairs(all) do redis.call('ZADD', KEYS[1], 'GT', now + 2000, name) end
  if #all > 0 then redis.call('SET', KEYS[3], '1', 'PX', 2000) end
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('SET', KEYS[2], ARGV[5], 'NX')
local alive = redis.call('ZCARD', KEYS[1])
if not fresh and not redis.call('ZSCORE', KEYS[1], id) then
  local alone = alive == 0 or redis.call('EXISTS', KEYS[3]) == 1
  return {0, alive, alone and 1 or 0, redis.call('GET', KEYS[2])}
end
-- All were away: the others come back with what they hold, before anybody gets more.
if fresh and returning and alive == 0 then redis.call('SET', KEYS[3], '1', 'PX', 2000) end
redis.call('ZADD', KEYS[1], now + lease, id)
return {1, redis.call('ZCARD', KEYS[1]), redis.call('EXISTS', KEYS[3]), redis.call('GET', KEYS[2])}
)lua";

/// KEYS: the counter, instances, frozen. ARGV: instance, kind, threshold, known, spent, held, need, single, extra,
/// seconds to keep it, base. Answers granted, total, pool, seconds to wait, base; or -1: the instance is not alive.
inline constexpr std::string_view kCounterScript = R"lua(
local t = redis.call('TIME')
local second = tonumber(t[1])
local now = second * 1000 + math.floor(t[2] / 1000)
local me, kind = ARGV[1], ARGV[2]
local threshold, known, spent = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local held, need, single, extra = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local keep, told_base = tonumber(ARGV[10]), tonumber(ARGV[11])
local function alive(id)
  local until_ms = redis.call('ZSCORE', KEYS[2], id)
  return until_ms and tonumber(until_ms) > now
end
if not alive(me) then return {-1} end
local function text(x) return string.format('%.0f', x) end
local function set(field, x) redis.call('HSET', KEYS[1], field, text(x)) end

local all = redis.call('HGETALL', KEYS[1])
local base, based = 0, 0
local used, oldest = 0, nil
local spends, holds = {}, {}
for i = 1, #all, 2 do
  local field, amount = all[i], tonumber(all[i + 1])
  local what, rest = string.sub(field, 1, 1), string.sub(field, 2)
  if what == 'b' then
    base = amount
  elseif what == 't' then
    based = amount
  elseif what == 's' then
    spends[rest] = amount
  elseif what == 'h' then
    holds[rest] = amount
  elseif second - tonumber(rest) > 60 then
    redis.call('HDEL', KEYS[1], field)
  else
    used = used + amount
    if not oldest or tonumber(rest) < oldest then oldest = tonumber(rest) end
  end
end

-- Of others: of those that live, and of those that do not any more.
local before = spends[me] or 0
spends[me], holds[me] = nil, nil
local others_spent, others_held = 0, 0
local fold, use = 0, 0
local living = {}
local function lives(id)
  if living[id] == nil then living[id] = alive(id) and true or false end
  return living[id]
end
for id, amount in pairs(spends) do
  if lives(id) then
    others_spent = others_spent + amount
  else
    fold = fold + amount
    redis.call('HDEL', KEYS[1], 's' .. id)
  end
end
for id, amount in pairs(holds) do
  if lives(id) then
    others_held = others_held + amount
  else
    -- Nobody knows which requests of a window its last second let through.
    use = use + amount
    redis.call('HDEL', KEYS[1], 'h' .. id)
  end
end

local total = 0
if kind == 'sum' then
  base = base + fold
  base = math.max(base, known - others_spent - before, told_base)
  total = base + others_spent + spent
  set('b', base)
  set('s' .. me, spent)
elseif kind == 'window' then
  use = use + math.max(0, spent - before)
  if use > 0 then
    redis.call('HINCRBY', KEYS[1], 'u' .. second, text(use))
    used = used + use
    oldest = oldest or second
  end
  if second - based > 60 then base = 0 end
  if told_base > base then
    base, based = told_base, second
    set('b', base)
    set('t', based)
  end
  if base > 0 and (not oldest or based < oldest) then oldest = based end
  total = used + base
  set('s' .. me, spent)
end

local pool = threshold - total - others_held - held
local grant = 0
if need + extra > 0 and pool > 0 and redis.call('EXISTS', KEYS[3]) == 0 then
  local spare = math.max(0, math.floor((pool - need) / (redis.call('ZCARD', KEYS[2]) + 1)))
  grant = math.min(pool, need + math.min(extra, spare))
  if kind == 'sum' and grant < single then grant = single end
end
set('h' .. me, held + grant)
redis.call('EXPIRE', KEYS[1], keep)
local wait = 1
if oldest then wait = math.max(1, oldest + 61 - second) end
return {grant, total, pool - grant, wait, base}
)lua";

}  // namespace gw::store::redis
