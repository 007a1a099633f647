-- Ask the engine that owns a domain.
-- KEYS[1] questions (list of: UTC ms until which the asker waits, a space, the question)
-- ARGV[1] question  ARGV[2] the asker waits ms  ARGV[3] questions at most
-- returns 1, or 0 when so many wait already
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
local time = redis.call('TIME')
local deadline = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2]
redis.call('RPUSH', KEYS[1], string.format('%.0f', deadline) .. ' ' .. ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
