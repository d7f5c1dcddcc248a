-- Takes the mark of a policy away when its work is done. A newer version of it has work of its own.
--
-- KEYS  1 hash of marks
-- ARGV  1 scope  2 version that the work was done for

if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
