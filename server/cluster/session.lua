-- One session of a Socket.IO client. It has one owner: what another connection says about it is not heard.
--
-- KEYS: 1 session (hash: owner, subject, session), expiring
-- ARGV: 1 operation, 2 owner, 3 how long it lasts, ms; then
--   save: 4 subject ('': nobody's), 5 session
--   take: 4 subject of the one who wants it
-- Returns: 1 done, 0 there is no such session, -1 it is another's; take: the session in place of 1.
local key, operation, owner, lasts = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local held = redis.call('HGET', key, 'owner')
if operation == 'take' then
  if not held then return 0 end
  local subject = redis.call('HGET', key, 'subject')
  if subject ~= '' and subject ~= ARGV[4] then return -1 end
  -- Removed first: even a full Redis takes that, and then the rest of the script. Nobody may lose a session to it.
  redis.call('HDEL', key, 'owner')
  redis.call('HSET', key, 'owner', owner)
  redis.call('PEXPIRE', key, lasts)
  return redis.call('HGET', key, 'session')
end
if held and held ~= owner then return -1 end
if operation == 'save' then
  redis.call('HSET', key, 'owner', owner, 'subject', ARGV[4], 'session', ARGV[5])
  redis.call('PEXPIRE', key, lasts)
  return 1
end
if not held then return 0 end
if operation == 'renew' then
  redis.call('PEXPIRE', key, lasts)
else
  redis.call('DEL', key)
end
return 1
