-- Puts a policy in force in a shard: whoever reads the version afterwards fetches the policies, and the deadlines of its
-- sessions are looked through.
--
-- KEYS  1 unsettled  2 version
-- ARGV  1 scope  2 version of the policy  3 what to add to the version

redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('INCRBY', KEYS[2], ARGV[3])
