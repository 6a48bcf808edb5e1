-- ARGV: time.
-- Answers the members of TIMES and of MORE after that time, each with its time.
local after = '(' .. ARGV[1]
return {
  redis.call('ZRANGEBYSCORE', TIMES, after, '+inf', 'WITHSCORES'),
  redis.call('ZRANGEBYSCORE', MORE, after, '+inf', 'WITHSCORES'),
}
