-- What the scripts of the log share about how much a stream keeps; each is loaded with this before it. The functions are
-- made where they are needed, since most publishes need none of them.
--
-- KEYS: 1 log, 2 meta, 3 last values, 4 marks (sorted set: seq -> bytes written before it), 5 owners (hash: key -> digest
--       of the subject that created it, "#digest" -> number of its keys, "%digest" -> parts that its last values take)
-- Fields of meta: bytes (written into the log, ever), values (bytes of the last values), ended (highest seq of a last
-- value that has ended), sweep ("cursor time seen began": where the sweep is, when it was there, and of this turn the
-- bytes that it has seen and `values` at its beginning).
--
-- The bytes of keys and data are counted, and for each message and each last value about what Redis adds to it.
local ENTRY_BYTES, VALUE_BYTES = 64, 160
-- The last values of a subject are counted in parts of so many bytes, each value rounded up: most updates change nothing.
local PART_BYTES = 256

local function retaining()
  -- A slice of a sweep: at most as many last values, and about as many bytes of them.
  local SLICE_VALUES, SLICE_BYTES = 500, 262144
  local kept = {}

  -- Empties what a log holds. A full Redis takes this, and then the rest of the script.
  function kept.forget_all()
    redis.call('UNLINK', KEYS[1], KEYS[3], KEYS[4], KEYS[5])
    redis.call('HDEL', KEYS[2], 'bytes', 'values', 'ended', 'sweep', 'tombstone')
  end

  -- Returns: how many parts a last value of this length takes.
  function kept.parts_of(key, length)
    return math.ceil((#key + length + VALUE_BYTES) / PART_BYTES)
  end

  local function take_off(field, count)
    if redis.call('HINCRBY', KEYS[5], field, -count) <= 0 then redis.call('HDEL', KEYS[5], field) end
  end

  -- Ends the last value of a key, which has this length. Who calls this counts its bytes.
  function kept.end_value(key, length)
    redis.call('HDEL', KEYS[3], key)
    local owner = redis.call('HGET', KEYS[5], key)
    if not owner then return end
    redis.call('HDEL', KEYS[5], key)
    take_off('#' .. owner, 1)
    take_off('%' .. owner, kept.parts_of(key, length))
  end

  -- Looks at the next slice of the last values, unless that was done less than `pause` ms ago, and ends those from before
  -- `now - max_age`. Takes the present `values`, nil where they were never counted, and returns and notes the new ones.
  --
  -- At the end of a turn `values` is corrected if it is off by more than what was written meanwhile: an older version of
  -- the hub, which does not count, may write beside this one.
  function kept.sweep(counted, now, max_age, pause)
    local values = counted or 0
    local keys = redis.call('HLEN', KEYS[3])
    if keys == 0 then return 0 end
    local state = redis.call('HMGET', KEYS[2], 'sweep', 'ended')
    local ended = tonumber(state[2] or '0')
    local cursor, at, seen, began = string.match(state[1] or '0 0 0 0', '^(%d+) (%d+) (%d+) (%d+)$')
    if now >= tonumber(at) and now - tonumber(at) < pause then return values end
    local count = math.floor(SLICE_BYTES / math.max(values / keys, SLICE_BYTES / SLICE_VALUES))
    local page = redis.call('HSCAN', KEYS[3], cursor, 'COUNT', math.max(count, 4))
    local items, over, left, gone = page[2], {}, 0, 0
    for i = 1, #items, 2 do
      local seq, time = string.match(items[i + 1], '^(%d+) (%d+) ')
      local bytes = #items[i] + #items[i + 1] + VALUE_BYTES
      if tonumber(time) < now - max_age then
        over[#over + 1] = i
        ended = math.max(ended, tonumber(seq))
        gone = gone + bytes
      else
        left = left + bytes
      end
    end
    -- Never counted: as many as there are, of the size of these.
    if not counted and #items > 0 then values = math.floor((left + gone) * 2 * keys / #items) end
    if cursor == '0' then seen, began = 0, values end
    seen, began, values = tonumber(seen) + left, tonumber(began), math.max(values - gone, 0)
    local is_off = math.abs(seen - values) > math.abs(values - began) + values / 16
    if page[1] == '0' and is_off then values = seen end
    if #over >= keys then values = 0 end
    local place = string.format('%s %.0f %.0f %.0f', page[1], now, seen, began)
    -- A full Redis refuses this. Then nothing may end, since that could not be counted either.
    local noted = redis.pcall('HSET', KEYS[2], 'values', values, 'ended', ended, 'sweep', place)
    if type(noted) == 'table' and noted.err then return counted or 0 end
    for _, i in ipairs(over) do kept.end_value(items[i], #items[i + 1]) end
    return values
  end

  return kept
end
