-- Adds a revocation, or reads those in force if any were added since the caller's version.
--
-- KEYS: 1 sorted set (revocation -> when it ends, ms), 2 version
-- ARGV: 1 version that the caller knows ('' to add), 2 revocation, 3 when it ends, 4 the maximum number held,
--       5 … revocations whose place it takes
-- Returns: when adding: 1, or 0 if there are too many; when reading: {version, revocation …}, with revocations only if
-- the version differs.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
if ARGV[1] == '' then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  local replaced = 0
  for i = 5, #ARGV do replaced = replaced + redis.call('ZREM', KEYS[1], ARGV[i]) end
  if replaced == 0 and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
  redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
  redis.call('INCR', KEYS[2])
  return 1
end
local version = redis.call('GET', KEYS[2]) or '0'
if version == ARGV[1] then return {version} end
local reply = redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf')
table.insert(reply, 1, version)
return reply
