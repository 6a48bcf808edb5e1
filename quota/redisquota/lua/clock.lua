-- Times and spans are whole microseconds; a Lua number holds them exactly until
-- the year 2255. Commands take them as digits, never in exponent form.
local function digits(n) return string.format('%.0f', n) end

local function clock()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end
