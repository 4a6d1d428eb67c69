-- The commit point of a publish: either all of it happens or none of it.
--
-- KEYS: 1 log (stream of <seq>-0), 2 meta (hash: epoch, seq), 3 last values (hash: key -> "seq time data"),
--       4… one idempotency key for each entry that has an id, in order
-- ARGV: 1 channel, 2 epoch to use where the log has none, 3 maxMessages, 4 maxAgeMs, 5 maxKeys, 6 idempotency ms, 7 '1'
--       in a Redis Cluster, 8 the traces of the entries ('-' for none), separated by spaces; '' if no entry has one,
--       then for each entry: key, data, and how a repeat is recognised: '' (not at all), a digest of both (it has an
--       id), or "@source position"; the last position of each source is a field "@source" of meta
-- Returns: epoch, time in ms, then for each entry its seq, or "seq epoch time" of an earlier one, 'C', 'K', 'P' or 'U'.
-- The data of an entry that deletes its key; the same as in `message.ts` of the protocol.
local TOMBSTONE = ' null'
local meta = redis.call('HMGET', KEYS[2], 'epoch', 'seq')
local epoch, seq = meta[1], tonumber(meta[2] or '0')
if not epoch then
  -- No epoch: a first start, or the data is gone. Remaining keys belong to no epoch.
  epoch, seq = ARGV[2], 0
  redis.call('DEL', KEYS[1], KEYS[3])
  redis.call('HSET', KEYS[2], 'epoch', epoch)
end
local clock = redis.call('TIME')
local time = string.format('%.0f', tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000))
local max_keys = tonumber(ARGV[5])
local reply = { epoch, time }
local fields = {}
local id_key = 3
local first = seq + 1
local given, traces = {}, {}
for trace in string.gmatch(ARGV[8], '%S+') do given[#given + 1] = trace end

for i = 9, #ARGV, 3 do
  local key, data, digest = ARGV[i], ARGV[i + 1], ARGV[i + 2]
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
  if result then
    -- Nothing is appended.
  elseif data == TOMBSTONE then
    -- First of all: even a full Redis takes a removal, and then the rest of the script.
    if redis.call('HDEL', KEYS[3], key) == 0 then result = 'U' end
  elseif redis.call('HLEN', KEYS[3]) >= max_keys and redis.call('HEXISTS', KEYS[3], key) == 0 then
    result = 'K'
  end
  if not result then
    seq = seq + 1
    local text = string.format('%.0f', seq)
    redis.call('XADD', KEYS[1], text .. '-0', 't', time, 'k', key, 'd', data)
    if data == TOMBSTONE then
      redis.call('HSET', KEYS[2], 'tombstone', text)
    else
      redis.call('HSET', KEYS[3], key, text .. ' ' .. time .. ' ' .. data)
    end
    if source then
      redis.call('HSET', KEYS[2], source, position)
    elseif digest ~= '' then
      redis.call('SET', KEYS[id_key], digest .. ' ' .. text .. ' ' .. epoch .. ' ' .. time, 'PX', ARGV[6])
    end
    fields[#fields + 1] = key
    fields[#fields + 1] = data
    if #given > 0 then traces[#traces + 1] = given[(i - 6) / 3] end
    result = seq
  end
  reply[#reply + 1] = result
end

if #fields > 0 then
  redis.call('HSET', KEYS[2], 'seq', string.format('%.0f', seq))
  redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[3])
  local payload = cmsgpack.pack(epoch, first, tonumber(time), fields)
  if ARGV[7] == '' and #traces == 0 then
    redis.call('PUBLISH', ARGV[1], '\150\163hub\192' .. payload)
  else
    local server = ARGV[7] == '' and '' or redis.call('CLUSTER', 'MYID')
    redis.call('PUBLISH', ARGV[1], '\151\163hub\192' .. payload .. cmsgpack.pack({ server, table.concat(traces, ' ') }))
  end
end
return reply
