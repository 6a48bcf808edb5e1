// Package tokenstore keeps the OAuth tokens of mailboxes: sealed at rest,
// refreshed in time, and never lost when a provider rotates them.
//
// A [Store] holds sealed records and is what a host implements on its own
// database ([NewMemory] keeps them in memory, [NewFile] in files; package
// tokenstoretest holds the rules in executable form). An [AEAD] seals them;
// [NewKeyring] is the default, AES-256-GCM with several keys, and [Vault.Rotate]
// moves a store in use from one key to the next. A [Vault] joins the two, and it
// is the only way by which tokens meet a store: nothing in this package writes a
// token in plain text, unless [Unencrypted] is asked for by name. A [Source] gives
// the access tokens of one mailbox to a driver, an [AppSource] those of an app
// that acts without a user. A [Client] speaks to the token endpoint for both.
//
// # What a record is protected from
//
// A record that is damaged, cut, sealed with a key that is not there, or moved to
// another tenant, mailbox or provider cannot be opened: [ErrSealed], which never
// says more. The same goes for an older record that is put back, as far as the
// process remembers a newer one; see [Vault] for what it cannot tell.
//
// # What a refresh promises
//
// One refresh runs at a time for a mailbox in a process, shared by all callers;
// a caller that gives up does not stop it for the others. Where the store is
// also a [Locker], one runs at a time in all processes; where it is not,
// compare-and-swap decides who won, and the others use the winner's token. The
// provider is asked only while the lease lasts, with room to store the answer, so
// that a holder that died, or is slow, blocks nobody for good.
//
// A new refresh token is stored before the access token that came with it is
// handed out. If the store fails just then, the caller gets an error (or the old
// access token, while that is valid), the new refresh token is kept in memory,
// and the next call stores it before anything else.
//
// A refused refresh token is believed only when the store still holds the same
// record: another process may have rotated it in the meantime. A token endpoint
// that is down, throttling, or answers with something that is not OAuth never
// means that the user has to sign in again. Neither does one that refuses the app
// itself: that is one alarm for its operator ([Client].OnFault), and few requests.
// While an access token is valid, none of this is seen by its user.
//
// # Secrets
//
// [Token], [Secret], [Key], [ServiceAccount] and everything that holds one print
// as "[redacted]" with every verb of fmt but %p, as JSON and in log/slog. fmt
// cannot call methods on unexported fields, so a host that keeps a Token or Secret
// in an unexported field of its own type must not print that type.
package tokenstore
