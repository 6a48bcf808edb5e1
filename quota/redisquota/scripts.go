package redisquota

import (
	_ "embed"

	"github.com/redis/go-redis/v9"
)

// The scripts are in files of their own; those of a log begin with
// clock.lua and log.lua, those of calls with clock.lua and budgets.lua.
var (
	//go:embed lua/clock.lua
	clockLua string
	//go:embed lua/log.lua
	logLua string
	//go:embed lua/decide.lua
	decideLua string
	//go:embed lua/settle.lua
	settleLua string
	//go:embed lua/remove.lua
	removeLua string
	//go:embed lua/entries.lua
	entriesLua string
	//go:embed lua/state.lua
	stateLua string
	//go:embed lua/setstate.lua
	setStateLua string
	//go:embed lua/budgets.lua
	budgetsLua string
	//go:embed lua/enter.lua
	enterLua string
	//go:embed lua/leave.lua
	leaveLua string
	//go:embed lua/pause.lua
	pauseLua string

	decideScript   = redis.NewScript(clockLua + logLua + decideLua)
	settleScript   = redis.NewScript(clockLua + logLua + settleLua)
	removeScript   = redis.NewScript(clockLua + logLua + removeLua)
	entriesScript  = redis.NewScript(clockLua + logLua + entriesLua)
	stateScript    = redis.NewScript(clockLua + logLua + stateLua)
	setStateScript = redis.NewScript(clockLua + logLua + setStateLua)
	enterScript    = redis.NewScript(clockLua + budgetsLua + enterLua)
	leaveScript    = redis.NewScript(clockLua + budgetsLua + leaveLua)
	pauseScript    = redis.NewScript(clockLua + budgetsLua + pauseLua)
)
