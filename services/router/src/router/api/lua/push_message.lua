-- Keeps a message in the talk of its interaction, once, and appends it to the stream of the agent who owns that.
-- KEYS[1] talk of the interaction  KEYS[2] its owner; the owner's stream and number are KEYS of the same hash tag,
--   named ARGV[4] .. 'push:' .. owner and ARGV[4] .. 'pushed:' .. owner
-- ARGV[1] offset of the record  ARGV[2] frame  ARGV[3] all | owner: who may see it, later owners too or this one only
-- ARGV[4] prefix of keys  ARGV[5] signal channel  ARGV[6] start of the signal  ARGV[7] entries at most in a stream
-- ARGV[8] stream lives ms  ARGV[9] owner lives ms  ARGV[10] entries at most in a talk  ARGV[11] talk lives ms
-- returns 1 when it was new, 0 for a repeat
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if last and tonumber(string.match(last[1], '^%d+')) >= tonumber(ARGV[1]) then return 0 end
-- The second part is 1 because 0-0 is no id.
redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[10], ARGV[1] .. '-1', 'frame', ARGV[2], 'for', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[11])

local owner = redis.call('GET', KEYS[2])
if not owner or owner == '' then return 1 end
redis.call('PEXPIRE', KEYS[2], ARGV[9])
local stream, counter = ARGV[4] .. 'push:' .. owner, ARGV[4] .. 'pushed:' .. owner
local number = tonumber(redis.call('GET', counter))
if not number then
  local time = redis.call('TIME')
  number = time[1] * 1000 + math.floor(time[2] / 1000)
end
local text = string.format('%.0f', number + 1)
redis.call('XADD', stream, 'MAXLEN', ARGV[7], text .. '-0', 'frame', ARGV[2], 'sequence', '')
redis.call('SET', counter, text, 'PX', ARGV[8])
redis.call('PEXPIRE', stream, ARGV[8])
redis.call('PUBLISH', ARGV[5], ARGV[6] .. owner)
return 1
