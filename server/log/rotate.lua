-- Begins a new epoch if the current one is still the expected one: when several nodes notice a loss, only one rotates.
--
-- KEYS: 1 log, 2 meta, 3 last values, 4 marks, 5 owners     ARGV: 1 the expected epoch ('' for none), 2 the new one
-- Returns: the epoch in force afterwards.
local epoch = redis.call('HGET', KEYS[2], 'epoch')
if epoch and epoch ~= ARGV[1] then return epoch end
if not epoch then retaining().forget_all() end
-- Removed first: even a full Redis takes that, and then the rest of the script. Nobody reads a stream without an epoch.
redis.call('HDEL', KEYS[2], 'epoch')
-- What is gone is not missed in the new epoch.
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HDEL', KEYS[2], 'bytes')
  redis.call('UNLINK', KEYS[4])
end
if redis.call('EXISTS', KEYS[3]) == 0 then
  redis.call('HDEL', KEYS[2], 'values')
  redis.call('UNLINK', KEYS[5])
end
redis.call('HSET', KEYS[2], 'epoch', ARGV[2])
return ARGV[2]
