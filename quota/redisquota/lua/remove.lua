-- ARGV: key.
local own = find(ARGV[1])
if own then remove(own) end
return 1
