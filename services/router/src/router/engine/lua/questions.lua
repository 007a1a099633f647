-- Take what is asked of a domain's owner; what nobody waits for any more is dropped.
-- KEYS[1] questions (list of: UTC ms until which the asker waits, a space, the question)
-- ARGV[1] questions at most
-- returns list of questions, the oldest first
local found = {}
local entry = redis.call('LPOP', KEYS[1])
if not entry then return found end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
while entry do
  local space = string.find(entry, ' ', 1, true)
  if space and tonumber(string.sub(entry, 1, space - 1)) >= now then
    table.insert(found, string.sub(entry, space + 1))
  end
  entry = #found < tonumber(ARGV[1]) and redis.call('LPOP', KEYS[1])
end
return found
