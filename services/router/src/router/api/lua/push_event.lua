-- Appends a frame to an agent's stream, once per routing event, and keeps who owns the interaction.
-- KEYS[1] last routing sequence pushed in the domain  KEYS[2] the agent's stream  KEYS[3] the agent's last number
-- KEYS[4] owner of the interaction  KEYS[5] talk of the interaction (both only read for take, restore, release)
-- ARGV[1] tell | take | release | restore  ARGV[2] sequence  ARGV[3] agent  ARGV[4] frame, none for restore
-- ARGV[5] signal channel  ARGV[6] signal  ARGV[7] entries at most  ARGV[8] stream lives ms  ARGV[9] owner lives ms
-- returns the number of frames appended; 0 for a repeated event
local what, sequence, agent = ARGV[1], ARGV[2], ARGV[3]

local function append(frames)
  local number = tonumber(redis.call('GET', KEYS[3]))
  if not number then
    -- A stream that was lost or has expired never gives a number again that a device may hold: it starts at the time.
    local time = redis.call('TIME')
    number = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  for _, frame in ipairs(frames) do
    number = number + 1
    local id = string.format('%.0f-0', number)
    redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[7], id, 'frame', frame[1], 'sequence', frame[2])
  end
  redis.call('SET', KEYS[3], string.format('%.0f', number), 'PX', ARGV[8])
  redis.call('PEXPIRE', KEYS[2], ARGV[8])
  redis.call('PUBLISH', ARGV[5], ARGV[6])
end

if what == 'restore' then
  -- Only an owner that Redis has lost is restored: an empty one says that nobody owns the interaction any more.
  if redis.call('EXISTS', KEYS[4]) == 1 then return 0 end
else
  local last = redis.call('GET', KEYS[1])
  if last and sequence <= last then return 0 end
  redis.call('SET', KEYS[1], sequence)
end

local frames = {}
if what ~= 'restore' then frames[1] = {ARGV[4], sequence} end
if what == 'take' or what == 'restore' then
  redis.call('SET', KEYS[4], agent, 'PX', ARGV[9])
  for _, entry in ipairs(redis.call('XRANGE', KEYS[5], '-', '+')) do
    if entry[2][4] == 'all' then frames[#frames + 1] = {entry[2][2], ''} end
  end
elseif what == 'release' then
  local owner = redis.call('GET', KEYS[4])
  if not owner or owner == agent then redis.call('SET', KEYS[4], '', 'PX', ARGV[9]) end
end
if #frames > 0 then append(frames) end
return #frames
