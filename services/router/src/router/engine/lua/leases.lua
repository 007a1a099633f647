-- Which devices of a domain's agents have a fresh heartbeat; older ones are removed.
-- KEYS[1] leases (sorted set: agent|kind/device -> UTC ms of the last heartbeat)  KEYS[2] meta of the projection
-- ARGV[1] lease ms
-- returns list: 1 when the projection is there (0: Redis was wiped), then agent|kind/device...
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', now - ARGV[1]))
local reply = redis.call('ZRANGE', KEYS[1], 0, -1)
table.insert(reply, 1, redis.call('EXISTS', KEYS[2]))
return reply
