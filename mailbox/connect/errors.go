package connect

import (
	"context"
	"errors"

	"github.com/mailtether/mailtether/mailbox"
)

// The errors of stores. Each also answers errors.Is for the mailbox.Class that
// is named with it.
var (
	// ErrNotFound: there is no account for the mailbox. mailbox.ClassNotFound.
	ErrNotFound error = &fault{"mailtether: there is no such account", mailbox.ClassNotFound}
	// ErrConflict: the account has another version than the writer read.
	// mailbox.ClassConflict.
	ErrConflict error = &fault{"mailtether: the account was changed by another writer", mailbox.ClassConflict}
	// ErrLinked: the account that signed in is connected already, as another
	// mailbox of the tenant or, with LinkPerHost, of any. It does not tell as
	// which, nor whose. mailbox.ClassConflict.
	ErrLinked error = &fault{"mailtether: the account is already linked", mailbox.ClassConflict}
)

// fault is the type of the errors above.
type fault struct {
	text  string
	class mailbox.Class
}

func (f *fault) Error() string { return f.text }

// Unwrap makes errors.Is work with the class.
func (f *fault) Unwrap() error { return f.class }

// ConsentError is behind a mailbox.ClassConsent error of [Connector.Callback]:
// the user granted less than the host needs; and of [Connector.Widen]: nothing
// has been granted since.
type ConsentError struct {
	Wanted  mailbox.Capabilities
	Granted mailbox.Capabilities
	// Missing is what was needed and not granted.
	Missing mailbox.Capabilities
	// Scopes are the scopes that would have given it, each with what of it.
	Scopes []Permission
}

// Error names the missing capabilities.
func (e *ConsentError) Error() string { return "not granted: " + e.Missing.String() }

// WrongAccountError is behind a mailbox.ClassWrongAccount error of
// [Connector.Callback]: the mailbox belongs to another account than the one that
// signed in. The addresses are for showing to the user; Error does not spell
// them out.
type WrongAccountError struct {
	Expected, Actual string
}

// Error implements error.
func (e *WrongAccountError) Error() string {
	return "another account signed in than the mailbox belongs to"
}

// The values of [mailbox.Error.Code] of a mailbox.ClassBadCallback error.
const (
	CodeStateInvalid  = "state_invalid"  // missing, forged, or of another browser
	CodeStateExpired  = "state_expired"  // older than Config.StateTTL
	CodeStateUsed     = "state_used"     // used before, or unknown to the StateStore
	CodeOtherProvider = "other_provider" // a callback of one provider with the state of another
	CodeNoCode        = "no_code"        // neither a code nor an error
	CodeBadTicket     = "bad_ticket"     // a link for an administrator that is damaged or forged
	CodeTicketExpired = "ticket_expired" // such a link that is too old
	CodeNoConsent     = "no_consent"     // neither consent of an administrator nor an error
)

// The values of [mailbox.Error.Code] of a mailbox.ClassBadCallback error that is
// about the ID token of a sign-in. They tell of an attack, or of a provider that
// breaks OpenID Connect.
const (
	CodeIDTokenMissing   = "id_token_missing"   // asked for, and not there
	CodeIDTokenMalformed = "id_token_malformed" // no JSON Web Token
	CodeIDTokenAlgorithm = "id_token_algorithm" // not signed, or not with RS256
	CodeIDTokenSignature = "id_token_signature" // by none of the provider's keys
	CodeIDTokenAudience  = "id_token_audience"  // for another app
	CodeIDTokenNonce     = "id_token_nonce"     // of another flow
	CodeIDTokenTime      = "id_token_time"      // expired, or not valid yet
	CodeIDTokenIssuer    = "id_token_issuer"    // by another authority
	CodeIDTokenSubject   = "id_token_subject"   // about another user than the access token
)

// Further values of [mailbox.Error.Code].
const (
	CodeNoRefreshToken = "no_refresh_token" // the app was not given offline access
	CodeUnknownApp     = "unknown_app"      // the account's app is not configured any more
	CodeDisconnected   = "disconnected"     // disconnected on purpose
	CodeNoKeys         = "no_keys"          // the keys of ID tokens cannot be had now
)

func badCallback(code string) *mailbox.Error {
	return &mailbox.Error{Class: mailbox.ClassBadCallback, Code: code}
}

// failed returns err as a *mailbox.Error that names operation, provider and
// mailbox. The class of an error that has one stays; any other comes from a
// store of the host.
func failed(op string, provider mailbox.ProviderName, ref mailbox.Ref, err error) error {
	if err == nil {
		return nil
	}
	e := &mailbox.Error{Class: mailbox.ClassOf(err), Err: err}
	if known, ok := errors.AsType[*mailbox.Error](err); ok {
		copied := *known
		e = &copied
	} else if e.Class == mailbox.ClassUnknown {
		e.Class = mailbox.ClassStorage
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			e.Class = mailbox.ClassUnavailable
		}
	}
	if e.Op == "" {
		e.Op = op
	}
	e.Provider, e.Mailbox = provider, ref.Mailbox
	return e
}
