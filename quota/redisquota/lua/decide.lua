-- ARGV: key, recipients, time or '', version of the state, '1' for a dry run,
-- how long entries are kept, how long the keys are (milliseconds), and for each
-- window: 'messages' or 'recipients', '1' if advisory, max, per, number of days,
-- days.
-- Answers {'stale', version, document}, {'days', number of the window}, or
-- {'decided', allowed, known, time, used and not-before of each window}.
local key, recipients, at = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]) or clock()

local version = redis.call('HGET', STATE, 'version') or '0'
if version ~= ARGV[4] then
  return {'stale', version, redis.call('HGET', STATE, 'document') or ''}
end

local own = find(key)
local own_rank = own and redis.call('ZRANK', TIMES, member(own))
local total = redis.call('ZCARD', TIMES)

-- nth returns the time of the n-th entry after the first `before` ones, without
-- the own one.
local function nth(before, n)
  local rank = before + n - 1
  if own and own_rank >= before and own_rank <= rank then rank = rank + 1 end
  return tonumber(redis.call('ZRANGE', TIMES, rank, rank, 'WITHSCORES')[2])
end

-- in_spans returns for each span with entries after t what those with several
-- recipients have above one, without the own one. It looks at the entries of the
-- span that t is in, and at the sums of the spans behind it. Spans are named by
-- their digits: some interpreters make room for all numbers below a number.
local function in_spans(t)
  local edge, above = span_of(t), {}
  local sums = redis.call('HGETALL', SPANS)
  for i = 1, #sums, 2 do
    if tonumber(sums[i]) > edge then above[sums[i]] = tonumber(sums[i + 1]) end
  end
  local n = 0
  for _, m in ipairs(redis.call('ZRANGEBYSCORE', MORE, '(' .. digits(t), digits(end_of(edge)))) do
    n = n + tonumber(m:match('^%d+'))
  end
  if n > 0 then above[digits(edge)] = n end
  if own and own.at > t and own.above > 0 then
    local span = digits(span_of(own.at))
    above[span] = above[span] - own.above
  end
  return above
end

-- several returns the entries with more than one recipient and a time after t, up
-- to one, without the own one: their times, and for each the sum of the recipients
-- above one up to it.
local function several(t, up_to)
  local times, sums = {}, {[0] = 0}
  local found = redis.call('ZRANGEBYSCORE', MORE, '(' .. digits(t), digits(up_to), 'WITHSCORES')
  local skip = own and digits(own.above) .. ':' .. key
  for i = 1, #found, 2 do
    if found[i] ~= skip then
      local n = #times + 1
      times[n], sums[n] = tonumber(found[i + 1]), sums[n - 1] + tonumber(found[i]:match('^%d+'))
    end
  end
  return times, sums
end

-- freed returns the time of the entry after t that has to leave last to free
-- `excess` recipients. When the first i of the entries with several recipients
-- are out, the rest of the excess is as many entries; the more of the ones, the
-- fewer of the others, so the best i is where these come to the same time. Of
-- the entries with several recipients, those of the span in which enough are out
-- matter.
local function freed(t, messages, excess, above)
  local spans = {}
  for span in pairs(above) do spans[#spans + 1] = tonumber(span) end
  table.sort(spans)
  local sums = {[0] = 0}
  for i, span in ipairs(spans) do sums[i] = sums[i - 1] + above[digits(span)] end

  local before = redis.call('ZCOUNT', TIMES, '-inf', digits(t))
  local function out(i) -- messages and recipients after t, up to the end of the i-th span
    local n = redis.call('ZCOUNT', TIMES, '-inf', digits(end_of(spans[i]))) - before
    if own and own.at > t and own.at <= end_of(spans[i]) then n = n - 1 end
    return n, n + sums[i]
  end
  local low, high = 0, #spans + 1
  while high - low > 1 do
    local middle = math.floor((low + high) / 2)
    if select(2, out(middle)) < excess then low = middle else high = middle end
  end
  if low > 0 then
    local gone, recipients = out(low)
    t, messages, excess = end_of(spans[low]), messages - gone, excess - recipients
    before = redis.call('ZCOUNT', TIMES, '-inf', digits(t))
  end

  local times, sums = {}, {[0] = 0}
  if spans[high] then times, sums = several(t, end_of(spans[high])) end
  local function others(i)
    local rest = excess - sums[i]
    if rest <= 0 then return -math.huge end
    if rest > messages then return math.huge end
    return nth(before, rest)
  end
  low, high = 0, #times + 1
  while high - low > 1 do
    local middle = math.floor((low + high) / 2)
    if others(middle) <= times[middle] then high = middle else low = middle end
  end
  return math.min(others(low), times[high] or math.huge)
end

-- look returns how much a window has that holds the entries after t, how much of
-- that is too much for the send, and a function that returns the time of the last
-- entry that has to leave if it is.
local function look(w, t)
  local before = redis.call('ZCOUNT', TIMES, '-inf', digits(t))
  local messages = total - before
  if own and own.at > t then messages = messages - 1 end
  if not w.recipients then
    local excess = messages + 1 - w.max
    return messages, excess, function() return nth(before, excess) end
  end
  local above, used = in_spans(t), messages
  for _, n in pairs(above) do used = used + n end
  local excess = used + recipients - w.max
  return used, excess, function() return freed(t, messages, excess, above) end
end

local windows, arg = {}, 8
for n = 1, math.huge do
  if not ARGV[arg] then break end
  local w = {
    recipients = ARGV[arg] == 'recipients', advisory = ARGV[arg + 1] == '1',
    max = tonumber(ARGV[arg + 2]), per = tonumber(ARGV[arg + 3]), days = {},
  }
  local days = tonumber(ARGV[arg + 4])
  for d = 1, days do w.days[d] = tonumber(ARGV[arg + 4 + d]) end
  arg = arg + 5 + days
  if days > 0 and (at < w.days[1] or at >= w.days[days]) then return {'days', n} end
  windows[n] = w
end

local allowed, answer = true, {}
for _, w in ipairs(windows) do
  local used, excess, last, not_before
  if #w.days == 0 then
    used, excess, last = look(w, at - w.per)
    if excess > 0 then not_before = last() + w.per end
  else
    local day = 1
    while w.days[day + 1] <= at do day = day + 1 end
    used, excess = look(w, w.days[day] - 1)
    if excess > 0 then
      repeat day = day + 1 until day == #w.days or select(2, look(w, w.days[day] - 1)) <= 0
      not_before = w.days[day]
    end
  end
  if not_before and not w.advisory then allowed = false end
  answer[#answer + 1] = used
  answer[#answer + 1] = not_before or false
end

if ARGV[5] ~= '1' then
  if allowed then
    if own then remove(own) end
    insert({key = key, at = at, above = recipients - 1, settled = false}, ARGV[7])
  end
  forget(at - tonumber(ARGV[6]))
end
return {'decided', allowed and 1 or 0, own and 1 or 0, at, unpack(answer)}
