-- A device of an agent is alive: sets its lease to now, by the server's clock, or gives it back.
-- KEYS[1] leases of the domain (sorted set: agent|kind/device -> UTC ms of the last heartbeat)
-- ARGV[1] agent|kind/device  ARGV[2] alive | bye
-- returns 1
if ARGV[2] == 'bye' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])
end
return 1
