package gmailtest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// term is one condition of a search. All of them have to hold.
type term struct {
	not   bool
	op    string
	value string // lower case, except for rfc822msgid
	at    time.Time
}

// parseQuery reads the part of Gmail's search language that the package
// comment lists. The error names what it does not know.
func parseQuery(q string) ([]term, error) {
	var terms []term
	for {
		q = strings.TrimLeft(q, " \t\r\n")
		if q == "" {
			return terms, nil
		}
		var t term
		if t.not = q[0] == '-'; t.not {
			q = q[1:]
		}
		end := strings.IndexAny(q, ": \t\r\n")
		if end <= 0 || q[end] != ':' {
			return nil, fmt.Errorf("free text in q")
		}
		t.op, q = strings.ToLower(q[:end]), q[end+1:]
		var ok bool
		if t.value, q, ok = cutValue(q); !ok {
			return nil, fmt.Errorf("%s: with this value in q", t.op)
		}
		if t.op != "rfc822msgid" {
			t.value = strings.ToLower(t.value)
		}
		if err := t.check(); err != nil {
			return nil, err
		}
		terms = append(terms, t)
	}
}

// cutValue takes a word or a quoted string off the front.
func cutValue(q string) (value, rest string, ok bool) {
	if strings.HasPrefix(q, `"`) {
		value, rest, ok = strings.Cut(q[1:], `"`)
		return value, rest, ok && value != ""
	}
	end := strings.IndexAny(q, " \t\r\n")
	if end < 0 {
		end = len(q)
	}
	value, rest = q[:end], q[end:]
	return value, rest, value != "" && !strings.ContainsAny(value, `"(){}`)
}

func (t *term) check() error {
	switch t.op {
	case "after", "before":
		if n, err := strconv.ParseInt(t.value, 10, 64); err == nil {
			t.at = time.Unix(n, 0)
			return nil
		}
		for _, layout := range []string{"2006/1/2", "2006-1-2"} {
			if at, err := time.Parse(layout, t.value); err == nil {
				t.at = at
				return nil
			}
		}
		return fmt.Errorf("%s: with this date in q", t.op)
	case "in":
		if inLabels[t.value] == "" && t.value != "anywhere" {
			return fmt.Errorf("in: with this place in q")
		}
	case "is":
		if t.value != "unread" && t.value != "read" {
			return fmt.Errorf("is: with this state in q")
		}
	case "rfc822msgid":
		if t.value = strings.Trim(t.value, "<>"); t.value == "" {
			return fmt.Errorf("rfc822msgid: without an id in q")
		}
	case "label", "from", "to", "subject":
	default:
		return fmt.Errorf("%s: in q", t.op)
	}
	return nil
}

// inLabels maps the places of "in:" to labels.
var inLabels = map[string]string{
	"inbox": labelInbox, "sent": labelSent, "draft": labelDraft, "drafts": labelDraft,
	"spam": labelSpam, "trash": labelTrash,
}

func (t term) matches(b *box, m *message) bool {
	switch t.op {
	case "after":
		return !m.at.Before(t.at)
	case "before":
		return m.at.Before(t.at)
	case "in":
		return t.value == "anywhere" || m.has(inLabels[t.value])
	case "is":
		return m.has(labelUnread) == (t.value == "unread")
	case "label":
		for _, l := range b.labels {
			if strings.EqualFold(strings.ReplaceAll(l.name, " ", "-"), strings.ReplaceAll(t.value, " ", "-")) {
				return m.has(l.id)
			}
		}
		return m.has(strings.ToUpper(t.value))
	case "rfc822msgid":
		for _, id := range m.mail.IDs("Message-ID") {
			if id == mailbox.RFCMessageID(t.value) {
				return true
			}
		}
		return false
	default: // from, to, subject
		name := t.op
		for _, v := range m.mail.Values(name) {
			if strings.Contains(strings.ToLower(decodeWords(v)), t.value) {
				return true
			}
		}
		return false
	}
}
