-- Change a domain's views, if they stand where the owner thinks.
-- KEYS[1] meta  KEYS[2] agents  KEYS[3] queues  KEYS[4] assignments  KEYS[5] domains (hashes)
-- ARGV[1] epoch  ARGV[2] position before  ARGV[3] position after
-- ARGV then for each of the four hashes: count of removed fields, those, count of parts, field, value...
-- returns written | gap | stale (an owner of a later epoch wrote)
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch and epoch > ARGV[1] then return 'stale' end
if epoch ~= ARGV[1] or redis.call('HGET', KEYS[1], 'position') ~= ARGV[2] then return 'gap' end
local at = 4
for index = 2, 5 do
  for _, command in ipairs({ 'HDEL', 'HSET' }) do
    local count = tonumber(ARGV[at])
    -- In pieces: unpack has room for some thousand values only.
    for first = at + 1, at + count, 1000 do
      redis.call(command, KEYS[index], unpack(ARGV, first, math.min(first + 999, at + count)))
    end
    at = at + count + 1
  end
end
redis.call('HSET', KEYS[1], 'position', ARGV[3])
return 'written'
