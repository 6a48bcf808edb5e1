-- ARGV: version that the state has, next version, document.
-- Answers 1 if it had it, 0 if not.
if (redis.call('HGET', STATE, 'version') or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', STATE, 'version', ARGV[2], 'document', ARGV[3])
return 1
