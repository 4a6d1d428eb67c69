-- Keeps a subscription, and bounds what its owner has: those that were not used for the longest time go.
--
-- KEYS: 1 index of the owner (digest:bytes by when it expires), 2 subscription
-- ARGV: 1 digest, 2 text, 3 ms, 4 most bytes of the owner, 5 least bytes of one, 6 what comes before the digest in
-- the name of a subscription's key
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
local bytes = math.max(#ARGV[2], tonumber(ARGV[5]))
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1] .. ':' .. bytes)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local members = redis.call('ZRANGE', KEYS[1], 0, -1)
local left = tonumber(ARGV[4])
for i = #members, 1, -1 do
  local digest, size = string.match(members[i], '^(.+):(%d+)$')
  left = left - tonumber(size)
  if left < 0 then
    redis.call('DEL', ARGV[6] .. digest)
    redis.call('ZREM', KEYS[1], members[i])
  end
end
return 1
