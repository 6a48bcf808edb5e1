package outlook_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook"
	"github.com/mailtether/mailtether/outlook/outlooktest"
)

const reading = mailbox.CanReadHeaders

// What happens between two rounds, and what is reported of it, whichever way
// Graph answers.
func TestChanges(t *testing.T) {
	t.Parallel()
	variants := map[string]outlooktest.Options{
		"whole":       {},
		"partial":     {DeltaPartial: true},
		"empty pages": {DeltaEmptyPages: true},
		"no headers":  {DeltaHeaders: outlooktest.Omit},
		"refused":     {DeltaHeaders: outlooktest.Refuse},
		"no blocks":   {ReadBasicHeaders: outlooktest.Refuse},
	}
	const old = "old" // is in the inbox before the cursor, an hour
	tests := []struct {
		name string
		do   func(w *world, old string)
		want []string
	}{
		{"nothing", func(*world, string) {}, nil},
		{"arrived", func(w *world, _ string) { w.deliver(anna, "new") }, []string{"added new"}},
		{"arrived in order", func(w *world, _ string) {
			w.deliver(anna, "one")
			time.Sleep(time.Second)
			w.deliver(anna, "two")
		}, []string{"added one", "added two"}},
		{"arrived and was read", func(w *world, _ string) { w.SetRead(anna, string(w.deliver(anna, "new")), true) }, []string{"added new"}},
		{"arrived elsewhere", func(w *world, _ string) { w.DeliverTo(anna, "junkemail", rawMail(anna, "junk")) }, nil},
		{"arrived elsewhere and was moved in", func(w *world, _ string) {
			id, _ := w.DeliverTo(anna, "junkemail", rawMail(anna, "not junk"))
			w.Move(anna, id, "inbox")
		}, []string{"added not junk"}},
		{"arrived and was deleted", func(w *world, _ string) { w.Delete(anna, string(w.deliver(anna, "new"))) }, []string{"removed"}},
		{"arrived and was moved to the trash", func(w *world, _ string) {
			w.Move(anna, string(w.deliver(anna, "new")), "deleteditems")
		}, []string{"updated new"}},
		{"sent by hand", func(w *world, _ string) {
			w.SendByHand(anna, []byte("From: "+anna+"\r\nTo: "+bert+"\r\nSubject: own\r\n\r\nx\r\n"))
		}, []string{"added own"}},
		{"a draft was written", func(w *world, _ string) { w.DeliverTo(anna, "drafts", rawMail(anna, "draft")) }, nil},
		{"an old one was read", func(w *world, old string) { w.SetRead(anna, old, true) }, nil},
	}
	for variant, o := range variants {
		for _, tt := range tests {
			t.Run(variant+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, o, func(c *outlook.Config) { c.DeltaHeaders = variant != "whole" })
					id := w.deliver(anna, old)
					time.Sleep(time.Hour)
					mb := w.open(anna, reading)
					if _, err := mb.List(t.Context(), mailbox.Query{}); err != nil {
						t.Fatal(err) // learns whether there are header blocks
					}
					cursor := startCursor(t, mb)
					time.Sleep(time.Minute)
					tt.do(w, string(id))
					all, next := drain(t, mb, cursor)
					if diff := cmp.Diff(append([]string{}, tt.want...), kinds(all)); diff != "" {
						t.Errorf("changes (-want +got):\n%s", diff)
					}
					for _, c := range all {
						if c.Message != nil && (c.Message.ID != c.ID || c.Message.Body != nil || len(c.Message.Folders) != 1 || c.Message.ReceivedAt.IsZero()) {
							t.Errorf("message %+v", c.Message)
						}
						if c.Message != nil && c.Message.In(mailbox.FolderInbox) && !c.Message.HeaderComplete && variant != "no blocks" {
							t.Errorf("the header of %q is missing", c.Message.Subject)
						}
					}
					// The same cursor tells the same; the next one tells nothing.
					again, _ := drain(t, mb, cursor)
					if diff := cmp.Diff(kinds(all), kinds(again)); diff != "" {
						t.Errorf("asked again (-first +again):\n%s", diff)
					}
					if more, _ := drain(t, mb, next); len(more) != 0 {
						t.Errorf("told again: %q", kinds(more))
					}
				})
			})
		}
	}
}

func TestChangesOfKnownMessages(t *testing.T) {
	t.Parallel()
	for variant, o := range map[string]outlooktest.Options{"whole": {}, "partial": {DeltaPartial: true}} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, o)
			recent := w.deliver(anna, "recent") // in the margin before the cursor
			mb := w.open(anna, reading)
			cursor := startCursor(t, mb)
			steps := []struct {
				name string
				do   func(id string)
				want string
				in   mailbox.Folder
			}{
				{"arrives", func(string) {}, "added new", mailbox.FolderInbox},
				{"is read", func(id string) { w.SetRead(anna, id, true) }, "updated new", mailbox.FolderInbox},
				{"is moved out", func(id string) { w.Move(anna, id, "archive") }, "updated new", mailbox.FolderArchive},
				{"is moved back", func(id string) { w.Move(anna, id, "inbox") }, "updated new", mailbox.FolderInbox},
				{"is deleted", func(id string) { w.Delete(anna, id) }, "removed", ""},
			}
			id := string(w.deliver(anna, "new"))
			for _, s := range steps {
				s.do(id)
				var all []mailbox.Change
				all, cursor = drain(t, mb, cursor)
				if len(all) != 1 || kinds(all)[0] != s.want || string(all[0].ID) != id {
					t.Fatalf("%s: %q", s.name, kinds(all))
				}
				if m := all[0].Message; m != nil && !m.In(s.in) {
					t.Errorf("%s: folders %v", s.name, m.Folders)
				}
				if m := all[0].Message; m != nil && s.name == "is read" && !m.Read {
					t.Errorf("%s: unread", s.name)
				}
			}
			w.SetRead(anna, string(recent), true)
			all, _ := drain(t, mb, cursor)
			if diff := cmp.Diff([]string{"updated recent"}, kinds(all)); diff != "" {
				t.Errorf("a message from just before the cursor (-want +got):\n%s", diff)
			}
		})
	}
}

// A message that was moved away and back between two rounds is reported as
// removed only. It is there, so it is reported as that.
func TestChangesThatGraphLoses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{DeltaLosesMoves: true})
	mb := w.open(anna, reading)
	cursor := startCursor(t, mb)
	id := w.deliver(anna, "wanderer")
	w.Move(anna, string(id), "archive")
	w.Move(anna, string(id), "inbox")
	all, _ := drain(t, mb, cursor)
	if diff := cmp.Diff([]string{"added wanderer"}, kinds(all)); diff != "" || !all[0].Message.In(mailbox.FolderInbox) {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestChangesMayBeRepeatedByGraph(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{DeltaReplays: 3})
	mb := w.open(anna, reading)
	cursor := startCursor(t, mb)
	seen := map[string]int{}
	for i := range 5 {
		w.deliver(anna, fmt.Sprint("mail ", i))
		var all []mailbox.Change
		all, cursor = drain(t, mb, cursor)
		for _, c := range all {
			if c.Kind == mailbox.ChangeAdded {
				seen[c.Message.Subject]++
			}
		}
	}
	if diff := cmp.Diff(map[string]int{"mail 0": 1, "mail 1": 1, "mail 2": 1, "mail 3": 1, "mail 4": 1}, seen); diff != "" {
		t.Errorf("added (-want +got):\n%s", diff)
	}
}

func TestBitesOfTwoFolders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	mb := w.open(anna, everything)
	cursor := startCursor(t, mb)
	for i := range 23 {
		w.deliver(anna, fmt.Sprint("in ", i))
		mustSend(t, mb, note(bert, fmt.Sprint("out ", i)))
	}
	seen := map[string]bool{}
	bites := 0
	for more := true; more; bites++ {
		c, err := mb.Changes(t.Context(), cursor, 5)
		if err != nil || len(c.Changes) > 5 {
			t.Fatalf("%d changes, %v", len(c.Changes), err)
		}
		for _, change := range c.Changes {
			seen[change.Message.Subject] = true
			if want := map[bool]mailbox.Folder{true: mailbox.FolderInbox, false: mailbox.FolderSent}[strings.HasPrefix(change.Message.Subject, "in ")]; !change.Message.In(want) {
				t.Errorf("%q stands in %v", change.Message.Subject, change.Message.Folders)
			}
		}
		cursor, more = c.Next, c.More
	}
	if len(seen) != 46 || bites < 10 {
		t.Errorf("%d messages in %d bites", len(seen), bites)
	}
	for _, x := range w.Log() {
		if strings.Contains(x.URL, "/delta") && !strings.Contains(x.RequestHeader.Get("Prefer"), `IdType="ImmutableId", odata.maxpagesize=`) {
			t.Errorf("Prefer is %q", x.RequestHeader.Get("Prefer"))
		}
	}
}

// Everything that arrives while bites are read is found, too.
func TestNothingIsLostBetweenBites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{DeltaReplays: 1, DeltaEmptyPages: true})
	mb := w.open(anna, reading)
	cursor := startCursor(t, mb)
	want, got := map[string]bool{}, map[string]bool{}
	add := func(n int) {
		for range n {
			s := fmt.Sprint("mail ", len(want))
			want[s] = true
			w.deliver(anna, s)
		}
	}
	add(20)
	for range 100 {
		c, err := mb.Changes(t.Context(), cursor, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range c.Changes {
			got[change.Message.Subject] = true
		}
		if cursor = c.Next; !c.More {
			break
		}
		if len(want) < 40 {
			add(1)
		}
	}
	rest, _ := drain(t, mb, cursor)
	for _, change := range rest {
		got[change.Message.Subject] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestWatchedFoldersCanBeChosen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{}, func(c *outlook.Config) {
		c.Folders = []mailbox.Folder{mailbox.FolderSpam, mailbox.FolderInbox}
	})
	mb := w.open(anna, reading)
	cursor := startCursor(t, mb)
	w.deliver(anna, "to the inbox")
	w.DeliverTo(anna, "junkemail", rawMail(anna, "to the junk"))
	all, _ := drain(t, mb, cursor)
	if diff := cmp.Diff([]string{"added to the junk", "added to the inbox"}, kinds(all)); diff != "" || !all[0].Message.In(mailbox.FolderSpam) {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestLostCursor(t *testing.T) {
	t.Parallel()
	faults := map[string]outlooktest.Fault{
		"410 with a code":    {Status: 410, Body: `{"error":{"code":"SyncStateNotFound","message":"x"}}`},
		"410 empty":          {Status: 410},
		"410 HTML":           {Status: 410, Body: "<html>"},
		"400 with a code":    {Status: 400, Body: `{"error":{"code":"syncStateInvalid"}}`},
		"404 resync in":      {Status: 404, Body: `{"error":{"code":"x","innerError":{"code":"resyncRequired"}}}`},
		"the fake's own way": {},
	}
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, outlooktest.Options{})
			mb := w.open(anna, reading)
			cursor := startCursor(t, mb)
			if f.Status != 0 {
				f.Path = "*/delta"
				w.Inject(f)
			} else {
				w.ExpireDelta()
			}
			_, err := mb.Changes(t.Context(), cursor, 0)
			if e := asError(t, err); e.Class != mailbox.ClassCursorLost || e.Action() != mailbox.ActionResync {
				t.Errorf("error %v", e)
			}
		})
	}
}

func TestCursorsThatAreNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	mb := w.open(anna, reading)
	good := startCursor(t, mb)
	w.ClearLog()
	invalid := []mailbox.Cursor{
		"", "x", "null", "{}", "[]", `{"v":1}`, `{"v":0,"folders":[{"folder":"inbox","link":"https://graph.fake/x"}]}`,
		`{"v":1,"folders":[{"folder":"inbox","link":"no link"}]}`, `{"v":1,"folders":[{"folder":"nowhere","link":"https://graph.fake/x"}]}`,
		`{"v":1,"turn":1,"folders":[{"folder":"inbox","link":"https://graph.fake/x"}]}`,
		`{"v":1,"turn":-1,"folders":[{"folder":"inbox","link":"https://graph.fake/x"}]}`,
		good[:len(good)-1], mailbox.Cursor(strings.Repeat(" ", 300_000)) + good,
	}
	for _, c := range invalid {
		if _, err := mb.Changes(t.Context(), c, 0); !errors.Is(err, mailbox.ClassInvalid) {
			t.Errorf("%.40q: %v", c, err)
		}
	}
	if _, err := mb.Changes(t.Context(), mailbox.Cursor(strings.Replace(string(good), `"v":1`, `"v":9`, 1)), 0); !errors.Is(err, mailbox.ClassCursorLost) {
		t.Errorf("of a later version: %v", err)
	}
	if _, err := mb.Changes(t.Context(), good, -1); !errors.Is(err, mailbox.ClassInvalid) {
		t.Errorf("negative: %v", err)
	}
	if n := len(w.Log()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// Links to other places are refused, before they are followed and before they
// are stored.
func TestForeignLinksAreRefused(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"https://elsewhere.example", "http://graph.fake", "https://graph.fake:8443", "https://graph.fake.elsewhere.example"} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, outlooktest.Options{})
			a := w.account(anna, everything)
			s := w.session(anna, a.Scopes)
			hostile := false
			s.Transport = rewrite(guard(t, w), func(_ *http.Request, body string) string {
				if hostile {
					return strings.ReplaceAll(body, w.URL()+"/v1.0/me/mailFolders", to+"/v1.0/me/mailFolders")
				}
				return body
			})
			mb := w.openWith(a, s)
			cursor := startCursor(t, mb)
			for i := range 3 {
				w.deliver(anna, fmt.Sprint(i))
			}
			hostile = true
			_, err := mb.Changes(t.Context(), cursor, 1)
			if e := asError(t, err); e.Code != "foreign_host" || e.Class != mailbox.ClassUnavailable {
				t.Errorf("nextLink of delta: %v", err)
			}
			if _, err = mb.Changes(t.Context(), cursor, 0); asError(t, err).Code != "foreign_host" {
				t.Errorf("deltaLink: %v", err)
			}
			if _, err = mb.Cursor(t.Context()); asError(t, err).Code != "foreign_host" {
				t.Errorf("first round: %v", err)
			}
			if _, err = mb.List(t.Context(), mailbox.Query{Max: 1}); asError(t, err).Code != "foreign_host" {
				t.Errorf("nextLink of a list: %v", err)
			}
			hostile = false
			// Links that somebody put where ours were.
			if _, err = mb.Changes(t.Context(), mailbox.Cursor(strings.ReplaceAll(string(cursor), w.URL(), to)), 0); asError(t, err).Code != "foreign_host" {
				t.Errorf("cursor: %v", err)
			}
			if _, err = mb.List(t.Context(), mailbox.Query{Page: to + "/v1.0/me/messages"}); asError(t, err).Code != "foreign_host" {
				t.Errorf("page: %v", err)
			}
			if all, _ := drain(t, mb, cursor); len(all) != 3 {
				t.Errorf("afterwards %q", kinds(all))
			}
		})
	}
}

// A clock of ours that is ahead must not skip what arrives.
func TestCursorTrustsTheEarlierClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	a := w.account(anna, reading)
	s := w.session(anna, a.Scopes)
	behind := time.Now().Add(-3 * time.Hour)
	w.SetTime(behind)
	s.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := w.Transport().RoundTrip(r)
		if err == nil {
			resp.Header.Set("Date", w.Now().UTC().Format(http.TimeFormat))
		}
		return resp, err
	})
	mb := w.openWith(a, s)
	cursor := startCursor(t, mb)
	w.deliver(anna, "early")
	all, _ := drain(t, mb, cursor)
	if diff := cmp.Diff([]string{"added early"}, kinds(all)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestDeltaLinksThatLeadNowhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	a := w.account(anna, reading)
	s := w.session(anna, a.Scopes)
	var answer func(r *http.Request) string
	s.Transport = rewrite(w.Transport(), func(r *http.Request, body string) string {
		if answer != nil && strings.HasSuffix(r.URL.Path, "/delta") {
			return answer(r)
		}
		return body
	})
	mb := w.openWith(a, s)
	cursor := startCursor(t, mb)
	link := func(name, url string) string {
		b, _ := json.Marshal(map[string]any{"value": []any{}, name: url})
		return string(b)
	}
	for name, f := range map[string]func(*http.Request) string{
		"none":          func(*http.Request) string { return `{"value":[]}` },
		"to itself":     func(r *http.Request) string { return link("@odata.nextLink", r.URL.String()) },
		"null":          func(*http.Request) string { return `{"value":null,"@odata.nextLink":null,"@odata.deltaLink":null}` },
		"cut off":       func(*http.Request) string { return `{"value":[{"id":"x"` },
		"not an object": func(*http.Request) string { return `[]` },
		"empty":         func(*http.Request) string { return "" },
		"HTML":          func(*http.Request) string { return "<html>" },
	} {
		answer = f
		_, err := mb.Changes(t.Context(), cursor, 0)
		if e := asError(t, err); e.Class != mailbox.ClassUnavailable {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := mb.Cursor(t.Context()); err == nil {
			t.Errorf("%s: a cursor was made", name)
		}
	}
}

func TestHeavyPagesAreHalved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, outlooktest.Options{})
	for i := range 60 {
		w.deliver(anna, fmt.Sprint(i))
	}
	mb := w.open(anna, reading)
	w.Inject(outlooktest.Fault{Path: "*/messages", Status: 504, Times: 2, Body: `{"error":{"code":"UnknownError","message":""}}`})
	page, err := mb.List(t.Context(), mailbox.Query{Max: 40})
	if err != nil || len(page.Messages) != 10 || page.Next == "" {
		t.Errorf("%d messages, %v", len(page.Messages), err)
	}
	w.Inject(outlooktest.Fault{Path: "*/messages", Status: 504, Times: -1})
	if _, err := mb.List(t.Context(), mailbox.Query{Max: 40}); !errors.Is(err, mailbox.ClassUnavailable) {
		t.Errorf("always heavy: %v", err)
	}
	w.ClearFaults()
	cursor := startCursor(t, mb)
	for i := range 30 {
		w.deliver(anna, fmt.Sprint("new ", i))
	}
	w.Inject(outlooktest.Fault{Path: "*/delta", Status: 504})
	c, err := mb.Changes(t.Context(), cursor, 20)
	if err != nil || len(c.Changes) != 10 || !c.More {
		t.Errorf("%d changes, %v", len(c.Changes), err)
	}
	sizes := []string{}
	for _, x := range w.Log() {
		if u, _ := url.Parse(x.URL); u.Query().Get("$top") != "" {
			sizes = append(sizes, u.Query().Get("$top"))
		}
	}
	if want := []string{"40", "20", "10"}; !slices.Equal(sizes[:3], want) {
		t.Errorf("sizes %q, want %q", sizes, want)
	}
}
