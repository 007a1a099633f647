-- Keeps messages in the talks of their interactions, each once, and appends them to the streams of who has a seat there.
-- KEYS for each message: seats of the interaction (see push_events.lua), its talk; an agent's stream and last number,
--   another interaction's seats and what is known about the interaction are keys of the same hash tag, named ARGV[1]
--   .. 'push:' .. agent, 'pushed:' .. agent, 'seats:' .. interaction, 'about:' .. interaction
-- ARGV[1] prefix of keys  ARGV[2] signal channel  ARGV[3] start of a signal  ARGV[4] entries at most in a stream
-- ARGV[5] stream lives ms  ARGV[6] seats live ms  ARGV[7] entries at most in a talk  ARGV[8] talk lives ms
-- then for each message: offset of its record, frame, all | @agent: whoever has a seat, later ones too, or this agent;
--   interaction; another interaction whose agents are told as well, or empty; message whose words leave the talk, or
--   empty; the interaction's window from now on, or empty
-- returns for each message 1 when it was new, 0 for a repeat
local function append(agent, frame)
  local stream, counter = ARGV[1] .. 'push:' .. agent, ARGV[1] .. 'pushed:' .. agent
  local number = tonumber(redis.call('GET', counter))
  if not number then
    local time = redis.call('TIME')
    number = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  local text = string.format('%.0f', number + 1)
  redis.call('XADD', stream, 'MAXLEN', ARGV[4], text .. '-0', 'frame', frame, 'sequence', '')
  redis.call('SET', counter, text, 'PX', ARGV[5])
  redis.call('PEXPIRE', stream, ARGV[5])
  redis.call('PUBLISH', ARGV[2], ARGV[3] .. agent .. '\n' .. text .. '\n' .. frame)
end

local function erase(talk, message)
  local named = '"message_id":"' .. message .. '"'
  for _, entry in ipairs(redis.call('XRANGE', talk, '-', '+')) do
    if string.find(entry[2][2], named, 1, true) then redis.call('XDEL', talk, entry[1]) end
  end
end

local function push(seats, talk, offset, frame, who, interaction, other, erased, window)
  local last = redis.call('XREVRANGE', talk, '+', '-', 'COUNT', 1)[1]
  if last and tonumber(string.match(last[1], '^%d+')) >= tonumber(offset) then return 0 end
  if erased ~= '' then erase(talk, erased) end
  if window ~= '' then
    local about = ARGV[1] .. 'about:' .. interaction
    redis.call('HSET', about, 'window', window)
    redis.call('PEXPIRE', about, ARGV[6])
  end
  -- The second part is 1 because 0-0 is no id.
  redis.call('XADD', talk, 'MAXLEN', ARGV[7], offset .. '-1', 'frame', frame, 'for', who)
  redis.call('PEXPIRE', talk, ARGV[8])
  if who ~= 'all' then
    append(string.sub(who, 2), frame)
    return 1
  end

  local told = {}
  local function tell(which)
    local seated = false
    for _, seat in ipairs(redis.call('HVALS', which)) do
      -- One agent may have two seats: of a conversation that came back.
      local agent = string.match(seat, ' (.+)$')
      seated = seated or agent ~= nil
      if agent and not told[agent] then
        told[agent] = true
        append(agent, frame)
      end
    end
    if seated then redis.call('PEXPIRE', which, ARGV[6]) end
  end
  tell(seats)
  if other ~= '' then tell(ARGV[1] .. 'seats:' .. other) end
  return 1
end

local new = {}
for index = 0, #KEYS / 2 - 1 do
  local key, argument = 1 + 2 * index, 9 + 7 * index
  new[index + 1] = push(KEYS[key], KEYS[key + 1], unpack(ARGV, argument, argument + 6))
end
return new
