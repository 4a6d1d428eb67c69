-- Reads the state of a stream's log and the entry at one seq. Trims entries that are too old, one slice at a time, and
-- ends last values that are too old, a slice every second.
--
-- KEYS: 1 log, 2 meta, 3 last values, 4 marks, 5 owners
-- ARGV: 1 the seq to read ('0': none), 2 maxAgeMs, 3 '1' in a Redis Cluster
-- Returns: epoch or false, top, first, then the entry's fields (t, time, k, key, d, data) or false, then the id of the
--          cluster's node or '', the seq of the newest tombstone or false, the time in ms from before which nothing is
--          kept, the highest seq of a last value that has ended, how many last values there are, and 'messages' or
--          'values' where all of them are gone, though none of them was trimmed or ended; otherwise ''.
local SLICE, SLICES = 500, 20
local server = ARGV[3] == '' and '' or redis.call('CLUSTER', 'MYID')
local meta = redis.call('HMGET', KEYS[2], 'epoch', 'seq', 'values', 'tombstone', 'bytes')
if not meta[1] then return { false, '0', '1', false, server, false, '0', '0', 0, '' } end
local top = meta[2] or '0'

local function seq_of(entry) return string.match(entry[1], '^(%d+)') end
local function time_of(entry) return tonumber(entry[2][2]) end
local function oldest_entry() return redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1] end

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local oldest = now - tonumber(ARGV[2])
local head = oldest_entry()
for _ = 1, SLICES do
  if not head or time_of(head) >= oldest then break end
  local slice = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', SLICE)
  local cut = tonumber(seq_of(slice[#slice])) + 1
  for i = 1, #slice do
    if time_of(slice[i]) >= oldest then
      cut = tonumber(seq_of(slice[i]))
      break
    end
  end
  -- Where writes are refused, old messages are read for a little longer, rather than none.
  local trimmed = redis.pcall('XTRIM', KEYS[1], 'MINID', string.format('%.0f-0', cut))
  if type(trimmed) == 'table' and trimmed.err then break end
  head = oldest_entry()
end

local own = false
if ARGV[1] ~= '0' then
  local entry = redis.call('XRANGE', KEYS[1], ARGV[1] .. '-0', ARGV[1] .. '-0')[1]
  if entry then own = entry[2] end
end
retaining().sweep(tonumber(meta[3] or ''), now, tonumber(ARGV[2]), 1000)
local ended = redis.call('HGET', KEYS[2], 'ended') or '0'
local first = head and seq_of(head) or string.format('%.0f', tonumber(top) + 1)
local keys, lost = redis.call('HLEN', KEYS[3]), ''
if keys == 0 and tonumber(meta[3] or '0') >= VALUE_BYTES then lost = 'values' end
if meta[5] and redis.call('EXISTS', KEYS[1]) == 0 then lost = 'messages' end
return { meta[1], top, first, own, server, meta[4], string.format('%.0f', oldest), ended, keys, lost }
