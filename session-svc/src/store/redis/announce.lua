-- Puts a policy in force in a shard: whoever reads the version afterwards fetches the policies, and the deadlines of its
-- sessions are looked through.
--
-- KEYS  1 unsettled  2 version
-- ARGV  1 scope  2 version of the policy  3 where the upper half of the shard's version begins
--
-- The upper half is the time, which comes round after 17 minutes, and not a count: after a failover that lost an
-- announcement a count would come again, and a growing one would leave what a script can calculate exactly. It is never 0,
-- which is what a replica knows that has not read this shard yet.

redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
local version, half, round = tonumber(redis.call('GET', KEYS[2]) or '0'), tonumber(ARGV[3]), 1048575
local lower, time = version % half, redis.call('TIME')
local mark = (time[1] * 1000 + math.floor(time[2] / 1000)) % round + 1
if mark == (version - lower) / half then mark = mark % round + 1 end
redis.call('SET', KEYS[2], string.format('%.0f', mark * half + lower))
