-- A task ends: its agent takes the first waiting task that they are able to do, if there is one.
-- KEYS[1] loads (hash: agent -> tasks held)  KEYS[2] tasks (hash: task -> agent, empty while it waits)
-- KEYS[3] live lanes (sorted set: signature, by the score of its head)  KEYS[4] what the names of lanes begin with
-- ARGV[1] task  ARGV[2] agent  ARGV[3] the signatures they serve: ,003,017,
-- returns what waits (task|queue|since), or nothing; a repeat changes nothing
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return false end
redis.call('HDEL', KEYS[2], ARGV[1])
local from = 0
while true do
  -- In pages: of all live lanes an agent serves about one in ten.
  local lanes = redis.call('ZRANGE', KEYS[3], from, from + 15)
  for _, signature in ipairs(lanes) do
    if string.find(ARGV[3], ',' .. signature .. ',', 1, true) then
      local lane = KEYS[4] .. signature
      local waits = redis.call('ZPOPMIN', lane)[1]
      local head = redis.call('ZRANGE', lane, 0, 0, 'WITHSCORES')
      if head[2] then
        redis.call('ZADD', KEYS[3], head[2], signature)
      else
        redis.call('ZREM', KEYS[3], signature)
      end
      redis.call('HSET', KEYS[2], string.match(waits, '^[^|]+'), ARGV[2])
      return waits
    end
  end
  if #lanes < 16 then break end
  from = from + 16
end
redis.call('HINCRBY', KEYS[1], ARGV[2], -1)
return false
