// Package gmailtest is a fake Google for tests: the Gmail API with its upload
// and batch endpoints, and Google's OAuth server, over HTTP, at one origin.
//
//	s := gmailtest.NewServer(t, gmailtest.Options{})
//	s.AddUser(gmailtest.User{Address: "ann@example.com", Name: "Ann"})
//	access, refresh := s.Tokens("ann@example.com", gmailtest.ScopeModify)
//
// Reach it in process through [Server.Transport] at [Server.URL], which also
// works inside a testing/synctest bubble, or call Listen. Mailboxes of one fake
// deliver to each other; mail for unknown addresses at their domains comes back
// as a delivery report; mail for other domains goes to [Server.SetRelay].
// Recipients answer by [Server.Reply] and [Server.Bounce], and any mail from
// outside arrives by [Server.Deliver]. Inject scripts failures, Log tells what
// was asked, SetTime and Advance move the clock, [Server.Messages] looks into a
// mailbox.
//
// # Enforced
//
// Scopes of every method, gmail.metadata's ban on q and on the formats full and
// raw (also beside wider scopes), foreign userIds, unknown query parameters and
// JSON members, size limits, recipients, threads, labels, page tokens, and the
// age of history. What Google leaves open is set by [Options].
//
// # Signing in
//
// The authorization page, codes with PKCE, refreshes and revocation are Google's:
// a refresh token comes with access_type=offline and on a consent screen only,
// does not rotate, is one of at most 100, and ends when it was not used for six
// months, after 7 days in testing mode ([Options.Testing]), or when the time is
// over that the user chose (Decision.Limit). With openid there is an ID token,
// signed by a key of the fake at /oauth2/v3/certs, whose issuer is the URL of the
// fake: OAuth.RotateKey changes the key, OAuth.BreakIDToken makes tokens that a
// client must refuse. [Server.AddServiceAccount] makes a service account with
// domain-wide delegation and its key file. [Server.EndGrant] and
// [Server.SetClientFault] make refreshes fail in Google's words.
//
// # Searches
//
// q understands after:, before: (seconds, or a date, which counts from midnight
// UTC), in: (inbox, sent, drafts, spam, trash, anywhere), label:, is:unread,
// is:read, from:, to:, subject: and rfc822msgid:, each also behind "-". Anything
// else is answered 400 instead of being searched for.
//
// # Not modelled
//
//   - resumable uploads, messages.insert, messages.import, messages.batchDelete,
//     threads.modify, trash, untrash and delete, labels.update, patch and delete,
//     and settings other than reading send-as addresses: 501
//   - Pub/Sub: watch and stop are checked and remembered, nothing is published
//   - tokeninfo, discovery documents, admin policies at the
//     authorization page (script them by Inject), sessions (prompt=none is always
//     login_required), Cross-Account Protection
//   - a service account that acts for itself, and clients that are delegated to
//     by their number
//   - access tokens that outlive their grant for a while: they end with it
//   - spam filtering, categories, filters, forwarding, vacation answers,
//     confidential mode, classification labels, colours of labels
//   - the rewriting of bodies that Gmail does to some messages, DKIM and
//     Authentication-Results, gzip, alt=media, conditional requests
//   - dots in local parts: ann.b@ and annb@ are two addresses
//   - changes of From, Date and Message-ID while a message is a draft
//   - bandwidth limits, and what other apps of the same mailbox use of its limits
package gmailtest
