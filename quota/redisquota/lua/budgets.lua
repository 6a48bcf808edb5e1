-- The keys of a state of calls. Each expires when nothing in it matters any more.
--   STATE  hash: 'paused' and 'sends' to the ends of the pauses, 'full:' and the
--          name of a bucket to the time at which it is full again
--   STEPS  hash: name of a budget, ':', a time, to the units that
--          count until then
--   SLOTS  hash: id of a call to how many slots it has, ':', until when
local STATE, STEPS, SLOTS = KEYS[1], KEYS[2], KEYS[3]

-- keep makes a key stay until a time at least.
local function keep(key, now, t)
  local ttl = math.ceil((t - now) / 1000) + 1
  if redis.call('PTTL', key) < ttl then redis.call('PEXPIRE', key, digits(ttl)) end
end
