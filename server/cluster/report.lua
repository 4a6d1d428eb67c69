-- Stores a node's report and reads the reports of all nodes.
--
-- KEYS: 1 hash (node -> report), 2 sorted set (node -> when its report expires, ms)
-- ARGV: 1 node, 2 report ('' to withdraw), 3 ms that a report lasts     Returns: the reports of the live nodes.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local dead = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)
if ARGV[2] == '' then dead[#dead + 1] = ARGV[1] end
for _, node in ipairs(dead) do
  redis.call('HDEL', KEYS[1], node)
  redis.call('ZREM', KEYS[2], node)
end
if ARGV[2] ~= '' then
  -- Removed first: even a full Redis takes that, and then the rest of the script, so that nodes still know one another.
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  redis.call('ZADD', KEYS[2], now + tonumber(ARGV[3]), ARGV[1])
end
return redis.call('HVALS', KEYS[1])
