package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/mailtether/mailtether/examples/internal/mailfiles"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/threading"
)

// addresses is a flag that may be given several times.
type addresses []string

func (a *addresses) String() string { return strings.Join(*a, ",") }

func (a *addresses) Set(s string) error {
	*a = append(*a, s)
	return nil
}

// match takes messages in the given order: those from one of our addresses are
// remembered as sent, all others are matched.
type match struct {
	atOnce
	me      map[string]bool
	matcher threading.Matcher
	roots   map[mailbox.RFCMessageID]mailbox.RFCMessageID // of the messages seen so far
}

type matched struct {
	place
	MessageID mailbox.RFCMessageID `json:"message_id"`
	// Matched is the Message-ID of the sent message that is answered (its file and
	// index if it has none), empty for no link.
	Matched string `json:"matched"`
	// Thread is the first message of its thread.
	Thread   mailbox.ThreadID   `json:"thread"`
	Level    mailbox.Level      `json:"level"`
	Evidence []mailbox.Evidence `json:"evidence"`
}

// ref stands for the one mailbox there is.
var ref = mailbox.Ref{Tenant: "inspect", Mailbox: "inspect"}

func newMatch(me []string) *match {
	c := &match{
		me: make(map[string]bool), matcher: threading.Matcher{Index: threading.NewMemory()},
		roots: make(map[mailbox.RFCMessageID]mailbox.RFCMessageID),
	}
	for _, address := range me {
		c.me[threading.CanonicalAddress(address)] = true
	}
	return c
}

func (c *match) look(ctx context.Context, f mailfiles.Message) (any, error) {
	m, err := read(f)
	if err != nil {
		return nil, err
	}
	root := c.root(m)
	if c.sent(m) {
		key := string(m.RFCMessageID)
		if key == "" {
			key = fmt.Sprint(f.File, "#", f.Index)
		}
		s := threading.NewSentMessage(ref, key, m)
		s.Thread = mailbox.ThreadID(root)
		return nil, c.matcher.Index.Add(ctx, s)
	}
	v, err := verdict(f, m)
	if err != nil {
		return nil, err
	}
	found, err := c.matcher.Match(ctx, ref, m, v)
	if err != nil {
		return nil, err
	}
	return matched{
		place: placeOf(f), MessageID: m.RFCMessageID, Matched: found.Key,
		Thread: found.Thread, Level: found.Level, Evidence: list(found.Evidence),
	}, nil
}

func (c *match) sent(m *mailbox.Message) bool {
	for _, from := range m.From {
		if c.me[threading.CanonicalAddress(from.Address)] {
			return true
		}
	}
	return false
}

// root returns the first message of the thread as far as the header and the
// messages before it tell.
func (c *match) root(m *mailbox.Message) mailbox.RFCMessageID {
	ids := append(m.References(), m.InReplyTo()...)
	root := m.RFCMessageID
	if len(ids) > 0 {
		root = ids[0]
	}
	for i := len(ids) - 1; i >= 0; i-- {
		if known, ok := c.roots[ids[i]]; ok {
			root = known
			break
		}
	}
	for _, id := range threading.MessageIDs(m) {
		c.roots[id] = root
	}
	return root
}
