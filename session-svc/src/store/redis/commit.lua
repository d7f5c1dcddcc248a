-- Stores a decision, if what it was based on still holds. Knows no rules: see the use cases.
--
-- KEYS  1 outbox  2 cutoffs  3 cutoff version  4 looks  5 unfinished  6 answer  7 live counts  8 births
--       then record key, owner key and tenant key for each write
-- ARGV  1 expected cutoff version, '' for any   2 answer, '' for none   3 its time to live in ms
--       4 number of writes  5 number of events  6 number of cutoffs  7 number of counts
--       8 expected births, '' for any: then they stay  9 scope whose cutoff is forgotten, '' for none
--       then for each write: exact record before ('' for none), 'put' or 'forget', what follows on the created revision in the
--            record, ttl in ms, session id, created ms, entry of the tenant's index, look that is armed and look to arm,
--            both as entries and '' where nothing changes
--       then for each event: its entry of the outbox
--       then for each cutoff: scope, cutoff, 'here' or 'before'; for each count: name, change
-- Returns {1, position of each event ...} and, if there are cutoffs, theirs; or {0}: a guard failed and nothing is stored.

local writes, events, cuts, counts = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local key, arg = 8, 9

-- Guards.
if ARGV[1] ~= '' and (redis.call('GET', KEYS[3]) or '0') ~= ARGV[1] then return {0} end
if ARGV[2] ~= '' and redis.call('EXISTS', KEYS[6]) == 1 then return {0} end
if ARGV[8] ~= '' and (redis.call('GET', KEYS[8]) or '0') ~= ARGV[8] then return {0} end
for i = 0, writes - 1 do
  if (redis.call('GET', KEYS[key + 1 + i * 3]) or '') ~= ARGV[arg + 1 + i * 9] then return {0} end
end

-- Events first: the position of the first one is the revision of what is created.
local result, at = {1}, arg + writes * 9
for i = 1, events do result[i + 1] = redis.call('XADD', KEYS[1], '*', 'e', ARGV[at + i]) end
local revision, mark, position = '', 0, result[2]
if not position and cuts > 0 then
  -- A cutoff without an event takes a position all the same, and leaves nothing in the stream.
  position = redis.call('XADD', KEYS[1], '*', 'e', '')
  redis.call('XDEL', KEYS[1], position)
end
if position then
  local ms, number = string.match(position, '(%d+)-(%d+)')
  revision = struct.pack('>I8I4', tonumber(ms), tonumber(number))
  mark = (tonumber(ms) * 64 + tonumber(number) % 64) % 4294967296
end

for i = 0, writes - 1 do
  local record, owner, tenant, a = KEYS[key + 1 + i * 3], KEYS[key + 2 + i * 3], KEYS[key + 3 + i * 3], arg + i * 9
  local before, sid, created = ARGV[a + 1], ARGV[a + 5], ARGV[a + 7]
  if ARGV[a + 8] ~= '' then take(KEYS[4], ARGV[a + 8]) end
  if ARGV[a + 9] ~= '' then put(KEYS[4], ARGV[a + 9]) end
  if ARGV[a + 2] == 'forget' then
    redis.call('DEL', record)
    redis.call('ZREM', owner, sid)
    take(tenant, created)
  else
    local position = before == '' and revision or string.sub(before, 1, 12)
    redis.call('SET', record, position .. ARGV[a + 3], 'PX', ARGV[a + 4])
    if before == '' then
      redis.call('ZADD', owner, ARGV[a + 6], sid)
      put(tenant, created)
    end
  end
end

at = at + events
for i = 0, cuts - 1 do
  local scope, place = ARGV[at + 1 + i * 3], revision
  if ARGV[at + 3 + i * 3] == 'here' then
    redis.call('SADD', KEYS[5], scope)
  else
    place = string.sub(redis.call('HGET', KEYS[2], scope), 1, 12)
  end
  redis.call('HSET', KEYS[2], scope, place .. ARGV[at + 2 + i * 3])
end
-- The lower half of the version is made of the position and is not a count: after a failover that lost some cutoffs a count
-- would come again, and replicas that know other cutoffs under it would not look.
if cuts > 0 then
  local version = tonumber(redis.call('GET', KEYS[3]) or '0')
  local count = version % 4294967296
  if mark == count or mark == 0 then mark = count + 1 end
  redis.call('SET', KEYS[3], string.format('%.0f', version - count + mark))
end

-- The version stays: whoever still knows it knows of an end that is recorded as well.
if ARGV[9] ~= '' then
  redis.call('HDEL', KEYS[2], ARGV[9])
  redis.call('SREM', KEYS[5], ARGV[9])
end

at = at + cuts * 3
for i = 0, counts - 1 do
  local name = ARGV[at + 1 + i * 2]
  if redis.call('HINCRBY', KEYS[7], name, ARGV[at + 2 + i * 2]) <= 0 then redis.call('HDEL', KEYS[7], name) end
end

if ARGV[8] ~= '' then
  redis.call('INCR', KEYS[8])
  redis.call('PEXPIRE', KEYS[8], ARGV[3])
end

-- An answer is stored behind the position that it was given at; twelve zeros where there is no event.
if ARGV[2] ~= '' then
  if revision == '' then revision = string.rep('\0', 12) end
  redis.call('SET', KEYS[6], revision .. ARGV[2], 'PX', ARGV[3])
end
if cuts > 0 then result[#result + 1] = position end
return result
