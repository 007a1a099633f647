-- Appends frames to agents' streams, each once per routing event, and keeps who has a seat in the interactions.
-- KEYS[1] last routing sequence pushed in the domain  then for each event: seats of the interaction (hash: assignment ->
--   role and agent with a blank between; empty once it is over), its talk (both not used for tell); an agent's stream and
--   last number are keys of the same hash tag, named ARGV[1] .. 'push:' .. agent and ARGV[1] .. 'pushed:' .. agent
-- ARGV[1] prefix of keys  ARGV[2] signal channel  ARGV[3] start of a signal  ARGV[4] entries at most in a stream
-- ARGV[5] stream lives ms  ARGV[6] seats live ms  ARGV[7], ARGV[8] not used here
-- then for each event: tell | take | role | release | restore, its sequence, agent, frame (none for restore), others who
--   get the frame too (with a bar between), assignment, role
-- returns for each event the number of frames appended; 0 for a repeated one
local function append(agent, frames)
  local stream, counter = ARGV[1] .. 'push:' .. agent, ARGV[1] .. 'pushed:' .. agent
  local number = tonumber(redis.call('GET', counter))
  if not number then
    -- A stream that was lost or has expired never gives a number again that a device may hold: it starts at the time.
    local time = redis.call('TIME')
    number = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  local text
  for _, frame in ipairs(frames) do
    number = number + 1
    text = string.format('%.0f', number)
    redis.call('XADD', stream, 'MAXLEN', ARGV[4], text .. '-0', 'frame', frame[1], 'sequence', frame[2])
  end
  redis.call('SET', counter, text, 'PX', ARGV[5])
  redis.call('PEXPIRE', stream, ARGV[5])
  -- A lone frame goes with its signal; who got the one before need not read the stream.
  local told = frames[2] and '' or '\n' .. text .. '\n' .. frames[1][1]
  redis.call('PUBLISH', ARGV[2], ARGV[3] .. agent .. told)
end

local function push(seats, talk, what, sequence, agent, frame, others, assignment, role)
  if what == 'restore' then
    -- Only a seat that Redis has lost is restored: an empty one says that the assignment is over.
    if redis.call('HEXISTS', seats, assignment) == 1 then return 0 end
  else
    local last = redis.call('GET', KEYS[1])
    if last and sequence <= last then return 0 end
  end
  local frames = {}
  if what ~= 'restore' then frames[1] = {frame, sequence} end
  if what == 'take' or what == 'restore' then
    redis.call('HSET', seats, assignment, role .. ' ' .. agent)
    for _, entry in ipairs(redis.call('XRANGE', talk, '-', '+')) do
      if entry[2][4] == 'all' then frames[#frames + 1] = {entry[2][2], ''} end
    end
  elseif what == 'role' then
    -- A seat that was lost stays so until it is restored, with what was said meanwhile.
    if (redis.call('HGET', seats, assignment) or '') ~= '' then
      redis.call('HSET', seats, assignment, role .. ' ' .. agent)
    end
  elseif what == 'release' then
    redis.call('HSET', seats, assignment, '')
  end
  if what ~= 'tell' then redis.call('PEXPIRE', seats, ARGV[6]) end
  local appended = #frames
  if appended > 0 then append(agent, frames) end
  for other in string.gmatch(others, '[^|]+') do
    append(other, frames)
    appended = appended + 1
  end
  if what ~= 'restore' then redis.call('SET', KEYS[1], sequence) end
  return appended
end

local appended = {}
for index = 0, (#KEYS - 1) / 2 - 1 do
  local key, argument = 2 + 2 * index, 9 + 7 * index
  appended[index + 1] = push(KEYS[key], KEYS[key + 1], unpack(ARGV, argument, argument + 6))
end
return appended
