-- Deletes the messages and the last values of a stream and begins a new epoch, which it announces. Seqs go on, so that
-- none is given twice, and the positions of sources stay, so that no connector reads its source again or skips any of it.
--
-- KEYS: 1 log, 2 meta, 3 last values, 4 marks, 5 owners     ARGV: 1 channel, 2 the new epoch, 3 '1' in a Redis Cluster
-- Returns: the epoch in force afterwards, and how many keys had a value.
local meta = redis.call('HMGET', KEYS[2], 'epoch', 'seq')
local keys = redis.call('HLEN', KEYS[3])
if meta[1] and keys == 0 and redis.call('XLEN', KEYS[1]) == 0 then return { meta[1], 0 } end

retaining().forget_all()
redis.call('HSET', KEYS[2], 'epoch', ARGV[2])

local clock = redis.call('TIME')
local time = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local payload = cmsgpack.pack(ARGV[2], tonumber(meta[2] or '0') + 1, time) .. '\144'
if ARGV[3] == '' then
  redis.call('PUBLISH', ARGV[1], '\150\163hub\192' .. payload)
else
  redis.call('PUBLISH', ARGV[1], '\151\163hub\192' .. payload .. cmsgpack.pack({ redis.call('CLUSTER', 'MYID'), '' }))
end
return { ARGV[2], keys }
