-- How many ids of publications a stream remembers: about as many as take maxBytes, and half of these by one subject.
-- append.lua is loaded with this before it.
--
-- KEYS: 6 a hash: window (five minutes, as long as an id lives), count (ids of this window), before (of the one before),
--       and the ids of this window by the digest of their subject. Ids end without being counted off, so those of the
--       window before are taken to end one after the other.
--
-- remembering(room, window_ms, now) returns two functions: whether there is room for an id of a subject (nil for none),
-- and one that counts it.
local function remembering(room, window_ms, now)
  local ID_BYTES = 210
  local window = math.floor(now / window_ms)
  local state = redis.call('HMGET', KEYS[6], 'window', 'count', 'before')
  local at, count, before = tonumber(state[1] or ''), tonumber(state[2] or '0'), tonumber(state[3] or '0')
  local begins = at ~= window
  if begins then
    before = at == window - 1 and count or 0
    count = 0
  end
  local left = before * (1 - (now % window_ms) / window_ms)

  local function has_room(owner)
    if (left + count + 1) * ID_BYTES > room then return false end
    if begins or not owner then return true end
    return tonumber(redis.call('HGET', KEYS[6], owner) or '0') * ID_BYTES < room / 2
  end

  local function note(owner)
    if begins then
      begins = false
      redis.call('UNLINK', KEYS[6])
      redis.call('HSET', KEYS[6], 'window', window, 'before', before)
      redis.call('PEXPIRE', KEYS[6], 2 * window_ms)
    end
    count = redis.call('HINCRBY', KEYS[6], 'count', 1)
    if owner then redis.call('HINCRBY', KEYS[6], owner, 1) end
  end

  return has_room, note
end
