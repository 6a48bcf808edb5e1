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
// Where the provider issues ID tokens (OpenID Connect Core 1.0), the request
// carries a nonce, and the ID token that comes with the access token has to be
// signed by the provider, for this app, for this flow, and about the user whose
// mailbox the access token opens. Clocks may be ten minutes apart.
//
// The path to return to must be a path of the host's own site. Mixing up
// providers is prevented by giving each provider a redirect URL of its own
// (RFC 9700, 4.4.2) and naming the provider in [Connector.CallbackHandler].
//
// # What connecting does
//
// The scopes that were granted decide what the account can do. If they do not
// cover what the host needs, nothing is stored, and the error is
// mailbox.ClassConsent with a [*ConsentError] that names what is missing, and the
// scopes that would have given it. If they cover what is needed, but not all that
// is wanted, the account is connected and tells the rest
// (mailbox.Account.Missing).
//
// A mailbox belongs to the first account that connected it, for good: signing
// in with another one later is mailbox.ClassWrongAccount with a
// [*WrongAccountError]. One account can be connected once per host, or once per
// tenant ([Config.LinkPer]); a second mailbox for it is ErrLinked.
//
// An account is marked connected only after its token is stored. A crash in
// between leaves it in mailbox.StateNeedsReconnect.
//
// # Popups
//
// A page that includes the script of [ScriptHandler] can run the flow in a popup
// and learn its result without leaving. The result goes to the origin that opened
// the popup, which has to be one of [Config.Origins] or that of the redirect URL,
// and to nobody else. Where popups are blocked, the flow goes on in the page
// itself.
//
// # Administrators
//
// Many organisations let their users agree to sending, but not to reading: that
// takes an administrator (mailbox.ClassAdmin, [ErrorAdmin]). So connect in two
// stages: what the user may agree to now (StartRequest.Want), the rest later
// (StartRequest.Later). [Connector.AdminConsent] gives a link and a letter for
// the administrator, for which a host mounts [Connector.AdminConsentHandler] and
// [Connector.AdminCallbackHandler]. Once the administrator has agreed, the
// mailbox gets the rest by [Connector.Widen], without its user.
//
// # Apps
//
// A host may have several OAuth apps for one provider, and some that are for
// certain tenants only ([App.Tenants]). A mailbox keeps the app that it was
// connected with. When a provider refuses an app, [Config.OnAlarm] is told, and
// all its mailboxes stay connected.
//
// # Staying, leaving and coming back
//
// The account of a mailbox tells how it stands, and why (mailbox.Account.State and
// Cause). When the provider ends a grant, the state says who has to act; what the
// token endpoint does not tell is found out by [Connector.Check].
// [Connector.Disconnect] ends a connection in an order that can be repeated after
// a crash. A reconnect is a flow for the same mailbox, whether its old token still
// works or not. The parts of the host that work with mailboxes ([Room]) are told
// before the one and after the other, so that messages that waited go out,
// announcements are armed and the gap is filled.
//
// # Mailboxes without a user
//
// A mailbox that several users share is connected through one of them
// ([Connector.FindShared], [Connector.ConnectShared]): it lives on that user's
// grant, and has a state of its own that follows the user's mailbox.
// [Connector.ConnectApp] connects a mailbox by the right of the app itself, which
// an administrator has given. Neither takes a browser.
package connect
