-- Replace a domain's views by the staged ones.
-- KEYS[1] meta  KEYS[2..5] staged agents, queues, assignments, domains  KEYS[6..9] the live ones
-- ARGV[1] epoch  ARGV[2] position
-- returns written | stale (an owner of a later epoch wrote)
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch and epoch > ARGV[1] then return 'stale' end
for index = 2, 5 do
  local live = KEYS[index + 4]
  if redis.call('EXISTS', KEYS[index]) == 1 then
    redis.call('RENAME', KEYS[index], live)
    redis.call('PERSIST', live)
  else
    redis.call('DEL', live)
  end
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'position', ARGV[2])
return 'written'
