package outlooktest_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/outlook/outlooktest"
)

func TestDraftAndSend(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna).immutable()
	in := text("Hi", "Hello", bert)
	in["bccRecipients"] = to(carol)
	in["internetMessageHeaders"] = []any{object{"name": "X-Ref", "value": "r-1"}}
	draft := c.post("/me/messages", in).ok(t, 201)
	r := c.post("/me/messages/"+draft.str("id")+"/send", nil).ok(t, 202)
	if len(r.body) != 0 {
		t.Errorf("202 has a body: %s", r.body)
	}
	sent := c.get("/me/messages/"+draft.str("id")).ok(t, 200)
	if sent.object["isDraft"] != false || sent.str("internetMessageId") != draft.str("internetMessageId") ||
		sent.obj("from").obj("emailAddress").str("address") != anna {
		t.Errorf("%s", sent.body)
	}
	if diff := cmp.Diff([]string{"Hi"}, subjects(c.get("/me/mailFolders/sentitems/messages").ok(t, 200).list("value"))); diff != "" {
		t.Error(diff)
	}
	for _, user := range []string{bert, carol} {
		got := s.In(user, "inbox")
		if len(got) != 1 || got[0].Read {
			t.Fatalf("%s has %+v", user, got)
		}
		raw := string(got[0].Raw)
		if !strings.Contains(raw, "Received: ") || !strings.Contains(raw, "X-Ref: r-1\r\n") || strings.Contains(raw, "Bcc") || strings.Contains(raw, carol+"\r\n") {
			t.Errorf("%s", raw)
		}
		if got[0].ID == draft.str("id") || got[0].Conversation == sent.str("conversationId") {
			t.Error("ids are those of the sender's mailbox")
		}
		if got[0].MessageID.Brackets() != sent.str("internetMessageId") {
			t.Error("another Message-ID arrived")
		}
	}
	c.post("/me/messages/"+draft.str("id")+"/send", nil).refused(t, 404, "ErrorItemNotFound")
	if n := len(s.Submissions()); n != 1 {
		t.Errorf("%d submissions", n)
	}
}

func TestMutableIDChangesOnSend(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna)
	id := c.post("/me/messages", text("Hi", "x", bert)).ok(t, 201).str("id")
	c.post("/me/messages/"+id+"/send", nil).ok(t, 202)
	c.get("/me/messages/"+id).refused(t, 404, "ErrorItemNotFound")
}

func TestSendMail(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{SendRetryAfter: "30"})
	c := as(t, s, anna, "Mail.Send")
	r := c.post("/me/sendMail", object{"message": text("one", "x", bert)}).ok(t, 202)
	if r.header.Get("Retry-After") != "30" || len(r.body) != 0 {
		t.Errorf("%v %s", r.header, r.body)
	}
	c.post("/me/sendMail", object{"Message": text("two", "x", bert), "SaveToSentItems": false}).ok(t, 202)
	c.post("/me/sendMail", mimeBody(base64.StdEncoding.EncodeToString([]byte("To: "+bert+"\r\nSubject: three\r\nBcc: "+carol+"\r\nList-Unsubscribe: <https://x.example/u>\r\nMessage-ID: <mine@contoso.example>\r\n\r\nx\r\n")))).ok(t, 202)
	var kept []string
	for _, m := range s.In(anna, "sentitems") {
		kept = append(kept, m.Subject)
	}
	if diff := cmp.Diff([]string{"one", "three"}, kept); diff != "" {
		t.Error(diff)
	}
	if got := s.In(bert, "inbox"); len(got) != 3 {
		t.Fatalf("%d arrived", len(got))
	}
	raw := string(s.In(carol, "inbox")[0].Raw)
	for _, want := range []string{"List-Unsubscribe: <https://x.example/u>\r\n", "Message-ID: <mine@contoso.example>\r\n", "From: \"Anna Aalto\" <" + anna + ">\r\n", "Date: "} {
		if !strings.Contains(raw, want) {
			t.Errorf("no %q in %s", want, raw)
		}
	}
	if strings.Contains(raw, "Bcc") {
		t.Error("Bcc went over the wire")
	}
}

func TestMIMEPassesIntact(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	raw := "From: " + anna + "\r\nTo: " + bert + "\r\nSubject: =?utf-8?q?x=C3=BC?=\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <a@contoso.example>\r\n" +
		"In-Reply-To: <p@example.net>\r\nReferences: <p@example.net>\r\nContent-Type: text/plain\r\n\r\nbody \r\n"
	c := as(t, s, anna).immutable()
	draft := c.post("/me/messages", mimeBody(base64.StdEncoding.EncodeToString([]byte(raw)))).ok(t, 201)
	if draft.str("subject") != "xü" || draft.str("internetMessageId") != "<a@contoso.example>" {
		t.Errorf("%s", draft.body)
	}
	c.post("/me/messages/"+draft.str("id")+"/send", nil).ok(t, 202)
	_, after, _ := strings.Cut(string(s.In(bert, "inbox")[0].Raw), "+0000\r\nFrom:")
	if diff := cmp.Diff(strings.TrimPrefix(raw, "From:"), after); diff != "" {
		t.Error(diff)
	}
}

func TestSendRefusals(t *testing.T) {
	t.Parallel()
	from := func(a string) object {
		m := text("x", "x", bert)
		m["from"] = object{"emailAddress": object{"address": a}}
		return m
	}
	for _, tt := range []struct {
		name   string
		body   any
		status int
		code   string
	}{
		{"no recipient", object{"message": text("x", "x")}, 400, "ErrorInvalidRecipients"},
		{"bad recipient", object{"message": text("x", "x", "bert")}, 400, "ErrorInvalidRecipients"},
		{"two addresses", object{"message": text("x", "x", "a@b.example, c@d.example")}, 400, "ErrorInvalidRecipients"},
		{"foreign from", object{"message": from("boss@example.net")}, 403, "ErrorSendAsDenied"},
		{"colleague", object{"message": from(bert)}, 403, "ErrorSendAsDenied"},
		{"own", object{"message": from(anna)}, 202, ""},
		{"no message", object{}, 400, "RequestBodyRead"},
		{"bad base64", mimeBody("%"), 400, "ErrorMimeContentInvalidBase64String"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, outlooktest.Options{})
			r := as(t, s, anna).post("/me/sendMail", tt.body)
			if r.status != tt.status || r.code() != tt.code {
				t.Errorf("%d %s", r.status, r.body)
			}
			if r.status != 202 && (len(s.Messages(anna)) != 0 || len(s.Submissions()) != 0) {
				t.Error("a refused send left something behind")
			}
		})
	}
}

func TestMessageSize(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{MaxMessageBytes: 2000})
	as(t, s, anna).post("/me/sendMail", object{"message": text("x", strings.Repeat("x", 2000), bert)}).
		refused(t, 400, "ErrorMessageSizeExceeded")
}

func TestSendFromAliasAndShared(t *testing.T) {
	t.Parallel()
	const alias = "a.aalto@contoso.example"
	m := text("x", "x", bert)
	m["from"] = object{"emailAddress": object{"address": alias}}
	for _, tt := range []struct {
		keep bool
		want string
	}{{false, anna}, {true, alias}} {
		s := start(t, outlooktest.Options{SendFromAlias: tt.keep})
		as(t, s, anna).post("/me/sendMail", object{"message": m}).ok(t, 202)
		if got := s.In(bert, "inbox")[0].From; got != tt.want {
			t.Errorf("From is %s, want %s", got, tt.want)
		}
		mime := "From: " + alias + "\r\nTo: " + bert + "\r\n\r\nx"
		as(t, s, anna).post("/me/sendMail", mimeBody(base64.StdEncoding.EncodeToString([]byte(mime)))).ok(t, 202)
		if got := s.In(bert, "inbox")[1].From; got != tt.want {
			t.Errorf("From of MIME is %s, want %s", got, tt.want)
		}
	}
	s := start(t, outlooktest.Options{})
	s.AddUser(outlooktest.User{Address: "team@contoso.example", SharedWith: []string{anna}})
	m["from"] = object{"emailAddress": object{"address": "team@contoso.example"}}
	as(t, s, anna).post("/me/sendMail", object{"message": m}).refused(t, 403, "ErrorAccessDenied") // the scope is missing
	as(t, s, anna, "Mail.Send", "Mail.Send.Shared").post("/me/sendMail", object{"message": m}).ok(t, 202)
	if s.In(bert, "inbox")[0].From != "team@contoso.example" || len(s.In(anna, "sentitems")) != 1 {
		t.Error("Send As: the copy lands in the sender's own Sent Items")
	}
}

func TestMessageIDs(t *testing.T) {
	t.Parallel()
	const mine = "<mine@contoso.example>"
	for _, tt := range []struct {
		name    string
		options outlooktest.Options
		user    string
		kept    bool
	}{
		{"work", outlooktest.Options{}, anna, true},
		{"work, rewritten", outlooktest.Options{RewriteWorkIDs: true}, anna, false},
		{"personal", outlooktest.Options{}, carol, false},
		{"personal, kept", outlooktest.Options{KeepPersonalIDs: true}, carol, true},
	} {
		for form, in := range map[string]any{
			"MIME": mimeBody(base64.StdEncoding.EncodeToString([]byte("To: " + bert + "\r\nMessage-ID: " + mine + "\r\n\r\nx"))),
			"JSON": object{"subject": "x", "toRecipients": to(bert), "internetMessageId": mine},
		} {
			s := start(t, tt.options)
			c := as(t, s, tt.user).immutable()
			draft := c.post("/me/messages", in).ok(t, 201)
			if draft.str("internetMessageId") != mine {
				t.Errorf("%s %s: the draft has %s", tt.name, form, draft.str("internetMessageId"))
			}
			c.post("/me/messages/"+draft.str("id")+"/send", nil).ok(t, 202)
			sent := c.get("/me/messages/"+draft.str("id")).ok(t, 200).str("internetMessageId")
			got := s.In(bert, "inbox")[0]
			if (sent == mine) != tt.kept || got.MessageID.Brackets() != sent {
				t.Errorf("%s %s: sent copy %s, arrived %s", tt.name, form, sent, got.MessageID)
			}
			if strings.Contains(string(got.Raw), "X-Microsoft-Original-Message-ID: "+mine+"\r\n") == tt.kept {
				t.Errorf("%s %s: %s", tt.name, form, got.Raw)
			}
			if n := strings.Count(strings.ToLower(string(got.Raw)), "\nmessage-id:"); n != 1 {
				t.Errorf("%s %s: %d Message-IDs", tt.name, form, n)
			}
		}
	}
	// An id that the service chose itself is stable.
	s := start(t, outlooktest.Options{RewriteWorkIDs: true})
	c := as(t, s, anna).immutable()
	draft := c.post("/me/messages", text("x", "x", bert)).ok(t, 201)
	c.post("/me/messages/"+draft.str("id")+"/send", nil).ok(t, 202)
	if got := s.In(bert, "inbox")[0].MessageID.Brackets(); got != draft.str("internetMessageId") {
		t.Errorf("%s became %s", draft.str("internetMessageId"), got)
	}
}

func TestSentItemHeaders(t *testing.T) {
	t.Parallel()
	for policy, want := range map[outlooktest.SentHeaders][]string{
		"":                     {"X-Ref"},
		outlooktest.SentCustom: {"X-Ref"},
		outlooktest.SentNone:   nil,
	} {
		s := start(t, outlooktest.Options{SentHeaders: policy})
		c := as(t, s, anna).immutable()
		in := text("x", "x", bert)
		in["internetMessageHeaders"] = []any{object{"name": "X-Ref", "value": "r"}}
		id := c.post("/me/messages", in).ok(t, 201).str("id")
		c.post("/me/messages/"+id+"/send", nil).ok(t, 202)
		var names []string
		for _, h := range c.get("/me/messages/"+id+"?$select=internetMessageHeaders").ok(t, 200).list("internetMessageHeaders") {
			names = append(names, h.str("name"))
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("%q: %s", policy, diff)
		}
		if v := c.get("/me/messages/"+id+"/$value").ok(t, 200); !strings.Contains(string(v.body), "Message-ID: ") {
			t.Error("the raw message has no Message-ID")
		}
	}
	s := start(t, outlooktest.Options{SentHeaders: outlooktest.SentFull})
	as(t, s, anna).post("/me/sendMail", object{"message": text("x", "x", bert)}).ok(t, 202)
	r := as(t, s, anna).get("/me/mailFolders/sentitems/messages?$select=internetMessageHeaders").ok(t, 200)
	if n := len(r.list("value")[0].list("internetMessageHeaders")); n < 5 {
		t.Errorf("%d fields", n)
	}
}

func TestPropertyThreading(t *testing.T) {
	t.Parallel()
	for _, ignored := range []bool{false, true} {
		s := start(t, outlooktest.Options{IgnorePropertyThreading: ignored})
		in := text("Re: x", "x", bert)
		in["singleValueExtendedProperties"] = []any{
			object{"id": "String 0x1042", "value": "<p@example.net>"},
			object{"id": "String 0x1039", "value": "<o@example.net> <p@example.net>"},
		}
		as(t, s, anna).post("/me/sendMail", object{"message": in}).ok(t, 202)
		raw := string(s.In(bert, "inbox")[0].Raw)
		if strings.Contains(raw, "In-Reply-To: <p@example.net>\r\n") == ignored ||
			strings.Contains(raw, "References: <o@example.net>\r\n <p@example.net>\r\n") == ignored {
			t.Errorf("ignored=%t: %s", ignored, raw)
		}
	}
}

func TestTransportDelayByRequests(t *testing.T) {
	t.Parallel()
	for _, hidden := range []bool{false, true} {
		s := start(t, outlooktest.Options{SendDelayRequests: 3, HideInTransport: hidden})
		c := as(t, s, anna).immutable()
		id := c.post("/me/messages", text("x", "x", bert)).ok(t, 201).str("id")
		c.post("/me/messages/"+id+"/send", nil).ok(t, 202)
		listed := len(c.get("/me/mailFolders/drafts/messages").ok(t, 200).list("value"))
		if (listed == 0) != hidden {
			t.Errorf("hidden=%t: %d drafts are listed", hidden, listed)
		}
		for range 2 {
			r := c.get("/me/messages/" + id)
			if hidden {
				r.refused(t, 404, "ErrorItemNotFound")
			} else if r.ok(t, 200).object["isDraft"] != true {
				t.Errorf("filed too early: %s", r.body)
			}
		}
		if r := c.get("/me/messages/"+id).ok(t, 200); r.object["isDraft"] != false {
			t.Errorf("not filed: %s", r.body)
		}
		if len(s.In(bert, "inbox")) != 1 {
			t.Error("not delivered")
		}
	}
}

func TestTransportDelayByClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := outlooktest.New(outlooktest.Options{SendDelay: 30 * time.Second})
		defer s.Close()
		s.AddUser(outlooktest.User{Address: anna})
		s.AddUser(outlooktest.User{Address: bert})
		c := as(t, s, anna).immutable()
		id := c.post("/me/messages", text("x", "x", bert)).ok(t, 201).str("id")
		c.post("/me/messages/"+id+"/send", nil).ok(t, 202)
		time.Sleep(29 * time.Second)
		if r := c.get("/me/messages/"+id).ok(t, 200); r.object["isDraft"] != true || len(s.In(bert, "inbox")) != 0 {
			t.Errorf("filed too early: %s", r.body)
		}
		time.Sleep(time.Second)
		if r := c.get("/me/messages/"+id).ok(t, 200); r.object["isDraft"] != false || len(s.In(bert, "inbox")) != 1 {
			t.Errorf("not filed: %s", r.body)
		}
	})
}

// Nothing stops a second send of a draft that transport already has: both
// go out.
func TestSendTwiceInTransport(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{SendDelay: time.Hour})
	c := as(t, s, anna).immutable()
	id := c.post("/me/messages", text("x", "x", bert)).ok(t, 201).str("id")
	for range 2 {
		c.post("/me/messages/"+id+"/send", nil).ok(t, 202)
	}
	s.Settle()
	if n := len(s.Submissions()); n != 2 {
		t.Errorf("%d submissions, want 2", n)
	}
	if n := len(s.In(bert, "inbox")); n != 2 {
		t.Errorf("%d arrived, want 2", n)
	}
	if n := len(s.In(anna, "sentitems")); n != 1 {
		t.Errorf("%d in Sent Items, want 1", n)
	}
}

func TestDeferredSend(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	at := s.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	in := text("later", "x", bert)
	in["singleValueExtendedProperties"] = []any{object{"id": "SystemTime 0x3FEF", "value": at}}
	as(t, s, anna).post("/me/sendMail", object{"message": in}).ok(t, 202)
	if len(s.In(bert, "inbox")) != 0 {
		t.Error("sent at once")
	}
	s.Advance(61 * time.Minute)
	if len(s.In(bert, "inbox")) != 1 {
		t.Error("never sent")
	}
}

func TestRelay(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	var got []outlooktest.Envelope
	s.SetRelay(func(e outlooktest.Envelope) {
		got = append(got, e)
		if _, err := s.Deliver(anna, eml("answer")); err != nil { // no lock is held
			t.Error(err)
		}
	})
	as(t, s, anna).post("/me/sendMail", object{"message": text("x", "x", bert, "dora@example.net", "DORA@example.net", "eve@example.org")}).ok(t, 202)
	if len(got) != 1 || got[0].From != anna {
		t.Fatalf("%+v", got)
	}
	if diff := cmp.Diff([]string{"dora@example.net", "eve@example.org"}, got[0].To); diff != "" {
		t.Error(diff)
	}
	if len(s.In(anna, "inbox")) != 1 || len(s.In(bert, "inbox")) != 1 {
		t.Error("local delivery failed")
	}
	s.SetRelay(nil)
	as(t, s, anna).post("/me/sendMail", object{"message": text("x", "x", "dora@example.net")}).ok(t, 202)
}

func TestNDR(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	c := as(t, s, anna).immutable()
	draft := c.post("/me/messages", text("Grüße", "x", bert, "nobody@contoso.example")).ok(t, 201)
	c.post("/me/messages/"+draft.str("id")+"/send", nil).ok(t, 202)
	if len(s.In(bert, "inbox")) != 1 {
		t.Error("the good recipient got nothing")
	}
	r := c.get("/me/mailFolders/inbox/messages?$select=subject,from,internetMessageHeaders,hasAttachments").ok(t, 200).list("value")
	if len(r) != 1 || r[0].str("subject") != "Undeliverable: Grüße" || !strings.HasPrefix(r[0].obj("from").obj("emailAddress").str("address"), "MicrosoftExchange329e71ec") {
		t.Fatalf("%v", r)
	}
	h := http.Header{}
	for _, f := range r[0].list("internetMessageHeaders") {
		h.Add(f.str("name"), f.str("value"))
	}
	if h.Get("In-Reply-To") != draft.str("internetMessageId") || h.Get("Auto-Submitted") != "auto-replied" || h.Values("X-MS-Exchange-Message-Is-Ndr") == nil {
		t.Errorf("%v", h)
	}
	raw := string(s.In(anna, "inbox")[0].Raw)
	for _, want := range []string{
		"multipart/report; report-type=delivery-status", "Final-Recipient: rfc822;nobody@contoso.example\r\nAction: failed\r\nStatus: 5.1.10\r\n",
		"Diagnostic-Code: smtp;550 5.1.10", "Delivery has failed to these recipients or groups:", "Message-ID: " + draft.str("internetMessageId"),
	} {
		if !strings.Contains(raw, want) {
			t.Errorf("no %q in %s", want, raw)
		}
	}
}

func TestNDRVariants(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{NDR: outlooktest.NDR{
		SubjectPrefix: "Unzustellbar: ", Text: "Fehler bei der Nachrichtenzustellung.", Language: "de-DE", NoInReplyTo: true, NoReport: true,
	}})
	s.SetBounce("dora@example.net", outlooktest.Bounce{Status: "5.7.233"})
	as(t, s, anna).post("/me/sendMail", object{"message": text("x", "x", "Dora@example.net")}).ok(t, 202)
	raw := string(s.In(anna, "inbox")[0].Raw)
	for want, have := range map[string]bool{
		"Subject: Unzustellbar: x": true, "Fehler bei der Nachrichtenzustellung.": true, "Content-Language: de-DE": true,
		"5.7.233": true, "In-Reply-To:": false, "delivery-status": false,
	} {
		if strings.Contains(raw, want) != have {
			t.Errorf("%q: want %t in %s", want, have, raw)
		}
	}
	s.SetBounce("dora@example.net", outlooktest.Bounce{})
	as(t, s, anna).post("/me/sendMail", object{"message": text("x", "x", "dora@example.net")}).ok(t, 202)
	if n := len(s.In(anna, "inbox")); n != 1 {
		t.Errorf("%d reports", n)
	}
}

func TestSendLimits(t *testing.T) {
	t.Parallel()
	s := outlooktest.NewServer(t, outlooktest.Options{SendLimitStatus: 403})
	s.AddUser(outlooktest.User{Address: anna, SendLimit: 2})
	s.AddUser(outlooktest.User{Address: carol, Personal: true, SendLimit: 2})
	send := func(user string, n int) reply {
		list := []string{"a@example.net", "b@example.net", "c@example.net"}[:n]
		return as(t, s, user).post("/me/sendMail", object{"message": text("x", "x", list...)})
	}
	send(carol, 2).ok(t, 202)
	send(carol, 1).refused(t, 403, "ErrorExceededMessageLimit")
	s.Advance(25 * time.Hour)
	send(carol, 1).ok(t, 202)

	// Work accounts are told by a report after the 202.
	send(anna, 2).ok(t, 202)
	send(anna, 1).ok(t, 202)
	got := s.In(anna, "inbox")
	if len(got) != 1 || !strings.Contains(string(got[0].Raw), "Status: 5.1.90") {
		t.Errorf("%+v", got)
	}

	s.SetSendRefusal(anna, 400, "ErrorMessageSubmissionBlocked")
	send(anna, 1).refused(t, 400, "ErrorMessageSubmissionBlocked")
	as(t, s, anna).get("/me/messages").ok(t, 200) // reading goes on
	s.SetSendRefusal(anna, 0, "")
	s.Advance(25 * time.Hour)
	send(anna, 1).ok(t, 202)
}

func TestSendByHand(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	if err := s.SendByHand(anna, []byte("To: "+bert+"\r\nSubject: by hand\r\n\r\nx")); err != nil {
		t.Fatal(err)
	}
	if len(s.In(anna, "sentitems")) != 1 || len(s.In(bert, "inbox")) != 1 {
		t.Error("not sent")
	}
	if err := s.SendByHand(anna, []byte("Subject: to nobody\r\n\r\nx")); err == nil {
		t.Error("a message without recipients was sent")
	}
}
