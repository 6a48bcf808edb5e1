// Package connect ties mailboxes to a host by OAuth: connect, reconnect,
// disconnect, and open what is connected.
//
// A [Connector] runs the authorization code flow (RFC 6749, 4.1) with PKCE (RFC
// 7636) and keeps two things: accounts, which hold no secret, in an
// [AccountStore], and tokens, sealed, in a tokenstore.Vault. A host mounts
// [Connector.StartHandler] and [Connector.CallbackHandler], or calls
// [Connector.Start] and [Connector.Callback] from handlers of its own.
//
// # What a callback has to prove
//
// The state parameter of a flow is a random name with an expiry, signed
// (HMAC-SHA-256) together with a secret of the browser that started the flow, so
// that a callback works only once, only for ten minutes, and only in that
// browser. It carries nothing else: what belongs to the flow, PKCE verifier
// included, waits in a [StateStore], sealed with a key derived from
// [Config.StateKey]. Several processes can serve one flow if they share the
// StateStore and the key. State is checked before anything else of a callback
// is looked at, and it is used up by the first callback that presents it,
// whatever becomes of it.
//
// The path to return to must be a path of the host's own site. Mixing up
// providers is prevented by giving each provider a redirect URL of its own
// (RFC 9700, 4.4.2) and naming the provider in [Connector.CallbackHandler].
//
// # What connecting does
//
// The scopes that were granted decide what the account can do. If they do not
// cover what the host needs, nothing is stored, and the error is
// mailbox.ClassConsent with a [*ConsentError] that names what is missing.
//
// A mailbox belongs to the first account that connected it, for good: signing
// in with another one later is mailbox.ClassWrongAccount with a
// [*WrongAccountError]. One account can be connected once per tenant; a second
// mailbox for it is ErrLinked.
//
// An account is marked connected only after its token is stored. A crash in
// between leaves it in mailbox.StateNeedsReconnect.
package connect
