-- What a device has not had yet of its agent's stream; reading keeps the stream alive.
-- KEYS[1] the agent's stream  KEYS[2] the agent's last number
-- ARGV[1] number that the device has, empty: only asks for the last  ARGV[2] entries at most  ARGV[3] stream lives ms
-- returns {1, last number, {number, frame, number, frame...}}, or {0, last number, {}} when frames after it are gone
local last = redis.call('GET', KEYS[2])
if not last then
  local time = redis.call('TIME')
  last = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
end
redis.call('SET', KEYS[2], last, 'PX', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if ARGV[1] == '' or ARGV[1] == last then return {1, last, {}} end

local following = string.format('%.0f', tonumber(ARGV[1]) + 1)
local entries = redis.call('XRANGE', KEYS[1], following .. '-0', '+', 'COUNT', ARGV[2])
if not entries[1] or entries[1][1] ~= following .. '-0' then return {0, last, {}} end
local found = {}
for _, entry in ipairs(entries) do
  found[#found + 1] = string.match(entry[1], '^%d+')
  found[#found + 1] = entry[2][2]
end
return {1, last, found}
