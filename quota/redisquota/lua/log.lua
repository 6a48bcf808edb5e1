-- The keys of a log:
--   TIMES  sorted set: '-' or, for a settled entry, '+', then the entry's key; by time
--   MORE   sorted set: of the entries with several recipients, how many they are
--          above one, ':', the entry's key; by time
--   ABOVE  hash: of the same entries, key to recipients above one
--   SPANS  hash: of the same entries, span of time to the sum of the recipients
--          above one of all that are in it
--   STATE  hash: version, document
local TIMES, MORE, ABOVE, SPANS, STATE = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]

-- A span is 2^26 microseconds, 67 seconds.
local SPAN = 67108864
local function span_of(t) return math.floor(t / SPAN) end
local function end_of(span) return (span + 1) * SPAN - 1 end

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

-- count adds to what the entries of a span have above one.
local function count(at, above)
  local span = digits(span_of(at))
  if redis.call('HINCRBY', SPANS, span, digits(above)) == 0 then redis.call('HDEL', SPANS, span) end
end

local function remove(e)
  redis.call('ZREM', TIMES, member(e))
  if e.above > 0 then
    redis.call('ZREM', MORE, digits(e.above) .. ':' .. e.key)
    redis.call('HDEL', ABOVE, e.key)
    count(e.at, -e.above)
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
    redis.call('PEXPIRE', ABOVE, ttl)
    count(e.at, e.above)
    redis.call('PEXPIRE', SPANS, ttl)
  end
end

-- forget drops the entries with a time before t.
local function forget(t)
  local before = '(' .. digits(t)
  if redis.call('ZREMRANGEBYSCORE', TIMES, '-inf', before) == 0 then return end
  local old = redis.call('ZRANGEBYSCORE', MORE, '-inf', before, 'WITHSCORES')
  for i = 1, #old, 2 do
    local above, key = old[i]:match('^(%d+):(.*)$')
    redis.call('HDEL', ABOVE, key)
    count(tonumber(old[i + 1]), -above)
  end
  redis.call('ZREMRANGEBYSCORE', MORE, '-inf', before)
end
