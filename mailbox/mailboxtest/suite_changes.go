package mailboxtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

var changeRules = []rule{
	{"what arrives after the cursor is reported", func(t *testing.T, h *Harness) {
		for _, caps := range []mailbox.Capabilities{mailbox.CanReadHeaders, h.All} {
			mb := h.open(t, h.Alice, caps)
			h.Deliver(t, h.Alice, raw(h.Alice, "Earlier "+caps.String()))
			time.Sleep(time.Minute)
			cursor := must[mailbox.Cursor](t)(mb.Cursor(t.Context()))
			h.Deliver(t, h.Alice, raw(h.Alice, "Later "+caps.String()))
			all := awaitChanges(t, mb, cursor, hasAdded("Later "+caps.String()))
			for _, c := range all {
				if c.Message != nil && c.Message.Subject == "Earlier "+caps.String() {
					t.Errorf("%v: what came before the cursor is reported", caps)
				}
				if c.Message != nil && (c.Message.ID != c.ID || c.Message.Body != nil || !c.Message.In(mailbox.FolderInbox)) {
					t.Errorf("%v: %+v", caps, c.Message)
				}
			}
		}
	}},
	{"when nothing happened nothing is reported", func(t *testing.T, h *Harness) {
		mb := h.open(t, h.Alice, reading)
		cursor := must[mailbox.Cursor](t)(mb.Cursor(t.Context()))
		for range 3 {
			var all []mailbox.Change
			if all, cursor = drain(t, mb, cursor); len(all) != 0 {
				t.Fatalf("got %+v", all)
			}
		}
		h.Deliver(t, h.Alice, raw(h.Alice, "At last"))
		awaitChanges(t, mb, cursor, hasAdded("At last"))
	}},
	{"the same cursor gives the same changes", func(t *testing.T, h *Harness) {
		mb := h.open(t, h.Alice, reading)
		cursor := must[mailbox.Cursor](t)(mb.Cursor(t.Context()))
		h.Deliver(t, h.Alice, raw(h.Alice, "Again"))
		first := awaitChanges(t, mb, cursor, hasAdded("Again"))
		second, _ := drain(t, mb, cursor)
		if len(first) != len(second) {
			t.Errorf("%d changes, then %d", len(first), len(second))
		}
	}},
	{"many changes come in bites, each message once or more, none lost", func(t *testing.T, h *Harness) {
		mb := h.open(t, h.Alice, reading)
		cursor := must[mailbox.Cursor](t)(mb.Cursor(t.Context()))
		for i := range 250 {
			h.Deliver(t, h.Alice, raw(h.Alice, fmt.Sprint("Bite ", i)))
		}
		seen := map[string]bool{}
		awaitChanges(t, mb, cursor, func(all []mailbox.Change) bool {
			for _, c := range all {
				if c.Message != nil {
					seen[c.Message.Subject] = true
				}
			}
			return len(seen) == 250
		})
	}},
	{"a bite is no larger than asked", func(t *testing.T, h *Harness) {
		mb := h.open(t, h.Alice, reading)
		cursor := must[mailbox.Cursor](t)(mb.Cursor(t.Context()))
		for i := range 20 {
			h.Deliver(t, h.Alice, raw(h.Alice, fmt.Sprint("Small ", i)))
		}
		seen := map[mailbox.MessageID]bool{}
		for range 100 {
			c := must[mailbox.Changes](t)(mb.Changes(t.Context(), cursor, 7))
			if len(c.Changes) > 7 {
				t.Fatalf("%d changes", len(c.Changes))
			}
			for _, change := range c.Changes {
				seen[change.ID] = true
			}
			if cursor = c.Next; !c.More {
				break
			}
		}
		if len(seen) != 20 {
			t.Errorf("%d of 20 messages", len(seen))
		}
	}},
	{"what is sent is reported in the sent folder", func(t *testing.T, h *Harness) {
		mb := h.open(t, h.Alice, h.All)
		cursor := must[mailbox.Cursor](t)(mb.Cursor(t.Context()))
		send(t, mb, note(h.Bob, "Own mail"))
		all := awaitChanges(t, mb, cursor, hasAdded("Own mail"))
		for _, c := range all {
			if c.Message != nil && c.Message.Subject == "Own mail" && !c.Message.Draft && !c.Message.In(mailbox.FolderSent) {
				t.Errorf("folders are %v", c.Message.Folders)
			}
		}
	}},
	{"a deleted message is reported as removed", func(t *testing.T, h *Harness) {
		h.Deliver(t, h.Alice, raw(h.Alice, "Doomed"))
		m := h.await(t, h.Alice, mailbox.FolderInbox, "Doomed")
		mb := h.open(t, h.Alice, reading)
		cursor := must[mailbox.Cursor](t)(mb.Cursor(t.Context()))
		h.Delete(t, h.Alice, m.ID)
		awaitChanges(t, mb, cursor, func(all []mailbox.Change) bool {
			return slices.ContainsFunc(all, func(c mailbox.Change) bool {
				return c.Kind == mailbox.ChangeRemoved && c.ID == m.ID
			})
		})
	}},
	{"a message that came and went does not stop the rest", func(t *testing.T, h *Harness) {
		mb := h.open(t, h.Alice, reading)
		cursor := must[mailbox.Cursor](t)(mb.Cursor(t.Context()))
		h.Deliver(t, h.Alice, raw(h.Alice, "Short life"))
		m := h.await(t, h.Alice, mailbox.FolderInbox, "Short life")
		h.Delete(t, h.Alice, m.ID)
		h.Deliver(t, h.Alice, raw(h.Alice, "Survivor"))
		awaitChanges(t, mb, cursor, hasAdded("Survivor"))
	}},
	{"a lost cursor says so", func(t *testing.T, h *Harness) {
		mb := h.open(t, h.Alice, reading)
		cursor := must[mailbox.Cursor](t)(mb.Cursor(t.Context()))
		h.Deliver(t, h.Alice, raw(h.Alice, "Missed"))
		h.LoseCursors(t)
		_, err := mb.Changes(t.Context(), cursor, 0)
		e := wantClass(t, err, mailbox.ClassCursorLost)
		if e.Action() != mailbox.ActionResync {
			t.Errorf("action is %v", e.Action())
		}
		fresh := must[mailbox.Cursor](t)(mb.Cursor(t.Context()))
		if _, err := mb.Changes(t.Context(), fresh, 0); err != nil {
			t.Errorf("a new cursor fails: %v", err)
		}
	}},
	{"a cursor that is none is refused", func(t *testing.T, h *Harness) {
		mb := h.open(t, h.Alice, reading)
		for _, c := range []mailbox.Cursor{"", "x", "{}", "null", "\x00", mailbox.Cursor(strings.Repeat("9", 10000)), `{"v":1,"links":{"inbox":"https://elsewhere.example/"}}`} {
			_, err := mb.Changes(t.Context(), c, 0)
			wantClass(t, err, mailbox.ClassInvalid, mailbox.ClassCursorLost, mailbox.ClassUnavailable)
		}
	}},
}
