-- Whether a message is taken that is not merely the next one of a known key: append.lua is loaded with this, and with
-- retaining.lua, before it.
--
-- admitting(limits, tombstone, first_entry, now), with the limits age, bytes, bytes_of_one, keys and keys_of_one, returns
-- three functions: `judge`, which tells for an entry what refuses it, `note`, which counts an entry that was appended, and
-- `owner_at`, the digest of the subject of the entry at ARGV i, or nil.
local function admitting(limits, tombstone, first_entry, now)
  local kept = retaining()
  -- A new key is refused a little earlier, so that the values of the others have room to grow.
  local room, room_of_new = limits.bytes / 2, limits.bytes * 15 / 32
  local has_swept = false

  -- Where there is no room left a slice of the last values is swept, once for each call of the script.
  local function swept(values)
    if has_swept then return values end
    has_swept = true
    return kept.sweep(values, now, limits.age, 50)
  end

  -- Reads the runs of subjects up to the entry at ARGV i. Returns: its subject or nil, and what of KEYS is the subject's.
  local runs, run, left_in_run, run_at = nil, 0, 0, first_entry - 3
  local function subject_at(i)
    local all = ARGV[4]
    if all == '' then return nil end
    if string.sub(all, 1, 1) == '=' then return string.sub(all, 2), KEYS[#KEYS] end
    runs = runs or cjson.decode(all)
    while run_at < i do
      if left_in_run == 0 then run, left_in_run = run + 1, runs[run + 1][1] end
      left_in_run, run_at = left_in_run - 1, run_at + 3
    end
    local subject = runs[run][2]
    if subject == '' then return nil end
    return subject, KEYS[#KEYS - #runs + run]
  end

  local function owner_at(i)
    local subject = subject_at(i)
    return subject and string.sub(redis.sha1hex(subject), 1, 16)
  end

  local function has_too_many_keys(owner)
    return tonumber(redis.call('HGET', KEYS[5], '#' .. owner) or '0') >= limits.keys_of_one
  end

  -- Nine tenths of the last values may be those of keys that one subject created.
  local function has_room_for_parts(owner, parts)
    local used = tonumber(redis.call('HGET', KEYS[5], '%' .. owner) or '0')
    return (used + parts) * PART_BYTES <= room_of_new * 0.9
  end

  -- Returns: the letter of a refusal or nil, and `values`.
  local function refusal_of_key(owner, values)
    if redis.call('HLEN', KEYS[3]) >= limits.keys then
      values = swept(values)
      if redis.call('HLEN', KEYS[3]) >= limits.keys then return 'K', values end
    end
    if owner and has_too_many_keys(owner) then
      values = swept(values)
      if has_too_many_keys(owner) then return 'S', values end
    end
    return nil, values
  end

  -- What one subject has in the log, where that is limited: a sorted set of its own, with marks as those of the log and
  -- the bytes that it has ever written under "now". It ends with the subject's newest message.
  local oldest_kept
  local function bytes_of(place, seq)
    oldest_kept = oldest_kept or seq - redis.call('XLEN', KEYS[1]) + 1
    while true do
      local mark = redis.call('ZRANGE', place, 0, 0, 'WITHSCORES')
      if not mark[1] or mark[1] == 'now' then return 0 end
      if tonumber(mark[1]) >= oldest_kept then
        return tonumber(redis.call('ZSCORE', place, 'now')) - tonumber(mark[2])
      end
      redis.call('ZREM', place, mark[1])
    end
  end

  -- Returns: the letter of a refusal or nil, `values`, by how much the last value grows, and what `note` needs.
  local function judge(i, before, growth, size, values, seq)
    local key, data = ARGV[i], ARGV[i + 1]
    if data == tombstone then
      if before == 0 then return 'U', values end
      -- First of all: even a full Redis takes a removal, and then the rest of the script.
      kept.end_value(key, before)
      local is_last = redis.call('HLEN', KEYS[3]) == 0
      return nil, values, is_last and -values or -(#key + before + VALUE_BYTES)
    end
    local owner, refusal
    local subject, place = subject_at(i)
    local parts = kept.parts_of(key, before + growth)
    if before == 0 then
      growth = growth + #key + VALUE_BYTES
      owner = owner_at(i)
      refusal, values = refusal_of_key(owner, values)
      if refusal then return refusal, values end
    else
      parts = parts - kept.parts_of(key, before)
      if parts ~= 0 then owner = redis.call('HGET', KEYS[5], key) end
    end
    if owner and parts > 0 and not has_room_for_parts(owner, parts) then
      values = swept(values)
      if not has_room_for_parts(owner, parts) then return 'W', values end
    end
    local most = before == 0 and room_of_new or room
    if growth > 0 and values + growth > most then
      values = swept(values)
      if values + growth > most then return 'V', values end
    end
    if owner then owner = { owner, before == 0 and 1 or 0, parts } end
    if not limits.bytes_of_one or not subject then return nil, values, growth, owner end
    if bytes_of(place, seq) + size > limits.bytes_of_one then return 'B', values end
    return nil, values, growth, owner, place
  end

  local function note(key, text, size, owner, place)
    if owner then
      local name, keys, parts = owner[1], owner[2], owner[3]
      if keys > 0 then
        redis.call('HSET', KEYS[5], key, name)
        redis.call('HINCRBY', KEYS[5], '#' .. name, keys)
      end
      redis.call('HINCRBY', KEYS[5], '%' .. name, parts)
    end
    if not place then return end
    local after = tonumber(redis.call('ZINCRBY', place, size, 'now'))
    local step = limits.bytes_of_one / 64
    if redis.call('ZCARD', place) == 1 or math.floor((after - size) / step) ~= math.floor(after / step) then
      redis.call('ZADD', place, after - size, text)
    end
    redis.call('PEXPIRE', place, limits.age)
  end

  return judge, note, owner_at
end
