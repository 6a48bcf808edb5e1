// Package quota keeps a host inside the limits of the mail services. It is
// usable on its own: it knows the vocabulary of package mailbox and no driver.
//
// There are two kinds of limits, and one type for each.
//
// [Limiter] paces calls. Providers count units per mailbox and per app, cap the
// calls in flight, and answer 429 when that was too much. The limiter is an
// [http.RoundTripper] that drivers send through: it lets a call wait until it
// fits, puts sends before live work and live work before backfill, and pauses
// exactly what a refusal covers (a mailbox, the sends of a mailbox, or an app)
// for as long as the provider asked. It never repeats a call.
//
// [Sends] decides whether a mailbox may send one more message, and if not, when
// and why. Its caps hold in every span of 24 hours, across processes and
// restarts, as far as its [Store] is shared and durable.
//
// # Scope of the state
//
// A Limiter's state lives in one process. Several processes that serve the same
// mailboxes have to divide the budgets among them by configuration; the
// provider's refusals keep them honest where they do not. A Sends is as shared
// as its Store is.
//
// Nothing in this package starts a goroutine that outlives the call it was
// started for, and all of it is safe for concurrent use.
package quota
