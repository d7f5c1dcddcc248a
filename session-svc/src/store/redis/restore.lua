-- Applies cutoffs once more that a failover may have lost, with their original positions. Later ones stay.
--
-- KEYS  1 cutoffs  2 cutoff version  3 unfinished
-- ARGV  for each: scope, position (12 bytes), cutoff
-- Returns how many were missing.

-- Compared as numbers: what order texts are in depends on where the server runs.
local function is_before(one, other)
  local ms, number = struct.unpack(">I8I4", one)
  local other_ms, other_number = struct.unpack(">I8I4", other)
  return ms < other_ms or (ms == other_ms and number < other_number)
end

local missing = 0
for i = 1, #ARGV, 3 do
  local found = redis.call('HGET', KEYS[1], ARGV[i])
  if not found or is_before(string.sub(found, 1, 12), ARGV[i + 1]) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1] .. ARGV[i + 2])
    redis.call('SADD', KEYS[3], ARGV[i])
    missing = missing + 1
  end
end
-- The lower half of the version is a mark and not a count, as in commit.lua: it must not be one that was seen before.
if missing > 0 then
  local time = redis.call('TIME')
  local version = tonumber(redis.call('GET', KEYS[2]) or '0')
  local count = version % 4294967296
  local mark = (time[1] * 64000 + math.floor(time[2] / 1000) * 64 + 63) % 4294967296
  if mark == count or mark == 0 then mark = count + 1 end
  redis.call('SET', KEYS[2], string.format('%.0f', version - count + mark))
end
return missing
