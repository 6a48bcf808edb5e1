package connect

import (
	"slices"
	"strings"

	"github.com/mailtether/mailtether/mailbox"
)

// Permission is one OAuth scope and what of the wanted capabilities it is for.
type Permission struct {
	Scope string
	// For is 0 for scopes of signing in, and for those of the host's own choice.
	For mailbox.Capabilities
}

// permissions tells what each scope is for. Some capabilities take several
// scopes together, so what is lost without a scope counts too.
func permissions(p mailbox.Provider, scopes []string, want mailbox.Capabilities) []Permission {
	all := p.Granted(scopes)
	told := make([]Permission, 0, len(scopes))
	for i, scope := range scopes {
		alone := p.Granted([]string{scope})
		without := p.Granted(slices.Concat(scopes[:i], scopes[i+1:]))
		told = append(told, Permission{Scope: scope, For: (alone | without.Missing(all)) & want})
	}
	return told
}

// consentMissing returns the error of a grant that lacks something needed.
func consentMissing(p mailbox.Provider, asked, granted []string, wanted, missing mailbox.Capabilities) error {
	e := &ConsentError{Wanted: wanted, Granted: p.Granted(granted), Missing: missing}
	for _, told := range permissions(p, asked, missing) {
		if told.For != 0 && !slices.Contains(granted, told.Scope) {
			e.Scopes = append(e.Scopes, told)
		}
	}
	return &mailbox.Error{Class: mailbox.ClassConsent, Cause: mailbox.CauseConsent, Err: e}
}

const (
	maxExtraScopes = 32
	maxScope       = 255
)

// checkScopes refuses what is no list of scopes (RFC 6749, 3.3): a scope that
// holds a space would be several.
func checkScopes(field string, scopes []string) error {
	if len(scopes) > maxExtraScopes {
		return mailbox.Invalid(field, "at most 32", "has more")
	}
	for _, s := range scopes {
		if s == "" || len(s) > maxScope || strings.ContainsFunc(s, func(r rune) bool {
			return r <= ' ' || r > '~' || r == '"' || r == '\\'
		}) {
			return mailbox.Invalid(field, "1 to 255 printable ASCII characters each (RFC 6749, 3.3)", "has another")
		}
	}
	return nil
}

// withExtra returns the scopes and those of the host's own choice, each once.
func withExtra(scopes, extra []string) []string {
	all := slices.Clone(scopes)
	for _, s := range extra {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}
