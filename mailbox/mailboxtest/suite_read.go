package mailboxtest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

var readRules = []rule{
	{"pages hold every message once", func(t *testing.T, h *Harness) {
		for i := range 10 {
			h.Deliver(t, h.Alice, raw(h.Alice, fmt.Sprint("Page ", i)))
			time.Sleep(time.Second)
		}
		var got []string
		for m, err := range mailbox.All(t.Context(), h.open(t, h.Alice, reading), mailbox.Query{Max: 3}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, m.Subject)
		}
		slices.Sort(got)
		if len(got) != 10 || len(slices.Compact(got)) != 10 {
			t.Errorf("got %q", got)
		}
	}},
	{"a time range bounds the list", func(t *testing.T, h *Harness) {
		for _, caps := range []mailbox.Capabilities{mailbox.CanReadHeaders, reading} {
			h.Deliver(t, h.Alice, raw(h.Alice, "Before "+caps.String()))
			time.Sleep(time.Hour)
			since := time.Now()
			time.Sleep(time.Minute)
			h.Deliver(t, h.Alice, raw(h.Alice, "Inside "+caps.String()))
			time.Sleep(time.Minute)
			before := time.Now()
			time.Sleep(time.Hour)
			h.Deliver(t, h.Alice, raw(h.Alice, "After "+caps.String()))
			var got []string
			for m, err := range mailbox.All(t.Context(), h.open(t, h.Alice, caps), mailbox.Query{Since: since, Before: before}) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, m.Subject)
			}
			if !slices.Equal(got, []string{"Inside " + caps.String()}) {
				t.Errorf("%v: got %q", caps, got)
			}
		}
	}},
	{"headers come without bodies, and no body is asked for", func(t *testing.T, h *Harness) {
		h.Deliver(t, h.Alice, raw(h.Alice, "Only headers", "In-Reply-To: <a@b.example>\r\nReferences: <r@b.example>\r\n <a@b.example>\r\n"))
		for _, caps := range []mailbox.Capabilities{mailbox.CanReadHeaders, sending} {
			before := h.BodyReads()
			mb := h.open(t, h.Alice, caps)
			page := must[mailbox.Page](t)(mb.List(t.Context(), mailbox.Query{}))
			if len(page.Messages) != 1 {
				t.Fatalf("%v: %d messages", caps, len(page.Messages))
			}
			m := page.Messages[0]
			if m.Body != nil || h.BodyReads() != before {
				t.Errorf("%v: body %+v, %d body reads", caps, m.Body, h.BodyReads()-before)
			}
			if m.RFCMessageID != "Only.headers@elsewhere.example" || !slices.Equal(m.InReplyTo(), []mailbox.RFCMessageID{"a@b.example"}) ||
				!slices.Equal(m.References(), []mailbox.RFCMessageID{"r@b.example", "a@b.example"}) {
				t.Errorf("%v: id %q, in-reply-to %q, references %q", caps, m.RFCMessageID, m.InReplyTo(), m.References())
			}
			if len(m.From) != 1 || m.From[0] != (mailbox.Address{Name: "Eve Outside", Address: "eve@elsewhere.example"}) {
				t.Errorf("%v: from %+v", caps, m.From)
			}
			if m.Read || m.ReceivedAt.IsZero() || !m.In(mailbox.FolderInbox) || m.ThreadID == "" {
				t.Errorf("%v: %+v", caps, m)
			}
		}
	}},
	{"ids alone can be listed", func(t *testing.T, h *Harness) {
		h.Deliver(t, h.Alice, raw(h.Alice, "Just an id"))
		page := must[mailbox.Page](t)(h.open(t, h.Alice, reading).List(t.Context(), mailbox.Query{Parts: mailbox.PartIDs}))
		if len(page.Messages) != 1 || page.Messages[0].ID == "" {
			t.Errorf("got %+v", page.Messages)
		}
	}},
	{"fetched messages come in the order asked, missing ones as nil", func(t *testing.T, h *Harness) {
		for i := range 30 {
			h.Deliver(t, h.Alice, raw(h.Alice, fmt.Sprint("Order ", i)))
		}
		mb := h.open(t, h.Alice, reading)
		var ids []mailbox.MessageID
		want := map[mailbox.MessageID]string{}
		for m, err := range mailbox.All(t.Context(), mb, mailbox.Query{Max: 30}) {
			if err != nil {
				t.Fatal(err)
			}
			ids, want[m.ID] = append(ids, m.ID), m.Subject
		}
		h.Delete(t, h.Alice, ids[7])
		slices.Reverse(ids)
		got := must[[]*mailbox.Message](t)(mb.Fetch(t.Context(), ids, mailbox.PartHeaders))
		if len(got) != len(ids) {
			t.Fatalf("%d messages for %d ids", len(got), len(ids))
		}
		for i, m := range got {
			switch {
			case i == len(ids)-1-7:
				if m != nil {
					t.Errorf("a deleted message is %+v", m)
				}
			case m == nil || m.ID != ids[i] || m.Subject != want[ids[i]]:
				t.Errorf("at %d: %+v, want %q", i, m, want[ids[i]])
			}
		}
	}},
	{"fetching nothing asks for nothing", func(t *testing.T, h *Harness) {
		mb := h.open(t, h.Alice, reading)
		before := h.Requests()
		got := must[[]*mailbox.Message](t)(mb.Fetch(t.Context(), nil, mailbox.PartHeaders))
		if len(got) != 0 || h.Requests() != before {
			t.Errorf("%d messages, %d requests", len(got), h.Requests()-before)
		}
	}},
	{"a body has its text and HTML, files are described", func(t *testing.T, h *Harness) {
		h.Deliver(t, h.Alice, []byte(strings.ReplaceAll(`From: eve@elsewhere.example
To: a@b.example
Subject: Parts
Date: Mon, 02 Jun 2025 10:00:00 +0000
Message-ID: <parts@elsewhere.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=m

--m
Content-Type: multipart/alternative; boundary=a

--a
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

caf=E9
--a
Content-Type: text/html; charset=utf-8

<p>café</p>
--a--
--m
Content-Type: application/pdf; name=plan.pdf
Content-Disposition: attachment; filename=plan.pdf
Content-Transfer-Encoding: base64

JVBERi0=
--m--
`, "\n", "\r\n")))
		mb := h.open(t, h.Alice, reading)
		page := must[mailbox.Page](t)(mb.List(t.Context(), mailbox.Query{Parts: mailbox.PartBody}))
		if len(page.Messages) != 1 || page.Messages[0].Body == nil {
			t.Fatalf("got %+v", page.Messages)
		}
		m := page.Messages[0]
		if !strings.Contains(m.Body.Text+m.Body.HTML, "café") {
			t.Errorf("body is %+v", m.Body)
		}
		if len(m.Attachments) != 1 || m.Attachments[0].Name != "plan.pdf" || m.Attachments[0].ContentType != "application/pdf" {
			t.Errorf("attachments are %+v", m.Attachments)
		}
	}},
	{"without the capability no body is asked for", func(t *testing.T, h *Harness) {
		h.Deliver(t, h.Alice, raw(h.Alice, "Private"))
		mb := h.open(t, h.Alice, mailbox.CanSend|mailbox.CanReadHeaders)
		page := must[mailbox.Page](t)(mb.List(t.Context(), mailbox.Query{}))
		before := h.Requests()
		_, err := mb.Fetch(t.Context(), []mailbox.MessageID{page.Messages[0].ID}, mailbox.PartBody)
		wantClass(t, err, mailbox.ClassConsent)
		_, err = mb.List(t.Context(), mailbox.Query{Parts: mailbox.PartBody})
		wantClass(t, err, mailbox.ClassConsent)
		if got := h.Requests() - before; got != 0 {
			t.Errorf("%d requests", got)
		}
	}},
	{"a message can be read as it came", func(t *testing.T, h *Harness) {
		h.Deliver(t, h.Alice, raw(h.Alice, "As it came"))
		mb := h.open(t, h.Alice, reading)
		r, ok := mb.(mailbox.RawReader)
		if !ok {
			t.Skip("the mailbox does not give raw messages")
		}
		page := must[mailbox.Page](t)(mb.List(t.Context(), mailbox.Query{}))
		got := must[[]byte](t)(r.Raw(t.Context(), page.Messages[0].ID, 0))
		if !strings.Contains(string(got), "Subject: As it came\r\n") || !strings.Contains(string(got), "Hello from outside.") {
			t.Errorf("got %q", got)
		}
		_, err := r.Raw(t.Context(), page.Messages[0].ID, 10)
		wantClass(t, err, mailbox.ClassInvalid)
	}},
	{"broken messages are read and warned of", func(t *testing.T, h *Harness) {
		for _, broken := range []string{
			"Subject: no end",
			"Subject: Broken one\r\nFrom: =?x-unknown?Q?=E9?= <a@b.example>\r\nDate: yesterday\r\nContent-Type: text/plain; charset=x-unknown\r\n\r\n\xe9\xff",
			"From: a@b.example\r\nFrom: c@d.example\r\nSubject: Broken two\r\nContent-Type: multipart/mixed; boundary=never\r\n\r\n--never\r\n\r\nno end",
			"Subject: Broken three\r\nContent-Transfer-Encoding: base64\r\n\r\n****not base64****",
			"this is not a header\r\n\r\nbody",
			"\r\n\r\n",
			"",
		} {
			h.Deliver(t, h.Alice, []byte(broken))
		}
		mb := h.open(t, h.Alice, reading)
		for _, parts := range []mailbox.Parts{mailbox.PartHeaders, mailbox.PartBody} {
			n := 0
			for m, err := range mailbox.All(t.Context(), mb, mailbox.Query{Parts: parts}) {
				if err != nil {
					t.Fatalf("after %d messages: %v", n, err)
				}
				if n++; m.ID == "" {
					t.Errorf("no id: %+v", m)
				}
			}
			if n != 7 {
				t.Errorf("%d of 7 messages read", n)
			}
		}
	}},
	{"read state is kept", func(t *testing.T, h *Harness) {
		h.Deliver(t, h.Alice, raw(h.Alice, "Mark me"))
		mb := h.open(t, h.Alice, h.All)
		state := func() bool {
			page := must[mailbox.Page](t)(mb.List(t.Context(), mailbox.Query{}))
			return page.Messages[0].Read
		}
		page := must[mailbox.Page](t)(mb.List(t.Context(), mailbox.Query{}))
		id := page.Messages[0].ID
		for _, want := range []bool{true, true, false} {
			if err := mb.SetRead(t.Context(), want, id); err != nil {
				t.Fatal(err)
			}
			if got := state(); got != want {
				t.Errorf("read is %v, want %v", got, want)
			}
		}
	}},
	{"marking skips ids that do not exist", func(t *testing.T, h *Harness) {
		h.Deliver(t, h.Alice, raw(h.Alice, "Gone"))
		h.Deliver(t, h.Alice, raw(h.Alice, "Here"))
		gone := h.await(t, h.Alice, mailbox.FolderInbox, "Gone")
		here := h.await(t, h.Alice, mailbox.FolderInbox, "Here")
		h.Delete(t, h.Alice, gone.ID)
		if err := h.open(t, h.Alice, h.All).SetRead(t.Context(), true, gone.ID, here.ID); err != nil {
			t.Fatal(err)
		}
		if m := h.await(t, h.Alice, mailbox.FolderInbox, "Here"); !m.Read {
			t.Error("the other message was not marked")
		}
	}},
	{"marking needs the capability", func(t *testing.T, h *Harness) {
		mb := h.open(t, h.Alice, reading)
		before := h.Requests()
		wantClass(t, mb.SetRead(t.Context(), true, "x"), mailbox.ClassConsent)
		if h.Requests() != before {
			t.Error("a request was made")
		}
	}},
	{"a mailbox may be used from many goroutines", func(t *testing.T, h *Harness) {
		for i := range 5 {
			h.Deliver(t, h.Alice, raw(h.Alice, fmt.Sprint("Many ", i)))
		}
		mb := h.open(t, h.Alice, h.All)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				page, err := mb.List(t.Context(), mailbox.Query{})
				if err != nil || len(page.Messages) != 5 {
					t.Errorf("%d messages, %v", len(page.Messages), err)
					return
				}
				if err := mb.SetRead(t.Context(), true, page.Messages[0].ID); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}},
}
