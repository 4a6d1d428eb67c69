-- The commit point of a publish: either all of it happens or none of it.
--
-- Loaded after retaining.lua, admitting.lua, remembering.lua and what is fixed for the stream, which as arguments would have
-- to be sent and read with every call: MAX_MESSAGES, MAX_AGE_MS, MAX_BYTES, MAX_BYTES_OF_ONE (subject, or nil),
-- IDEMPOTENCY_MS, IN_CLUSTER (a boolean), and limits(), which makes the table that admitting.lua takes.
--
-- KEYS: 1 log (stream of <seq>-0), 2 meta (hash: epoch, seq and the fields in retaining.lua), 3 last values (hash:
--       key -> "seq time data"), 4 marks, 5 owners; if an entry has an id: 6 what remembering.lua counts, 7… one
--       idempotency key for each of these entries, in order; then, if MAX_BYTES_OF_ONE is set, what each subject of
--       ARGV 4 has in the log
-- ARGV: 1 channel, 2 epoch to use where the log has none, 3 the traces of the entries ('-' for none), separated by
--       spaces; '' if no entry has one, 4 the subjects of the entries: '' if no entry has one, '=' and the subject if all
--       have the same, otherwise JSON: for each run of entries their number and their subject ('' for none),
--       then for each entry: key, data, and how a repeat is recognised: '' (not at all), a digest of both (it has an
--       id), or "@source position"; the last position of each source is a field "@source" of meta
-- Returns: epoch, time in ms, then for each entry its seq, or "seq epoch time" of an earlier one, or one letter: 'C' its
--       id is in use, 'P' its position has been passed, 'K' no further key, 'V' no room for this last value, 'W' none for
--       those of this subject, 'S' no
--       further key of this subject, 'B' no further bytes of this subject, 'U' there is no value to delete,
--       'I' no room for further ids.
-- The data of an entry that deletes its key; the same as in `message.ts` of the protocol.
local TOMBSTONE = ' null'
local FIRST_ENTRY = 5
local call, format, ceil = redis.call, string.format, math.ceil
local meta = call('HMGET', KEYS[2], 'epoch', 'seq', 'bytes', 'values')
local epoch, seq = meta[1], tonumber(meta[2] or '0')
local bytes, values = tonumber(meta[3] or ''), tonumber(meta[4] or '')
if not epoch then
  -- No epoch: a first start, or the data is gone. Remaining keys belong to no epoch.
  epoch, seq, bytes, values = ARGV[2], 0, 0, 0
  retaining().forget_all()
  call('HSET', KEYS[2], 'epoch', epoch)
end
local clock = call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local time = format('%.0f', now)
local reply, answered = { epoch, time }, 2
local fields, count = {}, 0
local id_key = 6
local first = seq + 1
local given, traces = {}, {}
local is_traced = ARGV[3] ~= ''
if is_traced then
  for trace in string.gmatch(ARGV[3], '%S+') do given[#given + 1] = trace end
end

-- A mark is set wherever another part of maxBytes has been written, so that what is too much is found, and trimmed,
-- without a look at the messages.
local part = MAX_BYTES / 256
local is_marked = false
-- An older version has not counted what the log holds: it is marked as if its messages had the size of the newest ones.
if not bytes then
  bytes = 0
  local held = call('XLEN', KEYS[1])
  local sample = call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 16)
  for i = 1, #sample do bytes = bytes + #sample[i][2][4] + #sample[i][2][6] + ENTRY_BYTES end
  if held > 0 then bytes = math.floor(bytes / #sample * held) end
  local marks = math.min(256, held)
  for i = 0, marks - 1 do
    local at = seq - held + 1 + math.floor(i * held / marks)
    call('ZADD', KEYS[4], math.floor(i * bytes / marks), format('%.0f', at))
  end
end
if not values then values = retaining().sweep(nil, now, MAX_AGE_MS, 0) end

local next_mark = (math.floor(bytes / part) + 1) * part
local room = MAX_BYTES / 2
local judge, note, owner_at, has_room_for_id, note_id
for i = FIRST_ENTRY, #ARGV, 3 do
  local key, data, digest = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local size = #key + #data + ENTRY_BYTES
  local result, source, position
  if digest ~= '' then
    source, position = string.match(digest, '^(@%S+) (%S+)$')
    if source then
      local at = call('HGET', KEYS[2], source)
      if at and position <= at then result = 'P' end
    else
      id_key = id_key + 1
      local known = call('GET', KEYS[id_key])
      if known then
        local known_digest, earlier = string.match(known, '^(%S+) (.+)$')
        if known_digest == digest then result = earlier else result = 'C' end
      end
    end
  end
  local text, growth, owner, place, publisher
  if not result then
    text = format('%.0f', seq + 1)
    local before = call('HSTRLEN', KEYS[3], key)
    growth = #text + #time + #data + 2 - before
    local weight = #key + VALUE_BYTES + before
    if
      before == 0
      or MAX_BYTES_OF_ONE
      or data == TOMBSTONE
      or growth ~= 0 and (values + growth > room or ceil(weight / PART_BYTES) ~= ceil((weight + growth) / PART_BYTES))
    then
      if not judge then judge, note, owner_at = admitting(limits(), TOMBSTONE, FIRST_ENTRY, now) end
      result, values, growth, owner, place = judge(i, before, growth, size, values, seq)
    end
    if not result and digest ~= '' and not source then
      if not judge then judge, note, owner_at = admitting(limits(), TOMBSTONE, FIRST_ENTRY, now) end
      if not note_id then has_room_for_id, note_id = remembering(MAX_BYTES, IDEMPOTENCY_MS, now) end
      publisher = owner_at(i)
      if not has_room_for_id(publisher) then result = 'I' end
    end
  end
  if not result then
    seq = seq + 1
    if not call('XADD', KEYS[1], 'NOMKSTREAM', text .. '-0', 't', time, 'k', key, 'd', data) then
      -- A log that was written and is not there was evicted or deleted. What it held is lost, and that is announced.
      if bytes > 0 then
        epoch, reply[1] = ARGV[2], ARGV[2]
        call('HSET', KEYS[2], 'epoch', epoch)
      end
      call('XADD', KEYS[1], text .. '-0', 't', time, 'k', key, 'd', data)
    end
    if data == TOMBSTONE then
      call('HSET', KEYS[2], 'tombstone', text)
    else
      call('HSET', KEYS[3], key, text .. ' ' .. time .. ' ' .. data)
    end
    values = values + growth
    if bytes + size >= next_mark then
      call('ZADD', KEYS[4], bytes, text)
      is_marked = true
      next_mark = (math.floor((bytes + size) / part) + 1) * part
    end
    bytes = bytes + size
    if owner or place then note(key, text, size, owner, place) end
    if source then
      call('HSET', KEYS[2], source, position)
    elseif digest ~= '' then
      call('SET', KEYS[id_key], digest .. ' ' .. text .. ' ' .. epoch .. ' ' .. time, 'PX', IDEMPOTENCY_MS)
      note_id(publisher)
    end
    fields[count + 1], fields[count + 2] = key, data
    count = count + 2
    if is_traced then traces[#traces + 1] = given[(i - FIRST_ENTRY) / 3 + 1] end
    result = seq
  end
  answered = answered + 1
  reply[answered] = result
end

if count > 0 then
  call('HSET', KEYS[2], 'seq', seq, 'bytes', bytes, 'values', math.max(values, 0))
  -- Whole nodes of the stream are trimmed, usually of 100 messages.
  local some = math.max(1, math.min(100, math.floor(MAX_MESSAGES / 16)))
  if math.floor(seq / some) ~= math.floor((first - 1) / some) then
    call('XTRIM', KEYS[1], 'MAXLEN', '~', MAX_MESSAGES)
  end
  local over = is_marked and bytes - math.max(MAX_BYTES - values, MAX_BYTES / 2) or 0
  if over > 0 then
    local text = format('%.0f', over)
    local from = call('ZRANGEBYSCORE', KEYS[4], text, '+inf', 'LIMIT', 0, 1)[1]
    call('XTRIM', KEYS[1], 'MINID', (from or format('%.0f', seq)) .. '-0')
    call('ZREMRANGEBYSCORE', KEYS[4], '-inf', '(' .. text)
  end
  local payload = cmsgpack.pack(epoch, first, now, fields)
  if not IN_CLUSTER and #traces == 0 then
    call('PUBLISH', ARGV[1], '\150\163hub\192' .. payload)
  else
    local server = IN_CLUSTER and call('CLUSTER', 'MYID') or ''
    call('PUBLISH', ARGV[1], '\151\163hub\192' .. payload .. cmsgpack.pack({ server, table.concat(traces, ' ') }))
  end
end
return reply
