-- A task comes: it goes to the least loaded agent who is able and has room, else it waits in its signature's lane.
-- KEYS[1] loads (hash: agent -> tasks held)  KEYS[2] tasks (hash: task -> agent, empty while it waits)
-- KEYS[3] live lanes (sorted set: signature, by the score of its head)  KEYS[4] the lane (sorted set of tasks)
-- ARGV[1] task  ARGV[2] signature  ARGV[3] score  ARGV[4] what waits: task|queue|since  ARGV[5] capacity  ARGV[6...] able agents
-- returns the agent, or nothing when the task waits; a repeat gets the first answer
if redis.call('HSETNX', KEYS[2], ARGV[1], '') == 0 then
  local agent = redis.call('HGET', KEYS[2], ARGV[1])
  return agent ~= '' and agent
end
local loads = redis.call('HMGET', KEYS[1], unpack(ARGV, 6))
local best, least = nil, tonumber(ARGV[5])
for index = 1, #ARGV - 5 do
  local load = tonumber(loads[index] or 0)
  if load < least then
    best, least = ARGV[index + 5], load
  end
end
if best then
  redis.call('HINCRBY', KEYS[1], best, 1)
  redis.call('HSET', KEYS[2], ARGV[1], best)
  return best
end
redis.call('ZADD', KEYS[4], ARGV[3], ARGV[4])
redis.call('ZADD', KEYS[3], 'LT', ARGV[3], ARGV[2])
return false
