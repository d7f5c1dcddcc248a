-- Forgets cutoffs, if the cutoffs still are those that it was decided on.
--
-- KEYS  1 cutoffs  2 cutoff version
-- ARGV  1 expected cutoff version  then the scopes to forget
-- Without the guard a scope that is cut off or closed meanwhile would be forgotten with the old cutoff of its name.

if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[1] then return end
redis.call('HDEL', KEYS[1], unpack(ARGV, 2))
redis.call('INCR', KEYS[2])
