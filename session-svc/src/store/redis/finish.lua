-- Takes a scope's mark away when its clean-up is finished.
--
-- KEYS  1 unfinished  2 cutoffs
-- ARGV  1 scope  2 revision of the cutoff that was cleaned up
-- A newer cutoff of the scope has work of its own; taking its mark away would leave that undone.

local current = redis.call('HGET', KEYS[2], ARGV[1])
if not current or string.sub(current, 1, 12) == ARGV[2] then redis.call('SREM', KEYS[1], ARGV[1]) end
