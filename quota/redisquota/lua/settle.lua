-- ARGV: key, recipients, time or '', how long the keys are kept (milliseconds).
local at = tonumber(ARGV[3]) or clock()
local own = find(ARGV[1])
if not own then
  insert({key = ARGV[1], at = at, above = tonumber(ARGV[2]) - 1, settled = true}, ARGV[4])
elseif not own.settled then
  remove(own)
  if at > own.at then own.at = at end
  own.settled = true
  insert(own, ARGV[4])
end
return 1
