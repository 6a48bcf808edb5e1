// Package redisquota shares the state of package quota among processes, in
// Redis: the logs of [quota.Sends] and the budgets of a [quota.Limiter].
//
//	client := redis.NewClient(&redis.Options{Addr: "redis:6379", ContextTimeoutEnabled: true})
//	…
//	store, err := redisquota.New(client, redisquota.Options{})
//	…
//	err = store.Check(ctx)
//	…
//	sends, err := quota.NewSends(quota.SendsConfig{Store: store.Sends()})
//	…
//	limiter, err := quota.NewLimiter(quota.LimiterConfig{Shared: store.Calls()})
//
// Every decision is one script, so one round trip, and nothing comes between its
// parts, whatever number of processes ask. It costs the server time that grows
// with the logarithm of the log's size; only messages with several recipients may
// be walked over, and only where a window counts recipients.
//
// Time is the server's, unless the host brings its own: the clocks of the
// processes do not matter.
//
// # What it needs of the server
//
// Redis 7 or later, and three settings, which [Store.Check] looks at:
//
//	appendonly yes              a restart forgets nothing
//	appendfsync always          nor does a crash of the machine
//	maxmemory-policy noeviction a full server refuses to work, and forgets nothing
//
// With appendfsync everysec, which is much faster for a single caller, a crash of
// the machine (not one of Redis alone) forgets the decisions of about the last
// second, and a mailbox may send above its caps by as many messages. Without an
// append-only file it is those since the last snapshot. The budgets of calls can
// do with less than the logs of sends: the provider's own refusals put them right.
//
// A managed service often keeps CONFIG to itself. What Check cannot see it
// reports as unknown.
//
// The commands are EVAL, EVALSHA and those that the scripts use: HDEL, HGET,
// HGETALL, HINCRBY, HSET, PEXPIRE, PTTL, TIME, ZADD, ZCARD, ZCOUNT, ZMSCORE,
// ZRANGE, ZRANGEBYSCORE, ZRANK, ZREM, ZREMRANGEBYSCORE; for Check also INFO and
// CONFIG GET. A user with an ACL needs these, and the keys of the prefix.
//
// # When the server is away
//
// Every call fails with [mailbox.ClassStorage], and with the context's error if
// that was the reason; what then happens to sends and calls is a matter of package
// quota. A client looks at contexts while it waits for an answer only with
// ContextTimeoutEnabled. By default it repeats a call that failed on the way,
// which does no harm but that the units of a call may be counted twice, and that
// SetState may report false although it was its own first attempt that succeeded.
//
// A script that a server does not know, after a restart or SCRIPT FLUSH, is sent
// again in full.
//
// # Failover and cluster
//
// Redis replicates without waiting. When a replica takes over, the decisions that
// had not reached it are forgotten, usually those of a few milliseconds, and as
// many messages may exceed a cap. So may those that a master allows which is cut
// off from the others and does not know it yet: min-replicas-to-write 1 bounds
// that to min-replicas-max-lag.
//
// All keys of a log, or of a state of calls, have one hash tag and with it one
// slot, and no script touches two logs: the store works on Redis Cluster, with
// [redis.ClusterClient]. Reads are scripts as well, and go to masters.
//
// # Keys
//
// The parts of a name are escaped like those of a query in a URL, so that they
// have no colon or brace.
//
//	mailtether:{log:TENANT:KIND:NAME}:times                  sorted set: "-" (open) or "+" (settled) and key, by time
//	mailtether:{log:TENANT:KIND:NAME}:more                   sorted set: recipients above one ":" key, by time
//	mailtether:{log:TENANT:KIND:NAME}:above                  hash: key, recipients above one
//	mailtether:{log:TENANT:KIND:NAME}:spans                  hash: time in 2^26 microseconds, recipients above one in that span
//	mailtether:{log:TENANT:KIND:NAME}:state                  hash: version, document
//	mailtether:{calls:PROVIDER:APP:TENANT:MAILBOX}:state     hash: ends of pauses, times at which buckets are full
//	mailtether:{calls:PROVIDER:APP:TENANT:MAILBOX}:steps     hash: budget ":" time, units that count until then
//	mailtether:{calls:PROVIDER:APP:TENANT:MAILBOX}:slots     hash: id of a call, slots ":" until when
//
// Times are whole microseconds since 1970. Entries with one recipient are in
// "times" alone. The layout may change with a version of this package that says
// so; hosts may read it.
//
// The keys of a log expire 48 hours after the last message that was entered or
// settled; the state of a log stays until it is deleted, which a host that forgets
// a mailbox may do. The keys of calls expire when nothing in them matters any more.
//
// # Memory
//
// With keys of 32 bytes, an entry takes about 50 bytes in logs of up to 128
// entries, and 135 in larger ones; one with several recipients 145 and 355. Four
// keys come to about 400 bytes. So 100,000 mailboxes that send 100 messages a day
// take some 600 MB, and with the logs of groups as much again for each group that
// a message counts in. The calls of a mailbox take up to 4 KB for each of their
// budgets while they go on, and nothing soon after.
package redisquota
