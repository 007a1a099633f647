-- An engine gives its lease of a partition back.
-- KEYS[1] the lease
-- ARGV[1] owner
-- returns 1 when it was held, else 0
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
