-- ARGV: 'paused' or 'sends', how long.
local now = clock()
local ends = now + tonumber(ARGV[2])
if ends > tonumber(redis.call('HGET', STATE, ARGV[1]) or 0) then
  redis.call('HSET', STATE, ARGV[1], digits(ends))
  keep(STATE, now, ends)
end
return 1
