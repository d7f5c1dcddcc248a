-- Stores a policy, if the one before it is the one that was read.
--
-- KEYS  1 policies  2 versions  3 unannounced
-- ARGV  1 scope  2 expected version, 0 for none  3 policy  4 most policies
-- Returns the new version; 0: another one came before; -1: there are too many.
-- A version is the time, or one more than the one before: a reader asks for what is newer than what it has, of all
-- policies, and must not miss what follows on a change that a failover lost.

local before = redis.call('ZSCORE', KEYS[2], ARGV[1]) or '0'
if before ~= ARGV[2] then return 0 end
if before == '0' and redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[4]) then return -1 end
local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
local time = redis.call('TIME')
local version = math.max((tonumber(last[2]) or 0) + 1, time[1] * 1000 + math.floor(time[2] / 1000))
local text = string.format('%d', version)
redis.call('HSET', KEYS[1], ARGV[1], struct.pack('>I8', version) .. ARGV[3])
redis.call('ZADD', KEYS[2], text, ARGV[1])
redis.call('HSET', KEYS[3], ARGV[1], text)
return version
