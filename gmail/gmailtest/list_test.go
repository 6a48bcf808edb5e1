package gmailtest_test

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/gmail/gmailtest"
)

// all walks through every page of a list.
func (w *world) all(path string) []string {
	w.t.Helper()
	var ids []string
	for token := ""; ; {
		page := w.ok("GET", path+"&pageToken="+token, "")
		ids = append(ids, page.ids("messages")...)
		if token = page.str("nextPageToken"); token == "" {
			return ids
		}
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	var want []string
	for i := range 25 {
		want = append(want, w.deliver(fmt.Sprintf("Subject: %d", i)))
	}
	slices.Reverse(want) // newest first
	if diff := cmp.Diff(want, w.all("/messages?maxResults=7")); diff != "" {
		t.Error(diff)
	}
	first := w.ok("GET", "/messages?maxResults=7", "")
	if n := first.at("resultSizeEstimate"); n == 25.0 {
		t.Error("the estimate is exact")
	}
	w.deliver("Subject: while paging")
	second := w.ok("GET", "/messages?maxResults=7&pageToken="+first.str("nextPageToken"), "")
	if diff := cmp.Diff(want[7:14], second.ids("messages")); diff != "" {
		t.Errorf("new mail moved the page: %s", diff)
	}
	if first.at("messages.0.labelIds") != nil || first.at("messages.0.threadId") == nil {
		t.Errorf("element = %v", first.at("messages.0"))
	}
}

// TestPagingWithinAMillisecond: page tokens know milliseconds only.
func TestPagingWithinAMillisecond(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	for i := range 6 {
		at := time.Date(2026, 1, 2, 3, 4, 5, 900-100*i, time.UTC)
		if _, err := w.DeliverAs(ann, []byte(message(fmt.Sprintf("Subject: %d", i))), gmailtest.Delivery{At: at}); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.all("/messages?maxResults=1"); len(got) != 6 {
		t.Errorf("%d of 6 messages are listed", len(got))
	}
}

func TestPageSizes(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	for i := range 510 {
		w.deliver(fmt.Sprintf("Subject: %d", i))
	}
	for query, want := range map[string]int{"": 100, "?maxResults=500": 500, "?maxResults=3": 3} {
		if got := len(w.ok("GET", "/messages"+query, "").list("messages")); got != want {
			t.Errorf("%q: %d messages, want %d", query, got, want)
		}
	}
	w.refused("GET", "/messages?maxResults=x", "", 400, "invalidArgument", "max_results")
}

func TestEmptyList(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	if a := w.ok("GET", "/messages", ""); a.at("messages") != nil || a.at("resultSizeEstimate") != 0.0 {
		t.Errorf("list = %s", a.body)
	}
}

func TestPageTokens(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{PageTokenLife: time.Hour})
	for i := range 3 {
		w.deliver(fmt.Sprintf("Subject: %d", i))
	}
	token := w.ok("GET", "/messages?maxResults=1", "").str("nextPageToken")
	w.refused("GET", "/messages?pageToken=nonsense", "", 400, "invalidArgument", "Invalid pageToken")
	w.refused("GET", "/messages?labelIds=INBOX&pageToken="+token, "", 400, "invalidArgument", "Invalid pageToken")
	w.Advance(61 * time.Minute)
	w.as(ann).refused("GET", "/messages?pageToken="+token, "", 400, "invalidArgument", "Invalid pageToken")
}

func TestListByLabel(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	in := w.deliver("Subject: in")
	spam, err := w.DeliverAs(ann, []byte(message("Subject: spam")), gmailtest.Delivery{Labels: []string{"SPAM"}})
	if err != nil {
		t.Fatal(err)
	}
	sent := w.send("To: " + carl).str("id")
	for query, want := range map[string][]string{
		"":                                     {sent, in},
		"?labelIds=INBOX":                      {in},
		"?labelIds=INBOX&labelIds=UNREAD":      {in},
		"?labelIds=INBOX&labelIds=SENT":        nil,
		"?labelIds=SENT":                       {sent},
		"?labelIds=SPAM":                       nil,
		"?labelIds=SPAM&includeSpamTrash=true": {spam},
		"?includeSpamTrash=true":               {sent, spam, in},
		"?q=in:spam":                           {spam},
		"?labelIds=Label_1&includeSpamTrash=false": nil,
	} {
		if diff := cmp.Diff(want, w.ok("GET", "/messages"+query, "").ids("messages")); diff != "" {
			t.Errorf("%q: %s", query, diff)
		}
	}
	w.refused("GET", "/messages?labelIds=NOPE", "", 400, "invalidArgument", "Invalid label: NOPE")
	w.refused("GET", "/messages?includeSpamTrash=1", "", 400, "invalidArgument", "includeSpamTrash")
}

func TestSearch(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.SetTime(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	w.as(ann)
	old := w.deliver("From: Carl <"+carl+">", "To: "+ann, "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from far", "Message-ID: <Old@x.example>")
	w.ok("POST", "/messages/"+old+"/modify", `{"removeLabelIds":["UNREAD"],"addLabelIds":["Label_1"]}`)
	w.SetTime(time.Date(2026, 5, 3, 12, 0, 0, 0, time.UTC))
	w.as(ann)
	fresh := w.deliver("From: "+bob, "To: "+ann, "Subject: Plan", "Message-ID: <new@x.example>")
	sent := w.send("To: "+carl, "Subject: Plan").str("id")
	day := time.Date(2026, 5, 2, 0, 0, 0, 0, time.UTC).Unix()
	for q, want := range map[string][]string{
		"after:2026/05/02":                 {sent, fresh},
		"before:2026/05/02":                {old},
		fmt.Sprintf("after:%d", day):       {sent, fresh},
		fmt.Sprintf("before:%d", day):      {old},
		"after:2026/4/1 before:2026-05-02": {old},
		"in:inbox":                         {fresh, old},
		"in:sent":                          {sent},
		"-in:sent":                         {fresh, old},
		"in:anywhere":                      {sent, fresh, old},
		"is:unread":                        {fresh},
		"is:read":                          {sent, old},
		"label:old-friends":                {old},
		`label:"Old Friends"`:              {old},
		"label:unread":                     {fresh},
		"from:CARL":                        {old},
		`from:"carl <" -is:unread`:         {old},
		"to:" + carl:                       {sent},
		"subject:grüße":                    {old},
		`subject:"from far"`:               {old},
		"subject:plan in:inbox":            {fresh},
		"rfc822msgid:new@x.example":        {fresh},
		"rfc822msgid:<Old@x.example>":      {old},
		"rfc822msgid:old@x.example":        nil, // ids are case-sensitive
		"   ":                              {sent, fresh, old},
	} {
		if diff := cmp.Diff(want, w.ok("GET", "/messages?q="+url.QueryEscape(q), "").ids("messages")); diff != "" {
			t.Errorf("%q: %s", q, diff)
		}
	}
	for _, q := range []string{"hello", "has:attachment", "after:yesterday", "in:limbo", "is:starred", "from:(a b)", "subject:", `subject:"open`, "{from:a}", "from:a OR from:b"} {
		w.refused("GET", "/messages?q="+url.QueryEscape(q), "", 400, "invalidArgument", "gmailtest does not support")
	}
}

func TestIndexLag(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{IndexLag: time.Hour})
	id := w.deliver("Subject: x", "Message-ID: <a@x.example>")
	search := func() []string { return w.as(ann).ok("GET", "/messages?q=rfc822msgid:a@x.example", "").ids("messages") }
	if got := search(); got != nil {
		t.Errorf("the index has %v at once", got)
	}
	if got := w.ok("GET", "/messages", "").ids("messages"); len(got) != 1 {
		t.Errorf("the plain list has %v", got)
	}
	w.Advance(time.Hour)
	if diff := cmp.Diff([]string{id}, search()); diff != "" {
		t.Error(diff)
	}
}

func TestDisorder(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{Disorder: true})
	var want []string
	for i := range 5 {
		want = append(want, w.deliver(fmt.Sprintf("Subject: %d", i)))
	}
	got := w.ok("GET", "/messages", "").ids("messages")
	slices.Reverse(want)
	if slices.Equal(got, want) {
		t.Error("the list is in order")
	}
	// Pages still neither miss nor repeat anything.
	paged := w.all("/messages?maxResults=2")
	slices.Sort(paged)
	slices.Sort(want)
	if diff := cmp.Diff(want, paged); diff != "" {
		t.Error(diff)
	}
}
