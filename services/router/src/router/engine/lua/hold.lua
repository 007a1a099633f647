-- An engine takes or renews its lease of a partition.
-- KEYS[1] the lease
-- ARGV[1] owner  ARGV[2] lease ms
-- returns 1 when held now, 0 when another owner holds it
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
