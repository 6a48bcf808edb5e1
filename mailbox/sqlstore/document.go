package sqlstore

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/mailtether/mailtether/mailbox"
)

var errDocument = errors.New("the stored document is damaged")

// encodeAccount returns the document of an account.
func encodeAccount(a mailbox.Account) ([]byte, error) {
	a, _ = mapText(a, func(s string) (string, bool) { return encodeText(s), true })
	b, err := json.Marshal(a)
	if err != nil { // only times can fail
		return nil, mailbox.Invalid("account", "times in the years 0 to 9999", "has a time out of range")
	}
	return b, nil
}

// decodeAccount reads the document of an account. It has to be that of the
// mailbox in whose row it is.
func decodeAccount(document []byte, ref mailbox.Ref, version int64) (mailbox.Account, error) {
	var a mailbox.Account
	if err := json.Unmarshal(document, &a); err != nil {
		return mailbox.Account{}, errDocument // what err says holds parts of it
	}
	a, ok := mapText(a, decodeText)
	if !ok || a.Ref != ref {
		return mailbox.Account{}, errDocument
	}
	a.Version = version
	return a, nil
}

// mapText applies f to all text of an account. It returns a copy that shares no
// memory with a, and whether f never failed.
func mapText(a mailbox.Account, f func(string) (string, bool)) (mailbox.Account, bool) {
	m := textMapper{f: f, ok: true}
	mapped(&m, &a.Tenant)
	mapped(&m, &a.Mailbox)
	mapped(&m, &a.Owner)
	mapped(&m, &a.Provider)
	mapped(&m, &a.App)
	mapped(&m, &a.Subject)
	mapped(&m, &a.Address)
	mapped(&m, &a.Name)
	mapped(&m, &a.Directory)
	mapped(&m, &a.Access)
	mapped(&m, &a.Parent)
	mapped(&m, &a.State)
	mapped(&m, &a.Cause)
	mapped(&m, &a.Link)
	for _, list := range []*[]string{&a.Aliases, &a.Scopes, &a.ExtraScopes} {
		*list = slices.Clone(*list)
		for i := range *list {
			mapped(&m, &(*list)[i])
		}
	}
	return a, m.ok
}

type textMapper struct {
	f  func(string) (string, bool)
	ok bool
}

func mapped[S ~string](m *textMapper, s *S) {
	text, ok := m.f(string(*s))
	*s = S(text)
	m.ok = m.ok && ok
}
