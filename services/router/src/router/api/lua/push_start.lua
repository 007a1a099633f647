-- From which number on a device must read so that it misses nothing which the projection does not show yet.
-- KEYS[1] the agent's stream  KEYS[2] the agent's last number  KEYS[3] meta of the domain's projection
-- ARGV[1] entries to look back at most  ARGV[2] stream lives ms
-- returns the number
local last = redis.call('GET', KEYS[2])
if not last then
  local time = redis.call('TIME')
  last = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
end
redis.call('SET', KEYS[2], last, 'PX', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local position = tonumber(redis.call('HGET', KEYS[3], 'position') or '-1')
local start = last
for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[1])) do
  local offset = string.match(entry[2][4], '^%d+-(%d+)-%d+$')
  if offset then
    if tonumber(offset) <= position then break end
    start = string.format('%.0f', tonumber(string.match(entry[1], '^%d+')) - 1)
  end
end
return start
