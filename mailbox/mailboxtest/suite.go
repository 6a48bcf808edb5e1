package mailboxtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

// TestProvider runs the conformance suite: the rules that every implementation
// of mailbox.Provider has to keep, one for each case.
func TestProvider(t *testing.T, newHarness func(t *testing.T) *Harness) {
	for _, group := range [][]rule{oauthRules, sendRules, outcomeRules, readRules, changeRules, faultRules, optionalRules} {
		for _, r := range group {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { r.check(t, newHarness(t)) })
			})
		}
	}
}

// rule is one thing that has to hold. Its name says it in a sentence.
type rule struct {
	name  string
	check func(t *testing.T, h *Harness)
}

// reading is what a mailbox that may only look has.
const reading = mailbox.CanReadHeaders | mailbox.CanReadBodies

// sending is the usual set: send, and notice answers.
const sending = mailbox.CanSend | reading

func must[T any](t *testing.T) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("unexpected error: %v", err)
		}
		return v
	}
}

func wantClass(t *testing.T, err error, want ...mailbox.Class) *mailbox.Error {
	t.Helper()
	e, ok := errors.AsType[*mailbox.Error](err)
	if !ok {
		t.Fatalf("error is %T (%v), want a *mailbox.Error", err, err)
	}
	if !slices.Contains(want, e.Class) {
		t.Fatalf("class is %q (%v), want one of %q", e.Class, e, want)
	}
	return e
}

// note is a plain message.
func note(to, subject string) *mailbox.Outgoing {
	return &mailbox.Outgoing{To: []mailbox.Address{{Address: to}}, Subject: subject, Text: "Hello,\r\nthis is a note.\r\n"}
}

// raw is a plain message from outside.
func raw(to, subject string, extra ...string) []byte {
	head := fmt.Sprintf("From: Eve Outside <eve@elsewhere.example>\r\nTo: %s\r\nSubject: %s\r\nDate: Mon, 02 Jun 2025 10:00:00 +0000\r\nMessage-ID: <%s@elsewhere.example>\r\n",
		to, subject, strings.ReplaceAll(subject, " ", "."))
	return []byte(head + strings.Join(extra, "") + "\r\nHello from outside.\r\n")
}

// inbox lists a user's inbox until it holds a message with the subject, and
// returns that message. Delivery may take the service a while.
func (h *Harness) await(t *testing.T, address string, f mailbox.Folder, subject string) *mailbox.Message {
	t.Helper()
	if m := h.search(t, address, f, subject); m != nil {
		return m
	}
	t.Fatalf("no message %q in the %s of %s", subject, f, address)
	return nil
}

// search is await for a message that may be missing.
func (h *Harness) search(t *testing.T, address string, f mailbox.Folder, subject string) *mailbox.Message {
	t.Helper()
	mb := h.open(t, address, reading)
	for range 20 {
		for m, err := range mailbox.All(t.Context(), mb, mailbox.Query{Folder: f, Parts: mailbox.PartBody}) {
			if err != nil {
				t.Fatalf("list %s: %v", f, err)
			}
			if m.Subject == subject {
				return m
			}
		}
		time.Sleep(10 * time.Second) // of the bubble
	}
	return nil
}

// drain reads all changes from a cursor.
func drain(t *testing.T, mb mailbox.Mailbox, from mailbox.Cursor) ([]mailbox.Change, mailbox.Cursor) {
	t.Helper()
	var all []mailbox.Change
	for range 1000 {
		c := must[mailbox.Changes](t)(mb.Changes(t.Context(), from, 0))
		all, from = append(all, c.Changes...), c.Next
		if !c.More {
			return all, from
		}
	}
	t.Fatal("Changes never ends")
	return nil, ""
}

// awaitChanges reads changes until want says enough.
func awaitChanges(t *testing.T, mb mailbox.Mailbox, from mailbox.Cursor, enough func([]mailbox.Change) bool) []mailbox.Change {
	t.Helper()
	var all []mailbox.Change
	for range 20 {
		var some []mailbox.Change
		some, from = drain(t, mb, from)
		if all = append(all, some...); enough(all) {
			return all
		}
		time.Sleep(10 * time.Second)
	}
	t.Fatalf("changes are missing; got %d", len(all))
	return nil
}

func hasAdded(subject string) func([]mailbox.Change) bool {
	return func(all []mailbox.Change) bool {
		return slices.ContainsFunc(all, func(c mailbox.Change) bool {
			return c.Kind != mailbox.ChangeRemoved && c.Message != nil && c.Message.Subject == subject
		})
	}
}

func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
