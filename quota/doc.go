// Package quota keeps a host inside the limits of the mail services. It is
// usable on its own: it knows the vocabulary of package mailbox and no driver.
//
// There are two kinds of limits, and one type for each.
//
// [Limiter] paces calls. Providers count units per mailbox and per app, cap the
// calls in flight, and answer 429 when that was too much. The limiter is an
// [http.RoundTripper] that drivers send through: it lets a call wait until it
// fits, puts sends before live work and live work before backfill, and pauses
// exactly what a refusal covers (a mailbox, the sends of a mailbox, the sends of
// a tenant, or an app) for as long as the provider asked. It never repeats a
// call.
//
// [Sends] decides whether a mailbox may send one more message, and if not, when
// and why: by caps of 24 hours and of calendar days, a pace, gaps, hours, a
// warm-up, the limits of groups (all mail of a tenant, of a domain, to a domain),
// and what signals such as bounces have slowed down. [SendLimits] configures it,
// [Preset] has limits for kinds of accounts. [Sends.Status] shows how a mailbox
// stands, [Sends.Forecast] when a campaign would end.
//
// # Scope of the state
//
// A Sends is as shared as its [Store] is: its limits hold across processes and
// restarts as far as the store is shared and durable. [NewMemory] serves one
// process; package mailbox/sqlstore has one on PostgreSQL and SQLite, package
// quota/redisquota one on Redis. A decision is one step of the store, plus one
// for each group that has limits.
//
// A Limiter's state lives in one process. With a [CallStore]
// ([LimiterConfig.Shared]) several processes share the budgets, the calls in
// flight and the pauses of mailboxes, tenants and apps, and their limits hold
// over all of them. Which call goes first is then still decided in each process
// by itself, and so are the caps that adapt and the strikes. A call takes one
// step of the store when it goes and one when it ends; the budget of an app is
// taken in chunks, which are spent within a second.
//
// While a store fails, nothing is sent, and reading goes on at the pace that this
// process alone would keep; both can be configured.
//
// Nothing in this package starts a goroutine that outlives the call it was
// started for, and all of it is safe for concurrent use.
package quota
