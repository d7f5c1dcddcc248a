-- Writes something, so that copies can be asked whether they have it and all that was written before.
--
-- KEYS  1 the mark

redis.call('SET', KEYS[1], '')
