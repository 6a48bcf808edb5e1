package gmailtest_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/gmail/gmailtest"
)

// events lists history as "kind id labels".
func (w *world) events(a answer) []string {
	w.t.Helper()
	var out []string
	for _, r := range a.list("history") {
		for _, kind := range []string{"messagesAdded", "messagesDeleted", "labelsAdded", "labelsRemoved"} {
			list, _ := r.(object)[kind].([]any)
			for _, e := range list {
				m := e.(object)["message"].(object)
				labels := e.(object)["labelIds"]
				if labels == nil {
					labels = m["labelIds"]
				}
				out = append(out, fmt.Sprint(kind, " ", m["id"], " ", labels))
			}
		}
		if len(r.(object)["messages"].([]any)) != 1 {
			w.t.Errorf("messages does not repeat the record: %v", r)
		}
	}
	return out
}

func (w *world) historyID() string { return w.ok("GET", "/profile", "").str("historyId") }

func TestHistory(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	start := w.historyID()
	id := w.deliver("Subject: x")
	w.ok("POST", "/messages/"+id+"/modify", `{"addLabelIds":["STARRED"],"removeLabelIds":["UNREAD","SPAM"]}`)
	w.ok("POST", "/messages/"+id+"/modify", `{"addLabelIds":["STARRED"]}`) // no change
	sent := w.send("To: " + carl).str("id")
	w.ok("DELETE", "/messages/"+id, "")
	a := w.ok("GET", "/history?startHistoryId="+start, "")
	want := []string{
		"messagesAdded " + id + " [INBOX UNREAD]",
		"labelsAdded " + id + " [STARRED]",
		"labelsRemoved " + id + " [UNREAD]",
		"messagesAdded " + sent + " [SENT]",
		"messagesDeleted " + id + " [INBOX STARRED]",
	}
	if diff := cmp.Diff(want, w.events(a)); diff != "" {
		t.Error(diff)
	}
	if a.str("historyId") != w.historyID() {
		t.Errorf("historyId = %s", a.str("historyId"))
	}
	last := uint64(0)
	gaps := false
	for _, id := range a.ids("history") {
		n, err := strconv.ParseUint(id, 10, 64)
		if err != nil || n <= last {
			t.Errorf("id %s after %d", id, last)
		}
		gaps = gaps || n > last+1
		last = n
	}
	if !gaps {
		t.Error("ids have no gaps")
	}
	// The start is exclusive.
	if a := w.ok("GET", "/history?startHistoryId="+w.historyID(), ""); a.at("history") != nil {
		t.Errorf("history = %s", a.body)
	}
}

func TestHistoryFilters(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	start := w.historyID()
	in := w.deliver("Subject: in")
	spam, err := w.DeliverAs(ann, []byte(message("Subject: spam")), gmailtest.Delivery{Labels: []string{"SPAM"}})
	if err != nil {
		t.Fatal(err)
	}
	w.ok("POST", "/messages/"+spam+"/modify", `{"addLabelIds":["INBOX"],"removeLabelIds":["SPAM"]}`)
	w.ok("POST", "/messages/"+in+"/modify", `{"removeLabelIds":["INBOX"]}`)
	w.ok("POST", "/messages/"+in+"/modify", `{"removeLabelIds":["UNREAD"]}`) // not in the inbox any more
	for query, want := range map[string][]string{
		"&labelId=INBOX": {
			"messagesAdded " + in + " [INBOX UNREAD]", "labelsAdded " + spam + " [INBOX]", "labelsRemoved " + spam + " [SPAM]",
			"labelsRemoved " + in + " [INBOX]",
		},
		"&labelId=INBOX&historyTypes=messageAdded":                         {"messagesAdded " + in + " [INBOX UNREAD]"}, // misses what came later
		"&historyTypes=labelAdded":                                         {"labelsAdded " + spam + " [INBOX]"},
		"&historyTypes=messageAdded&historyTypes=labelAdded&labelId=INBOX": {"messagesAdded " + in + " [INBOX UNREAD]", "labelsAdded " + spam + " [INBOX]"},
		"&historyTypes=messageDeleted":                                     nil,
	} {
		if diff := cmp.Diff(want, w.events(w.ok("GET", "/history?startHistoryId="+start+query, ""))); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	w.refused("GET", "/history?startHistoryId="+start+"&historyTypes=all", "", 400, "invalidArgument", "history_types")
	w.refused("GET", "/history?startHistoryId="+start+"&labelId=NOPE", "", 400, "invalidArgument", "Invalid label")
}

func TestHistoryPages(t *testing.T) {
	t.Parallel()
	for _, empty := range []bool{false, true} {
		w := setup(t, gmailtest.Options{EmptyHistoryPages: empty})
		start := w.historyID()
		var want []string
		for i := range 7 {
			want = append(want, "messagesAdded "+w.deliver(fmt.Sprintf("Subject: %d", i))+" [INBOX UNREAD]")
		}
		var got []string
		pages := 0
		for token := ""; pages == 0 || token != ""; pages++ {
			a := w.ok("GET", "/history?maxResults=3&startHistoryId="+start+"&pageToken="+token, "")
			if empty && pages == 0 && (a.at("history") != nil || a.str("nextPageToken") == "") {
				t.Errorf("first page = %s", a.body)
			}
			got = append(got, w.events(a)...)
			token = a.str("nextPageToken")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if wantPages := map[bool]int{false: 3, true: 4}[empty]; pages != wantPages {
			t.Errorf("%d pages, want %d", pages, wantPages)
		}
		w.refused("GET", "/history?startHistoryId="+start+"&pageToken=x", "", 400, "invalidArgument", "Invalid pageToken")
	}
}

func TestHistoryExpires(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	start := w.historyID()
	w.deliver("Subject: 1")
	middle := w.historyID()
	w.Advance(6 * 24 * time.Hour)
	w.deliver("Subject: 2")
	w.as(ann).ok("GET", "/history?startHistoryId="+start, "")
	w.Advance(2 * 24 * time.Hour)
	w.as(ann).refused("GET", "/history?startHistoryId="+start, "", 404, "notFound", "Requested entity was not found.")
	w.ok("GET", "/history?startHistoryId="+middle, "") // nothing since then is too old
	w.ExpireHistory()
	w.refused("GET", "/history?startHistoryId="+middle, "", 404, "notFound", "")
	w.ok("GET", "/history?startHistoryId="+w.historyID(), "")
	for _, bad := range []string{"1", "18446744073709551615"} {
		w.refused("GET", "/history?startHistoryId="+bad, "", 404, "notFound", "")
	}
	w.refused("GET", "/history?startHistoryId=x", "", 400, "invalidArgument", "startHistoryId")
	w.refused("GET", "/history", "", 400, "invalidArgument", "startHistoryId")
}

func TestSentLagByRequests(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{SentLag: gmailtest.Lag{Requests: 2}})
	start := w.historyID()
	sent := w.send("To: " + carl).str("id")
	later := w.deliver("Subject: later")
	if a := w.ok("GET", "/history?startHistoryId="+start, ""); a.at("history") != nil || a.str("historyId") != start {
		t.Errorf("history shows what hides, or moves past it: %s", a.body)
	}
	if got := w.ok("GET", "/messages?labelIds=SENT", "").ids("messages"); got != nil {
		t.Errorf("list = %v", got)
	}
	w.ok("GET", "/messages/"+sent, "") // by its id it is there
	want := []string{"messagesAdded " + sent + " [SENT]", "messagesAdded " + later + " [INBOX UNREAD]"}
	if diff := cmp.Diff(want, w.events(w.ok("GET", "/history?startHistoryId="+start, ""))); diff != "" {
		t.Error(diff)
	}
	if got := w.ok("GET", "/messages?labelIds=SENT", "").ids("messages"); len(got) != 1 {
		t.Errorf("list = %v", got)
	}
}

func TestSentLagByTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := gmailtest.New(gmailtest.Options{SentLag: gmailtest.Lag{For: 3 * time.Second, Get: true}})
		defer s.Close()
		w := populate(t, s)
		start := w.historyID()
		sent := w.send("To: " + carl).str("id")
		w.refused("GET", "/messages/"+sent, "", 404, "notFound", "")
		for range 3 {
			if a := w.ok("GET", "/history?startHistoryId="+start, ""); a.at("history") != nil {
				t.Errorf("history = %s", a.body)
			}
			time.Sleep(time.Second)
		}
		w.ok("GET", "/messages/"+sent, "")
		if got := w.events(w.ok("GET", "/history?startHistoryId="+start, "")); len(got) != 1 || !strings.Contains(got[0], sent) {
			t.Errorf("history = %v", got)
		}
	})
}
