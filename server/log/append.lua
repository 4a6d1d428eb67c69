-- The commit point of a publish: either all of it happens or none of it.
--
-- KEYS: 1 log (stream of <seq>-0), 2 meta (hash: epoch, seq and the fields in retaining.lua), 3 last values (hash:
--       key -> "seq time data"), 4 marks, 5 owners, 6… one idempotency key for each entry that has an id, in order; then,
--       if ARGV 11 is set, one for each run of ARGV 12: what this subject has in the log
-- ARGV: 1 channel, 2 epoch to use where the log has none, 3 maxMessages, 4 maxAgeMs, 5 maxKeys, 6 idempotency ms, 7 '1'
--       in a Redis Cluster, 8 the traces of the entries ('-' for none), separated by spaces; '' if no entry has one,
--       9 maxBytes, 10 maxKeysPerSubject, 11 maxBytesPerSubject or '', 12 the subjects of the entries as JSON: for each
--       run of entries their number and their subject ('' for none); '' if no entry has one,
--       then for each entry: key, data, and how a repeat is recognised: '' (not at all), a digest of both (it has an
--       id), or "@source position"; the last position of each source is a field "@source" of meta
-- Returns: epoch, time in ms, then for each entry its seq, or "seq epoch time" of an earlier one, or one letter: 'C' its
--       id is in use, 'P' its position has been passed, 'K' no further key, 'V' no room for this last value, 'S' no
--       further key of this subject, 'B' no further bytes of this subject, 'U' there is no value to delete.
-- The data of an entry that deletes its key; the same as in `message.ts` of the protocol.
local TOMBSTONE = ' null'
local meta = redis.call('HMGET', KEYS[2], 'epoch', 'seq', 'bytes', 'values')
local epoch, seq, bytes, values = meta[1], tonumber(meta[2] or '0'), meta[3], meta[4]
if not epoch then
  -- No epoch: a first start, or the data is gone. Remaining keys belong to no epoch.
  epoch, seq, bytes, values = ARGV[2], 0, '0', '0'
  forget_all()
  redis.call('HSET', KEYS[2], 'epoch', epoch)
end
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local time = whole(now)
local max_age, max_keys, max_bytes = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[9])
local max_keys_of_one, max_bytes_of_one = tonumber(ARGV[10]), tonumber(ARGV[11])
local FIRST_ENTRY = 13
local reply = { epoch, time }
local fields = {}
local id_key = 5
local first = seq + 1
local given, traces = {}, {}
for trace in string.gmatch(ARGV[8], '%S+') do given[#given + 1] = trace end

-- The log. A mark is set wherever another part of maxBytes has been written, so that what is too much is found, and
-- trimmed, without a look at the messages.
local part = max_bytes / 256
local is_marked = false

-- An older version has not counted what the log holds: marks it as if its messages had the size of the newest ones.
if not bytes then
  bytes = 0
  local count = redis.call('XLEN', KEYS[1])
  local sample = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 16)
  for i = 1, #sample do bytes = bytes + #sample[i][2][4] + #sample[i][2][6] + ENTRY_BYTES end
  if count > 0 then bytes = bytes / #sample * count end
  local marks = math.min(256, count)
  for i = 0, marks - 1 do
    local at = seq - count + 1 + math.floor(i * count / marks)
    redis.call('ZADD', KEYS[4], whole(i * bytes / marks), whole(at))
  end
end
bytes = tonumber(bytes)

local function trim()
  redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[3])
  if not is_marked then return end
  local over = bytes - math.max(max_bytes - values, max_bytes / 2)
  if over <= 0 then return end
  local from = redis.call('ZRANGEBYSCORE', KEYS[4], whole(over), '+inf', 'LIMIT', 0, 1)[1]
  redis.call('XTRIM', KEYS[1], 'MINID', (from or whole(seq)) .. '-0')
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', '(' .. whole(over))
end

-- The last values. A slice of them is swept, once for this call, where there is no room left.
local has_swept = false
local function sweep_once()
  if not has_swept then values = sweep(values, now, max_age, 50) end
  has_swept = true
end
values = tonumber(values or '')
if not values then sweep_once() end
-- A new key is refused a little earlier, so that the values of the others have room to grow.
local room, room_of_new = max_bytes / 2, max_bytes * 15 / 32

-- The subjects: their runs are read where one is asked for.
local runs, run, left_in_run, run_at = nil, 0, 0, FIRST_ENTRY - 3
-- Returns: the subject of the entry at ARGV i, or nil; and its key among KEYS.
local function subject_of(i)
  if ARGV[12] == '' then return nil end
  runs = runs or cjson.decode(ARGV[12])
  while run_at < i do
    if left_in_run == 0 then run, left_in_run = run + 1, runs[run + 1][1] end
    left_in_run, run_at = left_in_run - 1, run_at + 3
  end
  local subject = runs[run][2]
  if subject == '' then return nil end
  return subject, KEYS[#KEYS - #runs + run]
end

local function owner_at(i)
  local subject = subject_of(i)
  return subject and string.sub(redis.sha1hex(subject), 1, 16)
end

local function has_too_many_keys(owner)
  return tonumber(redis.call('HGET', KEYS[5], '#' .. owner) or '0') >= max_keys_of_one
end

-- Returns: the letter of a refusal, or nil.
local function refusal_of_key(owner)
  if redis.call('HLEN', KEYS[3]) >= max_keys then
    sweep_once()
    if redis.call('HLEN', KEYS[3]) >= max_keys then return 'K' end
  end
  if owner and has_too_many_keys(owner) then
    sweep_once()
    if has_too_many_keys(owner) then return 'S' end
  end
end

local function has_room(growth, most)
  if growth <= 0 or values + growth <= most then return true end
  sweep_once()
  return values + growth <= most
end

-- What one subject has in the log, where that is limited: a sorted set of its own, with marks as those of the log and
-- the bytes that it has ever written under "now". It ends with the subject's newest message.
local oldest_kept
local function bytes_of(place)
  oldest_kept = oldest_kept or seq - redis.call('XLEN', KEYS[1]) + 1
  while true do
    local mark = redis.call('ZRANGE', place, 0, 0, 'WITHSCORES')
    if not mark[1] then return 0 end
    if mark[1] == 'now' then return 0 end
    if tonumber(mark[1]) >= oldest_kept then
      return tonumber(redis.call('ZSCORE', place, 'now')) - tonumber(mark[2])
    end
    redis.call('ZREM', place, mark[1])
  end
end

local function note_bytes(place, size, text)
  local after = tonumber(redis.call('ZINCRBY', place, size, 'now'))
  local step = max_bytes_of_one / 64
  if redis.call('ZCARD', place) == 1 or math.floor((after - size) / step) ~= math.floor(after / step) then
    redis.call('ZADD', place, whole(after - size), text)
  end
  redis.call('PEXPIRE', place, ARGV[4])
end

for i = FIRST_ENTRY, #ARGV, 3 do
  local key, data, digest = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local size = #key + #data + ENTRY_BYTES
  local result
  local source, position = string.match(digest, '^(@%S+) (%S+)$')
  if source then
    local at = redis.call('HGET', KEYS[2], source)
    if at and position <= at then result = 'P' end
  elseif digest ~= '' then
    id_key = id_key + 1
    local known = redis.call('GET', KEYS[id_key])
    if known then
      local known_digest, earlier = string.match(known, '^(%S+) (.+)$')
      if known_digest == digest then result = earlier else result = 'C' end
    end
  end
  local text, growth, owner, place
  if not result then
    text = whole(seq + 1)
    growth = #text + #time + #data + 2
    local before = redis.call('HSTRLEN', KEYS[3], key)
    if data == TOMBSTONE then
      growth = -(#key + before + VALUE_BYTES)
      -- First of all: even a full Redis takes a removal, and then the rest of the script.
      if before == 0 then result = 'U' else end_value(key) end
    elseif before == 0 then
      growth = growth + #key + VALUE_BYTES
      owner = owner_at(i)
      result = refusal_of_key(owner)
    else
      growth = growth - before
    end
    if not result and not has_room(growth, before == 0 and room_of_new or room) then result = 'V' end
    if not result and max_bytes_of_one then
      local subject
      subject, place = subject_of(i)
      if place and bytes_of(place) + size > max_bytes_of_one then result = 'B' end
    end
  end
  if not result then
    seq = seq + 1
    redis.call('XADD', KEYS[1], text .. '-0', 't', time, 'k', key, 'd', data)
    if data == TOMBSTONE then
      redis.call('HSET', KEYS[2], 'tombstone', text)
    else
      redis.call('HSET', KEYS[3], key, text .. ' ' .. time .. ' ' .. data)
    end
    values = values + growth
    if math.floor(bytes / part) ~= math.floor((bytes + size) / part) then
      redis.call('ZADD', KEYS[4], whole(bytes), text)
      is_marked = true
    end
    bytes = bytes + size
    if owner then
      redis.call('HSET', KEYS[5], key, owner)
      redis.call('HINCRBY', KEYS[5], '#' .. owner, 1)
    end
    if place then note_bytes(place, size, text) end
    if source then
      redis.call('HSET', KEYS[2], source, position)
    elseif digest ~= '' then
      redis.call('SET', KEYS[id_key], digest .. ' ' .. text .. ' ' .. epoch .. ' ' .. time, 'PX', ARGV[6])
    end
    fields[#fields + 1] = key
    fields[#fields + 1] = data
    if #given > 0 then traces[#traces + 1] = given[(i - FIRST_ENTRY) / 3 + 1] end
    result = seq
  end
  reply[#reply + 1] = result
end

if #fields > 0 then
  redis.call('HSET', KEYS[2], 'seq', whole(seq), 'bytes', whole(bytes), 'values', whole(math.max(values, 0)))
  trim()
  local payload = cmsgpack.pack(epoch, first, now, fields)
  if ARGV[7] == '' and #traces == 0 then
    redis.call('PUBLISH', ARGV[1], '\150\163hub\192' .. payload)
  else
    local server = ARGV[7] == '' and '' or redis.call('CLUSTER', 'MYID')
    redis.call('PUBLISH', ARGV[1], '\151\163hub\192' .. payload .. cmsgpack.pack({ server, table.concat(traces, ' ') }))
  end
end
return reply
