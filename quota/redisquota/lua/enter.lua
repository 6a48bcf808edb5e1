-- ARGV: id, slots, greatest number of slots, how long they are held, '1' for a
-- send, and for each budget: name, units, per, burst, units to take, units
-- to leave.
-- Answers {allowed, wait, paused}.
local now = clock()
local id, slots, max_slots, ttl, send = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == '1'

local paused = tonumber(redis.call('HGET', STATE, 'paused') or 0)
if send then paused = math.max(paused, tonumber(redis.call('HGET', STATE, 'sends') or 0)) end
local wait = math.max(0, paused - now)

-- takes are what is to be done when the call goes.
local takes = {}

-- spent returns how long the call has to wait until few enough units of a budget
-- count. What was used in a step counts for the 96 steps after it as well.
local function spent(b)
  table.sort(b.used, function(x, y) return x.ends < y.ends end)
  takes[#takes + 1] = function()
    local step = math.ceil(b.per / 96)
    local ends = (math.floor(now / step) + 97) * step
    if #b.used > 0 then ends = math.max(ends, b.used[#b.used].ends) end -- if the clock stepped back
    if #b.used == 128 and ends > b.used[128].ends then -- as many spans were tried: the oldest may leave with the next
      redis.call('HDEL', STEPS, b.name .. ':' .. digits(b.used[1].ends))
      redis.call('HINCRBY', STEPS, b.name .. ':' .. digits(b.used[2].ends), digits(b.used[1].units))
    end
    redis.call('HINCRBY', STEPS, b.name .. ':' .. digits(ends), digits(b.n))
    keep(STEPS, now, ends)
  end
  local excess = math.min(b.n + b.keep, b.units) - b.units
  for _, step in ipairs(b.used) do excess = excess + step.units end
  local ready = now
  for _, step in ipairs(b.used) do
    if excess <= 0 then break end
    excess, ready = excess - step.units, step.ends
  end
  return ready - now
end

-- bucket returns how long the call has to wait for the bucket of a budget. What is
-- missing in it is what flows in until it is full.
local function bucket(b)
  if b.burst == 0 then return 0 end
  local function flow(n) return math.min(math.ceil(n * b.per / b.units), 2 ^ 53) end
  local full = math.max(now, tonumber(redis.call('HGET', STATE, 'full:' .. b.name) or 0))
  takes[#takes + 1] = function()
    full = math.min(full + flow(b.n), 2 ^ 53)
    redis.call('HSET', STATE, 'full:' .. b.name, digits(full))
    keep(STATE, now, full)
  end
  return full - now - flow(b.burst) + math.min(flow(b.n + b.keep), flow(b.burst))
end

local budgets, named = {}, {}
for i = 6, #ARGV, 6 do
  local b = {
    name = ARGV[i], units = tonumber(ARGV[i + 1]), per = tonumber(ARGV[i + 2]),
    burst = tonumber(ARGV[i + 3]), n = tonumber(ARGV[i + 4]), keep = tonumber(ARGV[i + 5]), used = {},
  }
  if b.n > 0 then
    budgets[#budgets + 1], named[b.name] = b, b
  end
end

if #budgets > 0 then
  local steps = redis.call('HGETALL', STEPS)
  for i = 1, #steps, 2 do
    local name, ends = steps[i]:match('^(.*):(.*)$')
    local b = named[name]
    if tonumber(ends) <= now then
      redis.call('HDEL', STEPS, steps[i])
    elseif b then
      b.used[#b.used + 1] = {ends = tonumber(ends), units = tonumber(steps[i + 1])}
    end
  end
end

for _, b in ipairs(budgets) do wait = math.max(wait, spent(b), bucket(b)) end

local crowded, own_slots, own_ends = false, 0, 0
if slots > 0 then
  local others = 0
  local held = redis.call('HGETALL', SLOTS)
  for i = 1, #held, 2 do
    local n, ends = held[i + 1]:match('^(.*):(.*)$')
    n, ends = tonumber(n), tonumber(ends)
    if ends <= now then
      redis.call('HDEL', SLOTS, held[i])
    elseif held[i] == id then
      own_slots, own_ends = n, ends
    else
      others = others + n
    end
  end
  crowded = own_slots < slots and others > 0 and others + slots > max_slots
end

if wait > 0 or crowded then
  return {0, wait, paused > now and 1 or 0}
end
for _, take in ipairs(takes) do take() end
if slots > 0 then
  own_slots, own_ends = math.max(own_slots, slots), math.max(own_ends, now + ttl)
  redis.call('HSET', SLOTS, id, digits(own_slots) .. ':' .. digits(own_ends))
  keep(SLOTS, now, own_ends)
end
return {1, 0, 0}
