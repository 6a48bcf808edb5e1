// Package tokenstore keeps the OAuth tokens of mailboxes: sealed at rest,
// refreshed in time, and never lost when a provider rotates them.
//
// A [Store] holds sealed records and is what a host implements on its own
// database ([NewMemory] is one in memory; package tokenstoretest holds the rules
// in executable form). An [AEAD] seals them; [NewKeyring] is the default,
// AES-256-GCM with several keys. A [Vault] joins the two, and it is the only way
// by which tokens meet a store: nothing in this package writes a token in plain
// text. A [Source] gives the access tokens of one mailbox to a driver.
//
// # What a refresh promises
//
// One refresh runs at a time for a mailbox in a process, shared by all callers;
// a caller that gives up does not stop it for the others. Where the store is
// also a [Locker], one runs at a time in all processes; where it is not,
// compare-and-swap decides who won, and the others use the winner's token.
//
// A new refresh token is stored before the access token that came with it is
// handed out. If the store fails just then, the caller gets an error (or the old
// access token, while that is valid), the new refresh token is kept in memory,
// and the next call stores it before anything else.
//
// A refused refresh token is believed only when the store still holds the same
// record: another process may have rotated it in the meantime. A token endpoint
// that is down, throttling, or answers with something that is not OAuth never
// means that the user has to sign in again.
//
// # Secrets
//
// [Token], [Secret], [Key] and everything that holds one print as "[redacted]"
// with every verb of fmt but %p, as JSON and in log/slog. fmt cannot call methods
// on unexported fields, so a host that keeps a Token or Secret in an unexported
// field of its own type must not print that type.
package tokenstore
