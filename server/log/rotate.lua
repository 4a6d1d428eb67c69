-- Begins a new epoch if the present one is still the expected one: however many nodes notice a loss, one rotation.
--
-- KEYS: 1 log, 2 meta, 3 last values     ARGV: 1 the expected epoch ('' for none), 2 the new one
-- Returns: the epoch in force.
local epoch = redis.call('HGET', KEYS[2], 'epoch')
if epoch and epoch ~= ARGV[1] then return epoch end
if not epoch then redis.call('DEL', KEYS[1], KEYS[3]) end
redis.call('HSET', KEYS[2], 'epoch', ARGV[2])
return ARGV[2]
