package gmail_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/gmail/gmailtest"
	"github.com/mailtether/mailtether/mailbox"
)

func subjects(list []*mailbox.Message) string {
	var all []string
	for _, m := range list {
		all = append(all, m.Subject)
	}
	return strings.Join(all, ",")
}

func TestListFolders(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	for _, label := range []string{"INBOX", "SPAM", "TRASH", "SENT", "DRAFT"} {
		w.deliverAs(label, gmailtest.Delivery{Labels: []string{label}})
	}
	w.deliverAs("nowhere", gmailtest.Delivery{Labels: []string{"STARRED"}})
	mb := w.open(ann, mailbox.CanReadHeaders)
	for folder, want := range map[mailbox.Folder]string{
		"": "INBOX", mailbox.FolderInbox: "INBOX", mailbox.FolderSpam: "SPAM", mailbox.FolderTrash: "TRASH",
		mailbox.FolderSent: "SENT", mailbox.FolderDrafts: "DRAFT",
	} {
		page := must[mailbox.Page](t)(mb.List(t.Context(), mailbox.Query{Folder: folder}))
		if got := subjects(page.Messages); got != want || page.Next != "" {
			t.Errorf("%q lists %q, want %q", folder, got, want)
		}
		if folder == mailbox.FolderDrafts && !page.Messages[0].Draft {
			t.Error("a draft is not marked")
		}
	}
	w.ClearLog()
	for _, folder := range []mailbox.Folder{mailbox.FolderArchive, mailbox.FolderOther, "x"} {
		_, err := mb.List(t.Context(), mailbox.Query{Folder: folder})
		wantError(t, err, mailbox.ClassUnsupported, mailbox.OutcomeNone)
		wantField(t, err, "folder")
	}
	_, err := mb.List(t.Context(), mailbox.Query{Max: -1})
	wantError(t, err, mailbox.ClassInvalid, mailbox.OutcomeNone)
	wantField(t, err, "max")
	if n := w.requests(); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

func TestListPages(t *testing.T) {
	t.Parallel()
	for _, disorder := range []bool{false, true} {
		w := setup(t, gmailtest.Options{Disorder: disorder})
		ids := w.many(130)
		mb := w.open(ann, mailbox.CanReadHeaders)
		seen := map[mailbox.MessageID]bool{}
		pages := 0
		q := mailbox.Query{}
		for {
			page := must[mailbox.Page](t)(mb.List(t.Context(), q))
			pages++
			for _, m := range page.Messages {
				seen[m.ID] = true
			}
			if page.Next == "" {
				break
			}
			q.Page = page.Next
		}
		if len(seen) != len(ids) || pages != 3 {
			t.Errorf("%d messages on %d pages, want 130 on 3", len(seen), pages)
		}
		w.ClearLog()
		page := must[mailbox.Page](t)(mb.List(t.Context(), mailbox.Query{Max: 10_000, Parts: mailbox.PartIDs}))
		if len(page.Messages) != 130 || page.Messages[0].ThreadID == "" || w.requests() != 1 {
			t.Errorf("%d ids by %d requests", len(page.Messages), w.requests())
		}
		_, err := mb.List(t.Context(), mailbox.Query{Page: "https://evil.example/?x&pageToken=y\r\n"})
		wantError(t, err, mailbox.ClassInvalid, mailbox.OutcomeNone)
		wantField(t, err, "page")
	}
}

// daysBefore returns an hour before now, i days earlier.
func daysBefore(now time.Time, i int) time.Time {
	return now.Add(-time.Duration(i)*24*time.Hour - time.Hour).Truncate(time.Second)
}

// days delivers a letter for each of the last n days, named by its age.
func (w *world) days(now time.Time, n int) {
	w.t.Helper()
	for i := n - 1; i >= 0; i-- {
		w.deliverAs(fmt.Sprint(i), gmailtest.Delivery{At: daysBefore(now, i)})
	}
}

func TestListBounds(t *testing.T) {
	t.Parallel()
	now := time.Now()
	day := func(i int) time.Time { return daysBefore(now, i) }
	tests := []struct {
		name                string
		since, before       time.Time
		want                string
		search              bool // with a scope that allows it
		pages, pagesHeaders int  // at most, of ten each
	}{
		{"since", day(3), time.Time{}, "0,1,2,3", false, 3, 3},
		{"since is included, to the second", day(3).Add(time.Second), time.Time{}, "0,1,2", false, 3, 3},
		{"before, recent", time.Time{}, day(57), "58,59", true, 1, 6},
		{"before is excluded", day(50), day(47), "48,49,50", true, 1, 6},
		{"before, too recent to search", day(3), day(0), "1,2,3", false, 3, 3},
		{"nothing", day(-5), time.Time{}, "", false, 3, 3},
	}
	for _, caps := range []mailbox.Capabilities{reads, mailbox.CanReadHeaders} {
		for _, tt := range tests {
			for _, parts := range []mailbox.Parts{mailbox.PartHeaders, mailbox.PartIDs} {
				w := setup(t, gmailtest.Options{})
				w.days(now, 60)
				mb := w.open(ann, caps)
				w.ClearLog()
				var got []*mailbox.Message
				for m, err := range mailbox.All(t.Context(), mb, mailbox.Query{Since: tt.since, Before: tt.before, Max: 10, Parts: parts}) {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, m)
				}
				if parts == mailbox.PartHeaders && subjects(got) != tt.want {
					t.Errorf("%s, %v: %q, want %q", tt.name, caps, subjects(got), tt.want)
				}
				if want := len(strings.FieldsFunc(tt.want, func(r rune) bool { return r == ',' })); len(got) != want {
					t.Errorf("%s, %v: %d messages, want %d", tt.name, caps, len(got), want)
				}
				lists, searched := 0, false
				for _, x := range w.Log() {
					u := must[*http.Request](t)(http.NewRequest("GET", x.URL, nil)).URL
					if u.Path == apiPath+"/messages" {
						lists++
						searched = searched || u.Query().Has("q")
					}
				}
				most := tt.pages
				if caps == mailbox.CanReadHeaders {
					most = tt.pagesHeaders
				}
				if lists > most || searched != (tt.search && caps == reads) {
					t.Errorf("%s, %v: %d lists, searched %v", tt.name, caps, lists, searched)
				}
			}
		}
	}
}

// TestListDoesNotTrustTheIndex: mail that searches do not find yet is listed.
func TestListDoesNotTrustTheIndex(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{IndexLag: 24 * time.Hour})
	w.days(time.Now(), 3)
	page := must[mailbox.Page](t)(w.open(ann, reads).List(t.Context(), mailbox.Query{Since: time.Now().Add(-30 * 24 * time.Hour)}))
	if got := subjects(page.Messages); got != "0,1,2" {
		t.Errorf("listed %q", got)
	}
}

func TestListOddAnswers(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	id := w.deliver("Hello")
	mb := w.open(ann, mailbox.CanReadHeaders)
	for name, tt := range map[string]struct {
		body  string
		want  string
		class mailbox.Class
	}{
		"nulls":        {body: `{"messages":[null,{"id":null},{"id":"` + string(id) + `","threadId":null,"new":{}}],"nextPageToken":null,"resultSizeEstimate":null}`, want: "Hello"},
		"null list":    {body: `{"messages":null}`},
		"vanished":     {body: `{"messages":[{"id":"18ffffffffffffff","threadId":"1"}]}`},
		"null":         {body: `null`, class: mailbox.ClassUnavailable},
		"HTML":         {body: `<html>`, class: mailbox.ClassUnavailable},
		"half":         {body: `{"messages":[{"id":"1`, class: mailbox.ClassUnavailable},
		"another type": {body: `{"messages":"x"}`, class: mailbox.ClassUnavailable},
	} {
		w.Inject(gmailtest.Fault{Path: apiPath + "/messages", Status: 200, Body: tt.body})
		page, err := mb.List(t.Context(), mailbox.Query{})
		if tt.class != mailbox.ClassUnknown {
			wantError(t, err, tt.class, mailbox.OutcomeNone)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(tt.want, subjects(page.Messages)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
