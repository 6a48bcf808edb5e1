-- The keys of a log:
--   TIMES  sorted set: '-' or, for a settled entry, '+', then the entry's key; by time
--   MORE   sorted set: of the entries with several recipients, how many they are
--          above one, ':', the entry's key; by time
--   ABOVE  hash: of the same entries, key to recipients above one; '' to their sum
--   STATE  hash: version, document
local TIMES, MORE, ABOVE, STATE = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

-- find returns the entry of a key, or nil.
local function find(key)
  local at = redis.call('ZMSCORE', TIMES, '-' .. key, '+' .. key)
  if not (at[1] or at[2]) then return nil end
  return {
    key = key,
    at = tonumber(at[1] or at[2]),
    settled = not at[1],
    above = tonumber(redis.call('HGET', ABOVE, key) or 0),
  }
end

local function member(e)
  return (e.settled and '+' or '-') .. e.key
end

local function remove(e)
  redis.call('ZREM', TIMES, member(e))
  if e.above > 0 then
    redis.call('ZREM', MORE, digits(e.above) .. ':' .. e.key)
    redis.call('HDEL', ABOVE, e.key)
    redis.call('HINCRBY', ABOVE, '', digits(-e.above))
  end
end

-- insert adds an entry, and keeps the keys it is in for ttl from now.
local function insert(e, ttl)
  redis.call('ZADD', TIMES, digits(e.at), member(e))
  redis.call('PEXPIRE', TIMES, ttl)
  if e.above > 0 then
    redis.call('ZADD', MORE, digits(e.at), digits(e.above) .. ':' .. e.key)
    redis.call('PEXPIRE', MORE, ttl)
    redis.call('HSET', ABOVE, e.key, digits(e.above))
    redis.call('HINCRBY', ABOVE, '', digits(e.above))
    redis.call('PEXPIRE', ABOVE, ttl)
  end
end

-- forget drops the entries with a time before t.
local function forget(t)
  local before = '(' .. digits(t)
  if redis.call('ZREMRANGEBYSCORE', TIMES, '-inf', before) == 0 then return end
  for _, m in ipairs(redis.call('ZRANGEBYSCORE', MORE, '-inf', before)) do
    local above, key = m:match('^(%d+):(.*)$')
    redis.call('HDEL', ABOVE, key)
    redis.call('HINCRBY', ABOVE, '', '-' .. above)
  end
  redis.call('ZREMRANGEBYSCORE', MORE, '-inf', before)
end
