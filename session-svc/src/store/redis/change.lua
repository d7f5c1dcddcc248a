-- Stores another form of one session that changes in no index: what a refresh and a touch come to. As commit.lua does, with a
-- third of its arguments, because each costs; see commit.rs.
--
-- KEYS  1 outbox  2 cutoff version  3 record
-- ARGV  1 expected cutoff version, '' for any  2 exact record before  3 record after  4 its ttl in ms
--       then for each event: its entry of the outbox
-- Returns {1, position of each event ...}; or {0}: a guard failed and nothing is stored.

if ARGV[1] ~= '' and (redis.call('GET', KEYS[2]) or '0') ~= ARGV[1] then return {0} end
if redis.call('GET', KEYS[3]) ~= ARGV[2] then return {0} end
local result = {1}
for i = 5, #ARGV do result[i - 3] = redis.call('XADD', KEYS[1], '*', 'e', ARGV[i]) end
redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[4])
return result
