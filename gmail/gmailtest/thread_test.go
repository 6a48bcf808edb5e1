package gmailtest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/mailtether/mailtether/gmail/gmailtest"
)

// TestThreadOfSentMessage: threadId, References and Subject have to agree.
func TestThreadOfSentMessage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		alone  bool
		thread string // "" the one of the original
		fields []string
		joined bool
	}{
		"all three":          {fields: []string{"Subject: Re: Plan", "In-Reply-To: <one@x.example>", "References: <one@x.example>"}, joined: true},
		"In-Reply-To alone":  {fields: []string{"Subject: Re: Plan", "In-Reply-To: <one@x.example>"}, joined: true},
		"prefixes":           {fields: []string{"Subject: RE: Fwd:  plan", "References: <one@x.example>"}, joined: true},
		"another subject":    {fields: []string{"Subject: Re: Plans", "References: <one@x.example>"}},
		"no references":      {fields: []string{"Subject: Re: Plan"}},
		"unknown references": {fields: []string{"Subject: Re: Plan", "References: <two@x.example>"}},
		"no threadId":        {thread: "none", fields: []string{"Subject: Re: Plan", "References: <one@x.example>"}},
		"threadId is enough": {alone: true, fields: []string{"Subject: Other"}, joined: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, gmailtest.Options{ThreadIDAlone: c.alone})
			original := w.find(ann, w.deliver("From: "+carl, "Subject: Plan", "Message-ID: <one@x.example>"))
			thread := original.ThreadID
			if c.thread != "" {
				thread = ""
			}
			sent := w.ok("POST", "/messages/send", sendBody(message(append(c.fields, "To: "+carl)...), thread))
			if got := sent.str("threadId") == original.ThreadID; got != c.joined {
				t.Errorf("joined = %v", got)
			}
		})
	}
}

func TestUnknownThreadSendsNothing(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	w.refused("POST", "/messages/send", sendBody(message("To: "+bob), "18f0000000000000"), 404, "notFound", "Requested entity was not found.")
	if got := len(w.Messages(ann)) + len(w.Messages(bob)); got != 0 {
		t.Errorf("%d messages exist", got)
	}
}

// TestThreadOfReceivedMessage: a reply joins what it cites; mail that cites
// nothing joins what repeats it within a week.
func TestThreadOfReceivedMessage(t *testing.T) {
	t.Parallel()
	original := []string{"From: " + carl, "To: " + ann, "Subject: Report", "Message-ID: <one@x.example>"}
	for name, c := range map[string]struct {
		o      gmailtest.Options
		fields []string
		later  time.Duration
		joined bool
	}{
		"cites it":          {fields: []string{"From: " + bob, "Subject: Re: report", "References: <zero@x.example> <one@x.example>"}, joined: true},
		"cites it, late":    {fields: []string{"From: " + bob, "Subject: Re: report", "In-Reply-To: <one@x.example>"}, later: 400 * 24 * time.Hour, joined: true},
		"another subject":   {fields: []string{"From: " + bob, "Subject: Something else", "In-Reply-To: <one@x.example>"}},
		"cites the unknown": {fields: []string{"From: " + carl, "To: " + ann, "Subject: Report", "References: <zero@x.example>"}},
		"repeats it":        {fields: []string{"From: " + carl, "To: " + ann, "Subject: Report"}, later: 6 * 24 * time.Hour, joined: true},
		"repeats it, late":  {fields: []string{"From: " + carl, "To: " + ann, "Subject: Report"}, later: 8 * 24 * time.Hour},
		"another sender":    {fields: []string{"From: " + bob, "To: " + ann, "Subject: Report"}},
		"other recipients":  {fields: []string{"From: " + carl, "To: " + ann + ", " + bob, "Subject: Report"}},
		"grouping is off":   {o: gmailtest.Options{NoSubjectGrouping: true}, fields: []string{"From: " + carl, "To: " + ann, "Subject: Report"}},
		"empty subjects":    {fields: []string{"From: " + carl, "To: " + ann}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, c.o)
			first := w.find(ann, w.deliver(original...))
			w.deliver("From: "+carl, "To: "+ann) // without a subject
			w.Advance(c.later)
			got := w.find(ann, w.deliver(c.fields...))
			if joined := got.ThreadID == first.ThreadID; joined != c.joined {
				t.Errorf("joined = %v", joined)
			}
			if name == "empty subjects" && got.ThreadID != got.ID {
				t.Error("mail without a subject was grouped")
			}
		})
	}
}

func TestThreadSplitsAtHundred(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	threads := map[string]int{}
	for i := range 120 {
		id := w.deliver("From: "+carl, "Subject: Long", fmt.Sprintf("Message-ID: <%d@x.example>", i), fmt.Sprintf("References: <%d@x.example>", i-1))
		threads[w.find(ann, id).ThreadID]++
	}
	if len(threads) != 2 {
		t.Errorf("threads = %v", threads)
	}
	for id, n := range threads {
		if n > 100 {
			t.Errorf("thread %s has %d messages", id, n)
		}
	}
}

func TestReplyJoinsTheThreadOfTheSentMessage(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	sent := w.send("To: "+bob, "Subject: Plan")
	// Bob answers from his own mailbox: only headers link the two threads.
	w.as(bob)
	theirs := w.find(bob, w.inbox(bob)[0])
	wire := w.header(theirs.ID, "Message-ID")
	w.ok("POST", "/messages/send", sendBody(message("To: "+ann, "Subject: Re: Plan", "In-Reply-To: "+wire, "References: "+wire), theirs.ThreadID))
	if got := w.find(ann, w.inbox(ann)[0]).ThreadID; got != sent.str("threadId") {
		t.Errorf("thread = %s, want %s", got, sent.str("threadId"))
	}
}

func TestThreadsListAndGet(t *testing.T) {
	t.Parallel()
	w := setup(t, gmailtest.Options{})
	one := w.find(ann, w.deliver("Subject: A", "Message-ID: <a@x.example>"))
	w.deliver("Subject: B")
	w.deliver("Subject: Re: A", "References: <a@x.example>")
	list := w.ok("GET", "/threads?labelIds=INBOX", "")
	if got := list.ids("threads"); len(got) != 2 || got[0] != one.ThreadID {
		t.Errorf("threads = %v, the one with the newest message is %s", got, one.ThreadID)
	}
	if page := w.ok("GET", "/threads?maxResults=1", ""); len(page.ids("threads")) != 1 || page.str("nextPageToken") == "" {
		t.Errorf("page = %s", page.body)
	} else if rest := w.ok("GET", "/threads?maxResults=1&pageToken="+page.str("nextPageToken"), ""); len(rest.ids("threads")) != 1 || rest.ids("threads")[0] == one.ThreadID {
		t.Errorf("second page = %s", rest.body)
	}
	thread := w.ok("GET", "/threads/"+one.ThreadID+"?format=metadata&metadataHeaders=Subject", "")
	if got := thread.ids("messages"); len(got) != 2 || got[0] != one.ID || thread.str("messages.1.payload.headers.0.value") != "Re: A" {
		t.Errorf("thread = %s", thread.body)
	}
	w.refused("GET", "/threads/"+one.ThreadID+"?format=raw", "", 400, "invalidArgument", "format")
	w.refused("GET", "/threads/18f0000000000000", "", 404, "notFound", "")
}
