package outlooktest

import (
	"strings"
	"time"
)

// expr is a parsed $filter.
type expr interface {
	matches(it *item) bool
	// properties appends the names it uses, in order.
	properties(names []string) []string
	// extended tells whether it asks for extended properties.
	extended() bool
}

type (
	andExpr struct{ left, right expr }
	orExpr  struct{ left, right expr }
	notExpr struct{ inner expr }
	// compare is "property op literal" or a string function.
	compare struct {
		property string
		op       string // eq ne gt ge lt le startswith endswith contains
		text     string
		at       time.Time
		flag     bool
	}
	// anyProperty is singleValueExtendedProperties/Any(...).
	anyProperty struct {
		key string
		op  string // eq ne contains startswith, or "" for present
		val string
	}
)

func (e andExpr) matches(it *item) bool { return e.left.matches(it) && e.right.matches(it) }
func (e orExpr) matches(it *item) bool  { return e.left.matches(it) || e.right.matches(it) }
func (e notExpr) matches(it *item) bool { return !e.inner.matches(it) }

func (e andExpr) properties(n []string) []string { return e.right.properties(e.left.properties(n)) }
func (e orExpr) properties(n []string) []string  { return e.right.properties(e.left.properties(n)) }
func (e notExpr) properties(n []string) []string { return e.inner.properties(n) }
func (e compare) properties(n []string) []string { return append(n, e.property) }

func (e anyProperty) properties(n []string) []string {
	return append(n, "singleValueExtendedProperties")
}

func (e andExpr) extended() bool     { return e.left.extended() || e.right.extended() }
func (e orExpr) extended() bool      { return e.left.extended() || e.right.extended() }
func (e notExpr) extended() bool     { return e.inner.extended() }
func (e compare) extended() bool     { return false }
func (e anyProperty) extended() bool { return true }

// Properties that $filter knows, by type.
var (
	textProperties = map[string]func(it *item) string{
		"internetMessageId":      func(it *item) string { return it.messageID },
		"conversationId":         func(it *item) string { return it.conversation },
		"subject":                func(it *item) string { return it.subject },
		"importance":             func(it *item) string { return it.importance },
		"parentFolderId":         func(it *item) string { return it.folder.id },
		"from/emailAddress/name": func(it *item) string { return fromName(it) },
		"from/emailAddress/address": func(it *item) string {
			if it.from == nil {
				return ""
			}
			return it.from.Address
		},
		"sender/emailAddress/address": func(it *item) string {
			if it.sender == nil {
				return ""
			}
			return it.sender.Address
		},
	}
	timeProperties = map[string]func(it *item) time.Time{
		"receivedDateTime":     func(it *item) time.Time { return it.received },
		"sentDateTime":         func(it *item) time.Time { return it.sent },
		"createdDateTime":      func(it *item) time.Time { return it.created },
		"lastModifiedDateTime": func(it *item) time.Time { return it.modified },
	}
	flagProperties = map[string]func(it *item) bool{
		"isRead":         func(it *item) bool { return it.read },
		"isDraft":        func(it *item) bool { return it.draft },
		"hasAttachments": func(it *item) bool { return it.hasAttachments() },
	}
)

func fromName(it *item) string {
	if it.from == nil {
		return ""
	}
	return first(it.from.Name, it.from.Address)
}

// caseSensitive are text properties that are compared exactly.
var caseSensitive = map[string]bool{"internetMessageId": true, "conversationId": true, "parentFolderId": true}

func (e compare) matches(it *item) bool {
	if f := flagProperties[e.property]; f != nil {
		return (f(it) == e.flag) == (e.op == "eq")
	}
	if f := timeProperties[e.property]; f != nil {
		n := f(it).Compare(e.at)
		switch e.op {
		case "eq":
			return n == 0
		case "ne":
			return n != 0
		case "gt":
			return n > 0
		case "ge":
			return n >= 0
		case "lt":
			return n < 0
		default:
			return n <= 0
		}
	}
	have, want := textProperties[e.property](it), e.text
	if !caseSensitive[e.property] {
		have, want = strings.ToLower(have), strings.ToLower(want)
	}
	switch e.op {
	case "eq":
		return have == want
	case "ne":
		return have != want
	case "startswith":
		return strings.HasPrefix(have, want)
	default:
		return strings.Contains(have, want)
	}
}

// matches compares values without regard to case, as the service was seen to do
// (2026-10).
func (e anyProperty) matches(it *item) bool {
	v, ok := it.propertyValue(e.key)
	switch e.op {
	case "":
		return ok
	case "ne":
		return ok && !strings.EqualFold(v, e.val)
	case "contains":
		return ok && strings.Contains(strings.ToLower(v), strings.ToLower(e.val))
	case "startswith":
		return ok && strings.HasPrefix(strings.ToLower(v), strings.ToLower(e.val))
	default:
		return ok && strings.EqualFold(v, e.val)
	}
}
