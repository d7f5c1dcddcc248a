-- Forgets to look at a session that is gone.
--
-- KEYS  1 looks
-- ARGV  1 entry: time and id

take(KEYS[1], ARGV[1])
