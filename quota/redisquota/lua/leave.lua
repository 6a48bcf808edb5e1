-- ARGV: id.
redis.call('HDEL', SLOTS, ARGV[1])
return 1
