package gmail_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/gmail"
	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/mailbox"
)

// told writes changes as "added inbox Subject".
func told(list []mailbox.Change) []string {
	var all []string
	for _, c := range list {
		s := string(c.Kind)
		if c.Message != nil {
			for _, f := range c.Message.Folders {
				s += " " + string(f)
			}
			s += " " + c.Message.Subject
		}
		all = append(all, s)
	}
	return all
}

// drain reads changes until there are no more.
func drain(t testing.TB, mb *gmail.Mailbox, from mailbox.Cursor, limit int) ([]mailbox.Change, mailbox.Cursor) {
	t.Helper()
	var all []mailbox.Change
	for range 200 {
		bite := must[mailbox.Changes](t)(mb.Changes(context.Background(), from, limit))
		if want := max(limit, 0); limit > 0 && len(bite.Changes) > want {
			t.Errorf("%d changes in a bite of at most %d", len(bite.Changes), limit)
		}
		if bite.More && bite.Next == from {
			t.Fatal("the cursor does not advance")
		}
		all = append(all, bite.Changes...)
		from = bite.Next
		if !bite.More {
			return all, from
		}
	}
	t.Fatal("the changes have no end")
	return nil, ""
}

// do makes a call of the API as ann with full access.
func (w *world) do(method, path, body string) {
	w.t.Helper()
	s, _ := w.session(ann)
	req := must[*http.Request](w.t)(http.NewRequest(method, "gmail/v1/users/me/"+path, strings.NewReader(body)))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	must[*http.Response](w.t)(w.openWith(ann, everything, s).Do(context.Background(), "x", req)).Body.Close()
}

func (w *world) relabel(id mailbox.MessageID, add, remove string) {
	w.t.Helper()
	list := func(s string) string { return `["` + strings.Join(strings.Fields(s), `","`) + `"]` }
	if add == "" {
		w.do("POST", "messages/"+string(id)+"/modify", `{"removeLabelIds":`+list(remove)+`}`)
		return
	}
	w.do("POST", "messages/"+string(id)+"/modify", `{"addLabelIds":`+list(add)+`,"removeLabelIds":`+strings.Replace(list(remove), `[""]`, `[]`, 1)+`}`)
}

func TestChanges(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		do   func(w *world, old mailbox.MessageID)
		want []string
	}{
		{"nothing", func(*world, mailbox.MessageID) {}, nil},
		{"arrived", func(w *world, _ mailbox.MessageID) { w.deliver("a"); w.deliver("b") }, []string{"added inbox a", "added inbox b"}},
		{"arrived as spam", func(w *world, _ mailbox.MessageID) {
			w.deliverAs("a", gmailtest.Delivery{Labels: []string{"SPAM"}})
		}, []string{"added spam a"}},
		{"filtered past the inbox", func(w *world, _ mailbox.MessageID) {
			w.deliverAs("a", gmailtest.Delivery{Labels: []string{"STARRED"}})
		}, []string{"added archive a"}},
		{"sent by hand", func(w *world, _ mailbox.MessageID) {
			must[mailbox.Sent](w.t)(w.open(ann, mailbox.CanSend).Send(context.Background(), outgoing(), mailbox.SendOptions{}))
		}, []string{"added sent Offer"}},
		{"sent to oneself", func(w *world, _ mailbox.MessageID) {
			out := outgoing()
			out.To[0].Address = ann
			must[mailbox.Sent](w.t)(w.open(ann, mailbox.CanSend).Send(context.Background(), out, mailbox.SendOptions{}))
		}, []string{"added inbox sent Offer"}},
		{"sent as a draft", func(w *world, _ mailbox.MessageID) {
			must[mailbox.Sent](w.t)(w.open(ann, sendDraft).Send(context.Background(), outgoing(), noted(new(mailbox.Checkpoint))))
		}, []string{"added sent Offer"}},
		{"a draft is written", func(w *world, _ mailbox.MessageID) {
			w.do("POST", "drafts", `{"message":{"raw":"U3ViamVjdDogYQ0KDQo"}}`)
		}, nil},
		{"a chat", func(w *world, _ mailbox.MessageID) {
			w.deliverAs("a", gmailtest.Delivery{Labels: []string{"CHAT"}})
		}, nil},
		{"read", func(w *world, old mailbox.MessageID) { w.relabel(old, "", "UNREAD") }, []string{"updated inbox old"}},
		{"archived", func(w *world, old mailbox.MessageID) { w.relabel(old, "", "INBOX") }, []string{"updated archive old"}},
		{"archived and back", func(w *world, old mailbox.MessageID) {
			w.relabel(old, "", "INBOX")
			w.relabel(old, "INBOX", "")
		}, []string{"added inbox old"}},
		{"trashed", func(w *world, old mailbox.MessageID) { w.relabel(old, "TRASH", "INBOX") }, []string{"updated trash old"}},
		{"starred", func(w *world, old mailbox.MessageID) { w.relabel(old, "STARRED", "") }, nil},
		{"deleted", func(w *world, old mailbox.MessageID) { w.do("DELETE", "messages/"+string(old), "") }, []string{"removed"}},
		{"arrived and deleted", func(w *world, _ mailbox.MessageID) {
			id := w.deliver("a")
			w.do("DELETE", "messages/"+string(id), "")
			w.deliver("b")
		}, []string{"removed", "added inbox b"}},
		{"arrived and read", func(w *world, _ mailbox.MessageID) { w.relabel(w.deliver("a"), "", "UNREAD") }, []string{"added inbox a"}},
		{"found not to be spam", func(w *world, _ mailbox.MessageID) {
			w.relabel(w.deliverAs("a", gmailtest.Delivery{Labels: []string{"SPAM"}}), "INBOX", "SPAM")
		}, []string{"added inbox a"}},
	}
	for _, o := range []gmailtest.Options{{}, {EmptyHistoryPages: true}, {ErrorShape: gmailtest.ErrorShape{Array: true}}} {
		for _, tt := range tests {
			w := setup(t, o)
			old := w.deliver("old")
			mb := w.open(ann, mailbox.CanReadHeaders)
			from := must[mailbox.Cursor](t)(mb.Cursor(t.Context()))
			tt.do(w, old)
			got, next := drain(t, mb, from, 0)
			if diff := cmp.Diff(tt.want, told(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
			again, _ := drain(t, mb, from, 0)
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("%s: the same cursor gives other changes (-first +second):\n%s", tt.name, diff)
			}
			if rest, _ := drain(t, mb, next, 0); len(rest) != 0 {
				t.Errorf("%s: the next cursor repeats %v", tt.name, told(rest))
			}
		}
	}
}

// TestChangesInBites: whatever the size of the bites, every message is seen,
// also those of one record.
func TestChangesInBites(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	mb := w.open(ann, mailbox.CanReadHeaders)
	from := must[mailbox.Cursor](t)(mb.Cursor(t.Context()))
	ids := w.many(45)
	for i, id := range ids {
		if i%3 == 0 {
			w.relabel(id, "", "UNREAD")
		}
	}
	for _, limit := range []int{1, 2, 7, 44, 45, 100, 0} {
		got, _ := drain(t, mb, from, limit)
		seen := map[mailbox.MessageID]bool{}
		for _, c := range got {
			seen[c.ID] = true
		}
		if len(seen) != len(ids) {
			t.Errorf("bites of %d: %d messages, want %d", limit, len(seen), len(ids))
		}
	}
}

// TestLargeRecord: one record may hold more messages than one bite.
func TestLargeRecord(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	mb := w.open(ann, mailbox.CanReadHeaders)
	start := must[mailbox.Cursor](t)(mb.Cursor(t.Context()))
	ids := w.many(12)
	entry := func(id mailbox.MessageID) string {
		return `{"labelIds":["UNREAD"],"message":{"id":"` + string(id) + `","threadId":"1"}}`
	}
	var entries []string
	for _, id := range ids {
		entries = append(entries, entry(id), `null`, `{"message":null}`, `{"labelIds":["STARRED"],"message":{"id":"`+string(id)+`"}}`)
	}
	// Two records behind position 5: one with all of the entries, and one more.
	w.Inject(gmailtest.Fault{
		Path: apiPath + "/history", Status: 200, Times: -1,
		Match: func(r *http.Request, _ []byte) bool { return r.URL.Query().Get("startHistoryId") == "5" },
		Body: `{"history":[null,{"id":"7","labelsRemoved":[` + strings.Join(entries, ",") + `]},
			{"id":"9","labelsAdded":[` + entry(ids[0]) + `]}],"historyId":"9"}`,
	})
	w.Inject(gmailtest.Fault{
		Path: apiPath + "/history", Status: 200, Times: -1,
		Match: func(r *http.Request, _ []byte) bool { return r.URL.Query().Get("startHistoryId") == "7" },
		Body:  `{"history":[{"id":"9","labelsAdded":[` + entry(ids[0]) + `]}],"historyId":"9"}`,
	})
	from := mailbox.Cursor(`{"v":1,"h":"5"}`)
	for _, limit := range []int{1, 3, 5, 11, 12, 50} {
		got, next := drain(t, mb, from, limit)
		count := map[mailbox.MessageID]int{}
		for _, c := range got {
			count[c.ID]++
		}
		if len(count) != len(ids) || len(got) > len(ids)+1 || next != `{"v":1,"h":"9"}` {
			t.Errorf("bites of %d: %d changes of %d messages, next %s", limit, len(got), len(count), next)
		}
	}
	if start == "" {
		t.Error("no cursor")
	}
}

func TestCursorLost(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	mb := w.open(ann, mailbox.CanReadHeaders)
	from := must[mailbox.Cursor](t)(mb.Cursor(t.Context()))
	w.deliver("a")
	w.ExpireHistory()
	_, err := mb.Changes(t.Context(), from, 0)
	wantError(t, err, mailbox.ClassCursorLost, mailbox.OutcomeNone)

	w.ClearLog()
	for _, from := range []mailbox.Cursor{"", "x", `{"v":9,"h":"1"}`} {
		_, err := mb.Changes(t.Context(), from, 0)
		wantError(t, err, mailbox.ClassInvalid, mailbox.OutcomeNone)
		wantField(t, err, "cursor")
	}
	_, err = mb.Changes(t.Context(), from, -1)
	wantField(t, err, "max")
	if n := w.requests(); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

// TestGhost: a message that the history names and that cannot be read yet holds
// up nothing and is not lost.
func TestGhost(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault gmailtest.Fault
		times int // that the message cannot be read
		want  []string
	}{
		{"missing for a moment", gmailtest.Fault{Status: 404}, 1, []string{"added inbox ghost"}},
		{"missing for longer", gmailtest.Fault{Status: 404}, 3, []string{"added inbox ghost"}},
		{"missing for good", gmailtest.Fault{Status: 404}, -1, []string{"removed"}},
		{"broken for a while", gmailtest.Fault{Status: 500}, 30, []string{"added inbox ghost"}},
		{"broken for good", gmailtest.Fault{Status: 500}, -1, []string{"added "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := setup(t, gmailtest.Options{})
				mb := w.open(ann, mailbox.CanReadHeaders)
				at := must[mailbox.Cursor](t)(mb.Cursor(context.Background()))
				w.deliver("before")
				ghost := w.deliver("ghost")
				w.deliver("after")
				tt.fault.Path, tt.fault.Times = apiPath+"/messages/"+string(ghost), tt.times
				w.Inject(tt.fault)

				got, at := drain(t, mb, at, 0)
				if diff := cmp.Diff([]string{"added inbox before", "added inbox after"}, told(got)); diff != "" {
					t.Fatalf("first (-want +got):\n%s", diff)
				}
				var rest []mailbox.Change
				for range 400 { // polls
					time.Sleep(15 * time.Second)
					got, next := drain(t, mb, at, 0)
					rest, at = append(rest, got...), next
				}
				if diff := cmp.Diff(tt.want, told(rest)); diff != "" {
					t.Errorf("later (-want +got):\n%s", diff)
				}
				if strings.Contains(string(at), string(ghost)) {
					t.Errorf("the cursor %s still owes the message", at)
				}
				if tt.want[0] == "added " {
					m := rest[0].Message
					if m.ID != ghost || m.HeaderComplete || len(m.Warnings) != 1 || m.Warnings[0].Code != mailbox.WarnIncomplete {
						t.Errorf("the stand-in is %+v", m)
					}
				}
			})
		})
	}
}

// TestGhostDeletedSince: what becomes of an owed message when later history
// tells of it.
func TestGhostDeletedSince(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	mb := w.open(ann, mailbox.CanReadHeaders)
	at := must[mailbox.Cursor](t)(mb.Cursor(t.Context()))
	ghost := w.deliver("ghost")
	w.Inject(gmailtest.Fault{Path: apiPath + "/messages/" + string(ghost), Status: 404})
	got, at := drain(t, mb, at, 0)
	if len(got) != 0 || !strings.Contains(string(at), string(ghost)) {
		t.Fatalf("%v, cursor %s", told(got), at)
	}
	w.do("DELETE", "messages/"+string(ghost), "")
	got, at = drain(t, mb, at, 0)
	if diff := cmp.Diff([]string{"removed"}, told(got)); diff != "" || strings.Contains(string(at), string(ghost)) {
		t.Errorf("cursor %s (-want +got):\n%s", at, diff)
	}
}

// TestOutageOwesNothing: when nothing can be read the cursor stays.
func TestOutageOwesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := setup(t, gmailtest.Options{})
		mb := w.open(ann, mailbox.CanReadHeaders)
		at := must[mailbox.Cursor](t)(mb.Cursor(context.Background()))
		w.many(40)
		w.Inject(gmailtest.Fault{Path: apiPath + "/messages/*", Status: 500, Times: -1})
		_, err := mb.Changes(context.Background(), at, 0)
		wantError(t, err, mailbox.ClassUnavailable, mailbox.OutcomeNone)
		w.ClearFaults()
		if got, _ := drain(t, mb, at, 0); len(got) != 40 {
			t.Errorf("%d changes, want 40", len(got))
		}
	})
}

func TestOddHistory(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	id := string(w.deliver("Hello"))
	draft := string(w.deliverAs("a", gmailtest.Delivery{Labels: []string{"DRAFT"}}))
	mb := w.open(ann, mailbox.CanReadHeaders)
	from := must[mailbox.Cursor](t)(mb.Cursor(t.Context()))
	tests := []struct {
		name, body string
		want       []string
		class      mailbox.Class
	}{
		{name: "nulls", body: `{"history":null,"historyId":null,"nextPageToken":null}`},
		{name: "null elements", body: `{"history":[null,{"id":"9999999","messagesAdded":[null,{},{"message":null},{"message":{"id":"` + id + `","labelIds":null}}],"labelsAdded":[null,{"labelIds":null}],"messagesDeleted":[null,{}]}],"new":1}`, want: []string{"added inbox Hello"}},
		{name: "ids that are none", body: `{"history":[{"id":"9999999","messagesAdded":[{"message":{"id":"../x"}},{"message":{"id":""}},{"message":{"id":"a b"}}]}],"historyId":"9999999"}`},
		{name: "a draft without labels", body: `{"history":[{"id":"9999999","messagesAdded":[{"message":{"id":"` + draft + `"}}]}],"historyId":"9999999"}`},
		{name: "null", body: `null`, class: mailbox.ClassUnavailable},
		{name: "HTML", body: `<html>`, class: mailbox.ClassUnavailable},
		{name: "no progress", body: `{"history":[{"id":"1"}],"nextPageToken":"x"}`, class: mailbox.ClassUnavailable},
		{name: "pages without end", body: `{"nextPageToken":"x"}`, class: mailbox.ClassUnavailable},
	}
	for _, tt := range tests {
		w.ClearFaults()
		w.Inject(gmailtest.Fault{Path: apiPath + "/history", Status: 200, Body: tt.body, Times: -1})
		got, err := mb.Changes(t.Context(), from, 0)
		if tt.class != mailbox.ClassUnknown {
			wantError(t, err, tt.class, mailbox.OutcomeNone)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		seen := slices.DeleteFunc(told(got.Changes), func(s string) bool { return s == "removed" })
		if diff := cmp.Diff(tt.want, seen); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if tt.name == "nulls" && got.Next != from {
			t.Errorf("the cursor went from %s to %s", from, got.Next)
		}
	}
	for name, body := range map[string]string{"null": "null", "no history": "{}", "zero": `{"historyId":"0"}`} {
		w.Inject(gmailtest.Fault{Path: apiPath + "/profile", Status: 200, Body: body})
		if c, err := mb.Cursor(t.Context()); mailbox.ClassOf(err) != mailbox.ClassUnavailable {
			t.Errorf("%s: cursor %q, %v", name, c, err)
		}
	}
}

// TestHistoryLags: sent mail that shows up late is seen once it does.
func TestHistoryLags(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{SentLag: gmailtest.Lag{Requests: 2}})
	mb := w.open(ann, sendHeaders)
	at := must[mailbox.Cursor](t)(mb.Cursor(t.Context()))
	must[mailbox.Sent](t)(mb.Send(t.Context(), outgoing(), mailbox.SendOptions{}))
	w.deliver("a")
	var seen []string
	for range 5 {
		got, next := drain(t, mb, at, 0)
		seen, at = append(seen, told(got)...), next
	}
	slices.Sort(seen)
	if diff := cmp.Diff([]string{"added inbox a", "added sent Offer"}, seen); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestManyOwed: more ghosts than a cursor owes are told as removed.
func TestManyOwed(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	mb := w.open(ann, mailbox.CanReadHeaders)
	at := must[mailbox.Cursor](t)(mb.Cursor(t.Context()))
	w.many(130)
	w.Inject(gmailtest.Fault{Path: apiPath + "/messages/*", Status: 404, Times: -1})
	got, at := drain(t, mb, at, 0)
	w.ClearFaults()
	rest, _ := drain(t, mb, at, 0)
	if len(got) != 30 || len(rest) != 100 {
		t.Errorf("%d removed at once, %d later; want 30 and 100", len(got), len(rest))
	}
	if fmt.Sprint(told(got)[0], told(rest)[0]) != "removed"+"added inbox letter 0" {
		t.Errorf("%s, %s", told(got)[0], told(rest)[0])
	}
}
