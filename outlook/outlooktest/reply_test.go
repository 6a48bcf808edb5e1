package outlooktest_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailtether/mailtether/outlook/outlooktest"
)

func addressesOf(list []object) []string {
	var out []string
	for _, r := range list {
		out = append(out, r.obj("emailAddress").str("address"))
	}
	return out
}

func index(t *testing.T, m object) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(m.str("conversationIndex"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCreateReply(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	id := deliver(t, s, []byte("From: Dora <dora@example.net>\r\nTo: "+anna+", Bert <"+bert+">\r\nCc: eve@example.org, "+anna+
		"\r\nSubject: Plan\r\nMessage-ID: <q@example.net>\r\nReferences: <o@example.net>\r\n\r\nWhat do you think?\r\n"))
	c := as(t, s, anna).immutable()
	orig := c.get("/me/messages/"+id).ok(t, 200)
	r := c.post("/me/messages/"+id+"/createReply", object{"comment": "Good"}).ok(t, 201)
	if r.str("subject") != "RE: Plan" || r.object["isDraft"] != true || r.str("conversationId") != orig.str("conversationId") {
		t.Errorf("%s", r.body)
	}
	if diff := cmp.Diff([]string{"dora@example.net"}, addressesOf(r.list("toRecipients"))); diff != "" {
		t.Error(diff)
	}
	if body := r.obj("body").str("content"); !strings.Contains(body, "Good") || !strings.Contains(body, "What do you think?") ||
		strings.Index(body, "Good") > strings.Index(body, "What do you think?") || r.obj("body").str("contentType") != "html" {
		t.Errorf("%s", body)
	}
	// The parent's index and five bytes more.
	if p, got := index(t, orig.object), index(t, r.object); !bytes.HasPrefix(got, p) || len(got) != len(p)+5 {
		t.Errorf("%x does not continue %x", got, p)
	}
	all := c.post("/me/messages/"+id+"/createReplyAll", object{}).ok(t, 201)
	if diff := cmp.Diff([]string{"dora@example.net", bert}, addressesOf(all.list("toRecipients"))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"eve@example.org"}, addressesOf(all.list("ccRecipients"))); diff != "" {
		t.Error(diff)
	}

	var out []outlooktest.Envelope
	s.SetRelay(func(e outlooktest.Envelope) { out = append(out, e) })
	c.post("/me/messages/"+r.str("id")+"/send", nil).ok(t, 202)
	raw := string(out[0].Raw)
	for _, want := range []string{
		"In-Reply-To: <q@example.net>\r\n", "References: <o@example.net>\r\n <q@example.net>\r\n", "Thread-Topic: Plan\r\n", "Subject: RE: Plan\r\n",
		"Thread-Index: " + r.str("conversationIndex") + "\r\n",
	} {
		if !strings.Contains(raw, want) {
			t.Errorf("no %q in %s", want, raw)
		}
	}
}

func TestReplyGoesToReplyTo(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	id := deliver(t, s, eml("RE: x", "Reply-To: desk@example.net"))
	r := as(t, s, anna).post("/me/messages/"+id+"/createReply", object{}).ok(t, 201)
	if diff := cmp.Diff([]string{"desk@example.net"}, addressesOf(r.list("toRecipients"))); diff != "" {
		t.Error(diff)
	}
	if r.str("subject") != "RE: x" {
		t.Errorf("subject %q", r.str("subject"))
	}
}

func TestReplyWithMessage(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	id := deliver(t, s, eml("x", "Message-ID: <q@example.net>"))
	c := as(t, s, anna)
	path := "/me/messages/" + id
	r := c.post(path+"/createReply", object{"message": object{"body": object{"contentType": "text", "content": "Mine"}, "toRecipients": to(bert)}}).ok(t, 201)
	if diff := cmp.Diff(object{"contentType": "text", "content": "Mine"}, r.obj("body")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{bert}, addressesOf(r.list("toRecipients"))); diff != "" {
		t.Error(diff)
	}
	c.post(path+"/createReply", object{"comment": "c", "message": object{"body": object{"contentType": "text", "content": "b"}}}).refused(t, 400, "BadRequest")
	c.post(path+"/createReply", object{"message": object{"internetMessageHeaders": []any{object{"name": "References", "value": "x"}}}}).refused(t, 400, "InvalidInternetMessageHeader")

	other := c.post(path+"/createReply", object{"message": object{"subject": "Something else"}}).ok(t, 201)
	if other.str("conversationId") == r.str("conversationId") {
		t.Error("another subject is another conversation")
	}
	mine := "To: " + bert + "\r\nSubject: RE: x\r\nX-Ref: 1\r\n\r\nfrom MIME\r\n"
	m := c.post(path+"/createReply", mimeBody(base64.StdEncoding.EncodeToString([]byte(mine)))).ok(t, 201)
	c.post("/me/messages/"+m.str("id")+"/send", nil).ok(t, 202)
	raw := string(s.In(bert, "inbox")[0].Raw)
	if !strings.Contains(raw, "In-Reply-To: <q@example.net>\r\n") || !strings.Contains(raw, "X-Ref: 1\r\n") || m.str("conversationId") != r.str("conversationId") {
		t.Errorf("%s", raw)
	}
}

func TestReplyAction(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	as(t, s, anna).post("/me/sendMail", object{"message": text("Hi", "x", bert)}).ok(t, 202)
	got := s.In(bert, "inbox")[0]
	as(t, s, bert, "Mail.Send").post("/me/messages/"+got.ID+"/reply", object{"comment": "Thanks"}).ok(t, 202)
	answer := s.In(anna, "inbox")
	if len(answer) != 1 || answer[0].Subject != "RE: Hi" || answer[0].Conversation != s.In(anna, "sentitems")[0].Conversation {
		t.Errorf("%+v", answer)
	}
	as(t, s, bert).post("/me/messages/"+got.ID+"/replyAll", object{}).ok(t, 202)
	draft := as(t, s, bert).post("/me/messages", text("d", "d", anna)).ok(t, 201).str("id")
	as(t, s, bert).post("/me/messages/"+draft+"/reply", object{}).refused(t, 400, "ErrorInvalidRequest")
}

func TestConversations(t *testing.T) {
	t.Parallel()
	const guid = "AQHdeRvbv4Df+mIIfGZZdqJcsy3miw=="
	conversation := func(s *outlooktest.Server, raw []byte) string {
		id := deliver(t, s, raw)
		return as(t, s, anna).get("/me/messages/"+id).ok(t, 200).str("conversationId")
	}
	s := start(t, outlooktest.Options{})
	first := conversation(s, eml("Topic", "Message-ID: <1@example.net>"))
	for name, tt := range map[string]struct {
		raw  []byte
		same bool
	}{
		"reply by ids":                 {eml("Re: topic", "References: <1@example.net>", "Message-ID: <2@example.net>"), true},
		"reply by ids, other subject":  {eml("Re: other", "In-Reply-To: <1@example.net>"), false},
		"stranger with equal subject":  {eml("TOPIC"), true}, // a known trap
		"stranger with other subject":  {eml("Unrelated"), false},
		"stranger without a subject":   {eml(""), false},
		"another one without subject":  {eml(""), false},
		"Thread-Index of someone else": {eml("Topic", "Thread-Index: "+guid), false},
	} {
		if got := conversation(s, tt.raw); (got == first) != tt.same {
			t.Errorf("%s: same=%t", name, !tt.same)
		}
	}
	a := conversation(s, eml("A", "Thread-Index: "+guid))
	if b := conversation(s, eml("RE: A", "Thread-Index: "+guid)); a != b {
		t.Error("one Thread-Index GUID, two conversations")
	}
	if b := conversation(s, eml("B", "Thread-Index: "+guid)); a == b {
		t.Error("another topic is another conversation")
	}

	split := start(t, outlooktest.Options{SplitExternalReplies: true})
	first = conversation(split, eml("Topic", "Message-ID: <1@example.net>"))
	if conversation(split, eml("Re: topic", "References: <1@example.net>")) == first {
		t.Error("the reply joined although it should start a conversation")
	}
}

// MIME goes out without Thread-Index; an answer to it stands in the same
// conversation all the same.
func TestConversationOverMIME(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	mime := "To: " + bert + "\r\nSubject: Question\r\nMessage-ID: <q@contoso.example>\r\n\r\nx"
	as(t, s, anna).post("/me/sendMail", mimeBody(base64.StdEncoding.EncodeToString([]byte(mime)))).ok(t, 202)
	got := s.In(bert, "inbox")[0]
	if bytes.Contains(got.Raw, []byte("Thread-Index")) {
		t.Error("MIME was changed")
	}
	as(t, s, bert).post("/me/messages/"+got.ID+"/reply", object{"comment": "Answer"}).ok(t, 202)
	if a, q := s.In(anna, "inbox")[0], s.In(anna, "sentitems")[0]; a.Conversation != q.Conversation {
		t.Error("question and answer stand in two conversations")
	}
}

// A reply that cites the id which transport wrote joins the conversation, and
// so does one that cites the id the sender chose.
func TestConversationOverRewrittenID(t *testing.T) {
	t.Parallel()
	s := start(t, outlooktest.Options{})
	as(t, s, carol).post("/me/sendMail", object{"message": object{
		"subject": "Question", "toRecipients": to("dora@example.net"), "internetMessageId": "<q@outlook.example>",
	}}).ok(t, 202)
	sent := s.In(carol, "sentitems")[0]
	for _, id := range []string{sent.MessageID.Brackets(), "<q@outlook.example>"} {
		if _, err := s.Deliver(carol, eml("Re: Question", "In-Reply-To: "+id)); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range s.In(carol, "inbox") {
		if m.Conversation != sent.Conversation {
			t.Errorf("reply %d stands in another conversation", i)
		}
	}
}
