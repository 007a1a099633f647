-- Keeps messages in the talks of their interactions, each once, and appends them to the streams of their owners.
-- KEYS for each message: owner of the interaction, its talk; the owner's stream and last number are keys of the same
--   hash tag, named ARGV[1] .. 'push:' .. owner and ARGV[1] .. 'pushed:' .. owner
-- ARGV[1] prefix of keys  ARGV[2] signal channel  ARGV[3] start of a signal  ARGV[4] entries at most in a stream
-- ARGV[5] stream lives ms  ARGV[6] owner lives ms  ARGV[7] entries at most in a talk  ARGV[8] talk lives ms
-- then for each message: offset of its record, frame, all | owner: who may see it, later owners too or this one only
-- returns for each message 1 when it was new, 0 for a repeat
local function push(owned, talk, offset, frame, who)
  local last = redis.call('XREVRANGE', talk, '+', '-', 'COUNT', 1)[1]
  if last and tonumber(string.match(last[1], '^%d+')) >= tonumber(offset) then return 0 end
  -- The second part is 1 because 0-0 is no id.
  redis.call('XADD', talk, 'MAXLEN', ARGV[7], offset .. '-1', 'frame', frame, 'for', who)
  redis.call('PEXPIRE', talk, ARGV[8])

  local owner = redis.call('GET', owned)
  if not owner or owner == '' then return 1 end
  redis.call('PEXPIRE', owned, ARGV[6])
  local stream, counter = ARGV[1] .. 'push:' .. owner, ARGV[1] .. 'pushed:' .. owner
  local number = tonumber(redis.call('GET', counter))
  if not number then
    local time = redis.call('TIME')
    number = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  local text = string.format('%.0f', number + 1)
  redis.call('XADD', stream, 'MAXLEN', ARGV[4], text .. '-0', 'frame', frame, 'sequence', '')
  redis.call('SET', counter, text, 'PX', ARGV[5])
  redis.call('PEXPIRE', stream, ARGV[5])
  redis.call('PUBLISH', ARGV[2], ARGV[3] .. owner .. '\n' .. text .. '\n' .. frame)
  return 1
end

local new = {}
for index = 0, #KEYS / 2 - 1 do
  local key, argument = 1 + 2 * index, 9 + 3 * index
  new[index + 1] = push(KEYS[key], KEYS[key + 1], ARGV[argument], ARGV[argument + 1], ARGV[argument + 2])
end
return new
