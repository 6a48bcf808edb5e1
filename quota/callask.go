package quota

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mailtether/mailtether/mailbox"
)

// validText refuses what not every database keeps as it is.
func validText(field, v string, most int) error {
	if len(v) > most || !utf8.ValidString(v) || strings.IndexByte(v, 0) >= 0 {
		return mailbox.Invalid(field, fmt.Sprintf("at most %d bytes of UTF-8 without NUL", most), "is not that")
	}
	return nil
}

// The bounds of asks. With them the sums of a state fit 64 bits, and a state
// fits a few kilobytes.
const (
	maxCallID   = 64
	maxSlots    = 1000
	maxBudgets  = 8
	maxUnits    = 1 << 40
	minCallSpan = time.Millisecond
	maxCallSpan = 366 * 24 * time.Hour
)

// Validate refuses a key with a part that is too long or not text.
func (k CallKey) Validate() error {
	parts := []struct{ field, v string }{
		{"provider", string(k.Provider)},
		{"app", k.App},
		{"tenant", string(k.Tenant)},
		{"mailbox", string(k.Mailbox)},
	}
	for _, p := range parts {
		if err := validText(p.field, p.v, 255); err != nil {
			return err
		}
	}
	return nil
}

// Validate refuses an ask outside of what the fields of [CallAsk] and
// [BudgetAsk] allow, with a ClassInvalid error that names the field. Stores call
// it first in Enter.
func (a CallAsk) Validate() error {
	if err := a.CallKey.Validate(); err != nil {
		return err
	}
	switch {
	case a.Slots < 0 || a.Slots > maxSlots:
		return mailbox.Invalid("slots", fmt.Sprintf("0 to %d", maxSlots), "is out of range")
	case a.Slots == 0 && a.ID != "":
		return mailbox.Invalid("id", "empty without slots", "is not empty")
	case a.Slots > 0 && (a.ID == "" || len(a.ID) > maxCallID):
		return mailbox.Invalid("id", fmt.Sprintf("1 to %d bytes with slots", maxCallID), "has another length")
	case a.Slots > 0 && (a.MaxSlots < 1 || a.MaxSlots > maxSlots):
		return mailbox.Invalid("max_slots", fmt.Sprintf("1 to %d with slots", maxSlots), "is out of range")
	case a.Slots > 0 && (a.TTL < minCallSpan || a.TTL > maxCallSpan):
		return mailbox.Invalid("ttl", "1ms to 366 days with slots", "is out of range")
	case len(a.Budgets) > maxBudgets:
		return mailbox.Invalid("budgets", fmt.Sprintf("at most %d", maxBudgets), "are too many")
	}
	if err := validText("id", a.ID, maxCallID); err != nil {
		return err
	}
	for i, b := range a.Budgets {
		field := fmt.Sprintf("budgets[%d]", i)
		if err := b.validate(field); err != nil {
			return err
		}
		if slices.ContainsFunc(a.Budgets[:i], func(o BudgetAsk) bool { return o.Name == b.Name }) {
			return mailbox.Invalid(field+".name", "different names", "is there twice")
		}
	}
	return nil
}

func (b BudgetAsk) validate(field string) error {
	named := len(b.Name) >= 1 && len(b.Name) <= 16
	for _, c := range []byte(b.Name) {
		named = named && ('a' <= c && c <= 'z' || c == '_')
	}
	switch {
	case !named:
		return mailbox.Invalid(field+".name", "1 to 16 of a-z and _", "is not that")
	case b.Units < 1 || b.Units > maxUnits:
		return mailbox.Invalid(field+".units", fmt.Sprintf("1 to %d", maxUnits), "is out of range")
	case b.Burst < 0 || b.Burst >= b.Units:
		return mailbox.Invalid(field+".burst", fmt.Sprintf("0 to %d", b.Units-1), "is out of range")
	case b.Per < minCallSpan || b.Per > maxCallSpan:
		return mailbox.Invalid(field+".per", "1ms to 366 days", "is out of range")
	case b.N < 0 || b.N > maxUnits:
		return mailbox.Invalid(field+".n", fmt.Sprintf("0 to %d", maxUnits), "is out of range")
	case b.Keep < 0 || b.Keep > maxUnits:
		return mailbox.Invalid(field+".keep", fmt.Sprintf("0 to %d", maxUnits), "is out of range")
	}
	return nil
}
