-- Puts back last values that a log has lost, out of the memory of a node: those that are still missing, and only while the
-- epoch and the newest tombstone are those that the node knows. Their bytes are not counted here: `values` may still
-- include them, and the sweep corrects it.
--
-- KEYS: 1 log, 2 meta, 3 last values, 4 marks, 5 owners
-- ARGV: 1 epoch, 2 the newest tombstone ('0': none), then for each value: key, "seq time data"
-- Returns: how many were put back.
local meta = redis.call('HMGET', KEYS[2], 'epoch', 'tombstone')
if meta[1] ~= ARGV[1] or (meta[2] or '0') ~= ARGV[2] then return 0 end
local restored = 0
for i = 3, #ARGV, 2 do restored = restored + redis.call('HSETNX', KEYS[3], ARGV[i], ARGV[i + 1]) end
return restored
