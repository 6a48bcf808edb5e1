package mailbox

import "time"

// Account is the record of one connected mailbox: whose it is, what it may do,
// and how it stands. It holds no secret.
type Account struct {
	Ref
	// Owner is the host's own user, free text for the host's use.
	Owner string `json:"owner,omitempty"`
	// Provider is the mail service the mailbox lives at.
	Provider ProviderName `json:"provider"`
	// App names the OAuth app the mailbox was connected with, for hosts that
	// run several apps for one provider. Empty means the provider's only app.
	App string `json:"app,omitempty"`
	// Subject is the provider's stable name of the account (Google "sub",
	// Microsoft tenant id and object id). Addresses can be renamed; this cannot.
	Subject string `json:"subject"`
	// Address is the primary address, as the provider spells it.
	Address string `json:"address"`
	// Aliases are further addresses that belong to the same mailbox.
	Aliases []string `json:"aliases,omitempty"`
	// Name is the display name for the From field, possibly empty.
	Name string `json:"name,omitempty"`
	// Directory is the organisation that the account belongs to, as the provider
	// names it: a Microsoft tenant id, a Google Workspace domain. Empty means
	// that there is none, or that it is not known.
	Directory string `json:"directory,omitempty"`
	// Access tells by whose right the mailbox is used; empty is AccessUser.
	Access Access `json:"access,omitempty"`
	// Parent is the mailbox of the same tenant whose grant an AccessShared
	// mailbox lives on.
	Parent MailboxID `json:"parent,omitempty"`
	// Scopes are the OAuth scopes that were granted, which may be fewer than
	// asked for.
	Scopes []string `json:"scopes,omitempty"`
	// ExtraScopes are the scopes that the host asked for besides those of its
	// capabilities, for instance of a calendar.
	ExtraScopes []string `json:"extra_scopes,omitempty"`
	// Capabilities is what Scopes allow.
	Capabilities Capabilities `json:"capabilities"`
	// Wanted is what the host asked for: see [Account.Missing].
	Wanted Capabilities `json:"wanted,omitempty"`
	// State tells whether the mailbox can be used, and if not, what is wrong.
	State AccountState `json:"state"`
	// Cause tells why State is not StateConnected, as far as that is known.
	Cause Cause `json:"cause,omitempty"`
	// StateSince is when State took its present value.
	StateSince time.Time `json:"state_since"`
	// ConnectedAt is when the mailbox was connected first.
	ConnectedAt time.Time `json:"connected_at"`
	// Link is unique among all accounts of the store that have one: it keeps
	// one account of a provider from being connected twice. It is opaque, and
	// empty for a disconnected mailbox.
	Link string `json:"link,omitempty"`
	// Version counts the writes of this record, for compare-and-swap. A store
	// sets it; 0 is a record that was never stored.
	Version int64 `json:"version"`
}

// Identity returns the part of the account that tells who it is.
func (a Account) Identity() Identity {
	return Identity{Subject: a.Subject, Address: a.Address, Aliases: a.Aliases, Name: a.Name, Directory: a.Directory}
}

// Missing returns what the host asked for and does not have (yet): the user did
// not grant it, or an administrator still has to.
func (a Account) Missing() Capabilities { return a.Capabilities.Missing(a.Wanted) }

// Access tells by whose right a mailbox is used. The values are stored.
type Access string

// The kinds of access.
const (
	// AccessUser: by the grant of the mailbox's own user.
	AccessUser Access = ""
	// AccessShared: by the grant of another user, whose mailbox is
	// Account.Parent and who was given rights on this one (Microsoft).
	AccessShared Access = "shared"
	// AccessApp: by the app's own right, given by an administrator, without any
	// user (Microsoft: application permissions; Google: domain-wide delegation).
	AccessApp Access = "app"
)

// AccountState tells whether a mailbox can be used. The values are stored.
type AccountState string

// The states of an account.
const (
	// StateConnected: everything the granted capabilities allow works.
	StateConnected AccountState = "connected"
	// StateNeedsReconnect: the grant is gone; the user has to sign in again.
	StateNeedsReconnect AccountState = "needs_reconnect"
	// StateNeedsConsent: the user has to grant scopes that are missing.
	StateNeedsConsent AccountState = "needs_consent"
	// StateNeedsAdmin: an administrator of the user's organisation has to act.
	StateNeedsAdmin AccountState = "needs_admin"
	// StateUnavailable: the account has no usable mailbox (no licence, on
	// premises, suspended). connect.Connector.Check finds out whether it has one
	// again.
	StateUnavailable AccountState = "unavailable"
	// StateDisconnected: disconnected on purpose; secrets are erased.
	StateDisconnected AccountState = "disconnected"
)

// Identity is who the provider says an account is.
type Identity struct {
	Subject string   `json:"subject"`
	Address string   `json:"address"`
	Aliases []string `json:"aliases,omitempty"`
	Name    string   `json:"name,omitempty"`
	// Directory is [Account.Directory].
	Directory string `json:"directory,omitempty"`
}

// Same reports whether both identities are the same account. Subjects decide
// when both are known; otherwise any address of one has to be an address of the
// other, compared without regard to ASCII case.
func (id Identity) Same(other Identity) bool {
	if id.Subject != "" && other.Subject != "" {
		return id.Subject == other.Subject
	}
	for _, a := range append([]string{id.Address}, id.Aliases...) {
		for _, b := range append([]string{other.Address}, other.Aliases...) {
			if a != "" && SameAddress(a, b) {
				return true
			}
		}
	}
	return false
}
