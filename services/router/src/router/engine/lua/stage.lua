-- Fill a hash that will replace a live one.
-- KEYS[1] the staged hash
-- ARGV[1] it lives ms  ARGV[2...] field, value...
-- returns 1
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
